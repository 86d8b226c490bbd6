"""Softmax and the cross-entropy loss in C++.

The extension's functions take the backends' arguments as they are.
"""

from __future__ import annotations

from tilewright._cpu import log_softmax as log_softmax
from tilewright._cpu import log_softmax_backward as log_softmax_backward
from tilewright._cpu import softmax as softmax
from tilewright._cpu import softmax_backward as softmax_backward
from tilewright._cpu import softmax_cross_entropy as softmax_cross_entropy
