"""RMSprop and Adagrad in C++.

The extension's functions take the backends' arguments as they are.
"""

from __future__ import annotations

from tilewright._cpu import adagrad_step as adagrad_step
from tilewright._cpu import rmsprop_step as rmsprop_step
