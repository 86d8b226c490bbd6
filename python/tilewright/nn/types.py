"""What the arguments of layers and functions are, for annotations."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tilewright.autograd import Tensor

Array = NDArray[Any]
# What goes into every layer and function; a Tensor comes out.
TensorLike = Tensor | Array
# Rows and columns; an int stands for both.
PairLike = int | tuple[int, int]
# Also "valid" and "same".
PaddingLike = PairLike | str
