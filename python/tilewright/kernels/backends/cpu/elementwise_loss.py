"""Losses of elements in C++.

The extension's function takes the backends' arguments as they are.
"""

from __future__ import annotations

from tilewright._cpu import elementwise_loss as elementwise_loss
