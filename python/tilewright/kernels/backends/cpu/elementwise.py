"""Activations, dropout and the gradient of a bias in C++.

The extension's functions take the backends' arguments as they are.
"""

from __future__ import annotations

from tilewright._cpu import activation as activation
from tilewright._cpu import activation_backward as activation_backward
from tilewright._cpu import bias_gradient as bias_gradient
from tilewright._cpu import dropout as dropout
