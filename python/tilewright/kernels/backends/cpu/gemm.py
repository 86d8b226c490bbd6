"""Matrix multiplication in C++.

The extension's functions take the backends' arguments as they are.
"""

from __future__ import annotations

from tilewright._cpu import gemm as gemm
from tilewright._cpu import quick_gemm as quick_gemm
