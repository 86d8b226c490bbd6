"""Batch normalization in C++.

The extension's functions take the backends' arguments as they are.
"""

from __future__ import annotations

from tilewright._cpu import batch_norm as batch_norm
from tilewright._cpu import batch_norm_backward as batch_norm_backward
