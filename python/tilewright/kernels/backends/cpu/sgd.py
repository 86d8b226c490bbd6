"""Stochastic gradient descent in C++.

The extension's functions take the backends' arguments as they are.
"""

from __future__ import annotations

from tilewright._cpu import sgd_step as sgd_step
