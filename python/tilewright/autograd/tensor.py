"""The Tensor: an array, its gradient, and the operation that made it.

A Tensor is thin on purpose, for small networks spend their time between kernels:
plain slots, and operations that reach the array without passing a property. The
operations themselves lie beside this file by topic, each forward beside its backward;
the methods here only name them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tilewright.autograd.arrays import Version, as_array, boxed
from tilewright.autograd.exchange import Exchange
from tilewright.kernels import devices
from tilewright.kernels.device_arrays import device_of, is_array, on_device

if TYPE_CHECKING:
    from tilewright.autograd.function import Context

Array: TypeAlias = NDArray[Any]
Axes: TypeAlias = "int | tuple[int, ...] | None"


class Tensor(Exchange):
    """An array that knows how it was computed.

    Parameters
    ----------
    data : ndarray, Tensor or array_like
        An array is shared, not copied (:func:`tensor` copies). Lists of floats
        become float32.
    requires_grad : bool, default False
        Whether to collect the gradient of this leaf in ``grad``.

    Raises
    ------
    TypeError
        If the data is not numeric, or is to require a gradient and is not float.

    Examples
    --------
    >>> import tilewright as tw
    >>> x = tw.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.item()
    30.0
    >>> y.backward()
    >>> x.grad
    tensor([[2., 4.],
            [6., 8.]])
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_node", "_requires_grad", "_version")

    _data: Array
    _grad: Tensor | None
    _node: Context | None
    _requires_grad: bool
    _version: Version

    # NumPy leaves mixed expressions to the methods below.
    __array_ufunc__ = None
    __array_priority__ = 1000

    def __init__(self, data: Tensor | ArrayLike, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            data = data._data
        self._data = as_array(data)
        self._grad = None
        self._version = Version()
        self._node = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    # What it holds.

    @property
    def data(self) -> Array:
        """The array itself, on a GPU CuPy's; changes made through it go unnoticed."""
        return self._data

    @data.setter
    def data(self, array: Array) -> None:
        if not is_array(array):
            raise TypeError(f"data: must be a NumPy array, got {type(array).__name__}")
        array = as_array(array)
        if self._requires_grad and array.dtype.kind != "f":
            raise TypeError(
                "data: must be float where the tensor requires a gradient, "
                f"got {array.dtype.name}"
            )
        self._data = array
        self._version = Version()

    @property
    def grad(self) -> Tensor | None:
        """What ``backward`` has added up for this leaf, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | Array | None) -> None:
        if value is None:
            self._grad = None
            return
        grad = value if isinstance(value, Tensor) else Tensor(value)
        if grad._data.shape != self._data.shape:
            raise ValueError(
                f"grad: must have the tensor's shape {self._data.shape}, "
                f"got {grad._data.shape}"
            )
        self._grad = grad

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self._data.dtype.kind != "f":
            raise TypeError(
                "requires_grad: only float tensors can require a gradient, "
                f"got {self._data.dtype.name}"
            )
        if not value and self._node is not None:
            raise RuntimeError(
                "requires_grad: only a leaf can be switched off; use .detach() for "
                "a result without its history"
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` and return the tensor itself."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self._node is None

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's type of the elements."""
        return self._data.dtype

    @property
    def device(self) -> str:
        """Where the elements are: ``"cpu"``, ``"cuda:0"`` and so on."""
        return device_of(self._data)

    # The way out.

    def numpy(self) -> Array:
        """The array, shared with the tensor.

        Raises
        ------
        RuntimeError
            If the tensor requires a gradient, which NumPy would lose unnoticed:
            write ``.detach().numpy()`` or ``.data``.
        TypeError
            If it is on a GPU: write ``.to("cpu").numpy()``.
        """
        if self._requires_grad:
            raise RuntimeError(
                "numpy: this tensor requires a gradient, which NumPy would lose; "
                "use .detach().numpy()"
            )
        if on_device(self._data):
            raise TypeError(f'numpy: tensor is on {self.device}; use .to("cpu")')
        return self._data

    def item(self) -> Any:
        """The only element, as a Python number; a GPU is waited for.

        Raises
        ------
        ValueError
            If there is not exactly one.
        """
        if self._data.size != 1:
            raise ValueError(
                f"item: tensor must have one element, got shape {self._data.shape}"
            )
        return self._data.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._data.tolist()

    def detach(self) -> Tensor:
        """The same array without its history; both see changes in place."""
        result = Tensor(self._data)
        result._version = self._version
        return result

    def clone(self) -> Tensor:
        """A copy, through which gradients flow."""
        return pointwise.clone(self)

    def to(self, target: str | DTypeLike) -> Tensor:
        """The tensor as another dtype, or on a device; gradients flow back.

        Parameters
        ----------
        target : dtype or device
            ``"cpu"``, ``"cuda"`` or ``"cuda:1"``. The tensor itself is returned where
            nothing changes.

        Raises
        ------
        BackendUnavailableError
            If a GPU is asked for that is not here, or CuPy or kernels for it.
        ValueError
            If it is the name of no device.
        """
        return pointwise.to(self, target)

    def astype(self, dtype: DTypeLike) -> Tensor:
        """The tensor as another dtype; gradients flow from float to float."""
        return pointwise.astype(self, dtype)

    def backward(
        self,
        gradient: Tensor | ArrayLike | None = None,
        retain_graph: bool = False,
    ) -> None:
        """Add the gradients of this tensor to the ``grad`` of the leaves below it.

        Parameters
        ----------
        gradient : array_like, optional
            Of this tensor, of its shape; 1 where it has a single element.
        retain_graph : bool, default False
            Keep what was saved, for another call.

        Raises
        ------
        ValueError
            If `gradient` is missing and there is not exactly one element, or it has
            another shape.
        RuntimeError
            If the tensor does not require a gradient, the graph was released by an
            earlier call, or a saved array has changed since.

        Examples
        --------
        >>> import tilewright as tw
        >>> x = tw.tensor([3.0], requires_grad=True)
        >>> (x**2).backward()
        >>> x.grad
        tensor([6.])
        """
        if not self._requires_grad:
            raise RuntimeError(
                "backward: this tensor does not require a gradient: nothing it was "
                "computed from has requires_grad=True, or it was computed under "
                "no_grad"
            )
        engine.start_backward(self, gradient, retain_graph)

    # Python's protocols.

    def __repr__(self) -> str:
        return printing.text_of(self)

    def __getstate__(self) -> tuple[Any, dict[str, Any]]:
        if self._node is not None:
            raise RuntimeError(
                "copy: only leaf tensors can be copied or pickled; use .detach() "
                "or .clone()"
            )
        slots = ("_data", "_grad", "_node", "_requires_grad", "_version")
        return getattr(self, "__dict__", None), {n: getattr(self, n) for n in slots}

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise TypeError("len: a tensor without axes has no length")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if self._data.ndim == 0:
            raise TypeError("iter: cannot iterate over a tensor without axes")
        return (self[position] for position in range(len(self._data)))

    def __contains__(self, value: object) -> bool:
        return bool((self._data == value).any())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(
                "bool: the truth of a tensor with other than one element is "
                f"ambiguous (shape {self._data.shape}); use .data.any() or .data.all()"
            )
        return bool(self._data.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu" or self._data.ndim:
            raise TypeError(
                "index: only an integer tensor without axes is an index, got "
                f"{self._data.dtype.name} of shape {self._data.shape}"
            )
        return int(self._data)

    # Arithmetic. NotImplemented makes Python try the other operand, then raise.

    def __add__(self, other: Any) -> Tensor:
        return arithmetic.binary(arithmetic.Add, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return arithmetic.binary(arithmetic.Add, other, self)

    def __sub__(self, other: Any) -> Tensor:
        return arithmetic.binary(arithmetic.Subtract, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return arithmetic.binary(arithmetic.Subtract, other, self)

    def __mul__(self, other: Any) -> Tensor:
        return arithmetic.binary(arithmetic.Multiply, self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return arithmetic.binary(arithmetic.Multiply, other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return arithmetic.binary(arithmetic.Divide, self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return arithmetic.binary(arithmetic.Divide, other, self)

    def __pow__(self, other: Any) -> Tensor:
        return arithmetic.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return arithmetic.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return linear.operator_matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return linear.operator_matmul(other, self)

    def __neg__(self) -> Tensor:
        return arithmetic.Negative.apply(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return pointwise.absolute(self)

    def __iadd__(self, other: Any) -> Tensor:
        return inplace.update(arithmetic.Add, self, other)

    def __isub__(self, other: Any) -> Tensor:
        return inplace.update(arithmetic.Subtract, self, other)

    def __imul__(self, other: Any) -> Tensor:
        return inplace.update(arithmetic.Multiply, self, other)

    def __itruediv__(self, other: Any) -> Tensor:
        return inplace.update(arithmetic.Divide, self, other)

    # Comparisons, element by element; their results need no gradient.

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return arithmetic.compare(np.equal, self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return arithmetic.compare(np.not_equal, self, other)

    def __lt__(self, other: Any) -> Tensor:
        return arithmetic.compare(np.less, self, other)

    def __le__(self, other: Any) -> Tensor:
        return arithmetic.compare(np.less_equal, self, other)

    def __gt__(self, other: Any) -> Tensor:
        return arithmetic.compare(np.greater, self, other)

    def __ge__(self, other: Any) -> Tensor:
        return arithmetic.compare(np.greater_equal, self, other)

    # Changes in place.

    def __setitem__(self, index: Any, value: Any) -> None:
        inplace.set_item(self, index, value)

    def zero_(self) -> Tensor:
        """Set all elements to 0, in place."""
        return inplace.overwrite(self, 0)

    def fill_(self, value: float) -> Tensor:
        """Set all elements to a number, in place."""
        return inplace.overwrite(self, value)

    def copy_(self, source: Tensor | ArrayLike) -> Tensor:
        """Set the elements to those of another tensor, in place."""
        return inplace.overwrite(self, source)

    # Functions of each element: pointwise.py.

    def abs(self) -> Tensor:
        """Absolute value; its gradient at 0 is 0."""
        return pointwise.absolute(self)

    def exp(self) -> Tensor:
        """Exponential function."""
        return pointwise.exp(self)

    def log(self) -> Tensor:
        """Natural logarithm."""
        return pointwise.log(self)

    def sqrt(self) -> Tensor:
        """Square root."""
        return pointwise.sqrt(self)

    def tanh(self) -> Tensor:
        """Hyperbolic tangent."""
        return pointwise.tanh(self)

    def sigmoid(self) -> Tensor:
        """Logistic function ``1 / (1 + exp(-x))``."""
        return pointwise.sigmoid(self)

    def relu(self) -> Tensor:
        """``max(x, 0)``; its gradient at 0 is 0."""
        return pointwise.relu(self)

    def clip(self, low: float | None = None, high: float | None = None) -> Tensor:
        """Elements limited to ``[low, high]``; within it the gradient is 1."""
        return pointwise.clip(self, low, high)

    # Functions of whole axes: reductions.py.

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """Sum over axes (all by default)."""
        return reductions.sum(self, axis, keepdims)

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """Mean over axes (all by default)."""
        return reductions.mean(self, axis, keepdims)

    def max(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """Greatest element over axes; equal ones share the gradient."""
        return reductions.max(self, axis, keepdims)

    def min(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """Least element over axes; equal ones share the gradient."""
        return reductions.min(self, axis, keepdims)

    def var(
        self, axis: Axes = None, keepdims: bool = False, correction: int = 1
    ) -> Tensor:
        """Variance over axes: squares over their number less `correction`."""
        return reductions.var(self, axis, keepdims, correction)

    def argmax(self, axis: int | None = None) -> Tensor:
        """Position of the greatest element; without gradient."""
        return Tensor(boxed(self._data.argmax(axis)))

    def argmin(self, axis: int | None = None) -> Tensor:
        """Position of the least element; without gradient."""
        return Tensor(boxed(self._data.argmin(axis)))

    # Changes of shape: shaping.py, indexing.py. Views where NumPy makes views.

    def __getitem__(self, index: Any) -> Tensor:
        return indexing.get_item(self, index)

    def reshape(self, *shape: Any) -> Tensor:
        """The elements in another shape; one extent may be -1."""
        return shaping.reshape(self, *shape)

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        """The axes from `start_axis` to `end_axis` as one."""
        return shaping.flatten(self, start_axis, end_axis)

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The axes in reverse order."""
        return shaping.permute(self)

    def permute(self, *axes: Any) -> Tensor:
        """The axes in another order, reversed where none is given."""
        return shaping.permute(self, *axes)

    def transpose(self, axis0: int, axis1: int) -> Tensor:
        """Two axes exchanged, as in PyTorch; :meth:`permute` orders them all."""
        return shaping.transpose(self, axis0, axis1)

    def squeeze(self, axis: Axes = None) -> Tensor:
        """Without the axes of extent 1, or without those of them named."""
        return shaping.squeeze(self, axis)

    def unsqueeze(self, axis: int) -> Tensor:
        """With a new axis of extent 1."""
        return shaping.expand_dims(self, axis)

    def broadcast_to(self, *shape: Any) -> Tensor:
        """Repeated along new axes and those of extent 1, without a copy."""
        return shaping.broadcast_to(self, *shape)

    def split(self, size: int, axis: int = 0) -> tuple[Tensor, ...]:
        """Cut into pieces of `size` along an axis; the last may be smaller."""
        return joining.split(self, size, axis)


def tensor(
    data: Tensor | ArrayLike,
    *,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
    device: str | None = None,
) -> Tensor:
    """Make a Tensor from a copy of the data.

    Parameters
    ----------
    data : array_like
        An array or a NumPy scalar keeps its dtype; Python floats become float32,
        integers int64.
    dtype : dtype, optional
    requires_grad : bool, default False
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"cuda:1"``; by default where the data is.

    Raises
    ------
    TypeError
        If the data is not numeric, or is to require a gradient and is not float.
    ValueError
        If lists are of unequal lengths, or it is the name of no device.
    BackendUnavailableError
        If the device is not available here.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([1.0, 2.5])
    tensor([1.0000, 2.5000])
    """
    if isinstance(data, Tensor):
        data = data._data
    array = as_array(data)
    here = array
    if device is not None:
        array = devices.moved(array, devices.checked("tensor", device))
    if dtype is not None:
        array = array.astype(dtype)
    elif array is here and (array is data or array.base is not None):
        array = array.copy()
    return Tensor(array, requires_grad)


# Last, for these need the class above.
from tilewright.autograd import (  # noqa: E402
    arithmetic,
    engine,
    indexing,
    inplace,
    joining,
    linear,
    pointwise,
    printing,
    reductions,
    shaping,
)
