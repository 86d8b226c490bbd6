"""Limits on gradients in C++.

The extension's functions take the backends' arguments as they are.
"""

from __future__ import annotations

from tilewright._cpu import clip_by_norm as clip_by_norm
from tilewright._cpu import clip_by_value as clip_by_value
