"""What an operation is: a forward function beside its backward function.

Each application is recorded as one :class:`Context`: what the backward function
will need, and where its results go (`edges`: the contexts that made the arguments,
or leaf tensors). The contexts are the tape; ``engine.py`` walks it.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd import watch
from tilewright.autograd.arrays import Version, overwritable
from tilewright.autograd.grad_mode import is_grad_enabled
from tilewright.autograd.tensor import Tensor
from tilewright.kernels import devices

Array = NDArray[Any]
# What a backward function returns: one gradient per argument of forward.
Gradients = Array | None | tuple[Array | None, ...]
Edge = "Context | Tensor | None"

# Contexts are numbered as they are made, so an argument's number is the lower one.
next_order = count().__next__


class Context:
    """One application of a Function, as its two halves see it.

    Attributes
    ----------
    needs_input_grad : tuple of bool
        Per argument of forward, whether its gradient will be asked for. Where it is
        not, backward should return None for it without computing anything.
    saved : tuple of ndarray
        What forward gave to `save_for_backward`.

    Any other attribute may be set, for sizes and options; arrays belong into
    `saved`, where later changes of them are noticed.
    """

    __slots__ = (
        "__dict__",
        "dtype",
        "edges",
        "function",
        "needs_input_grad",
        "order",
        "owns_dy",
        "released",
        "saved",
        "shape",
        "versions",
    )

    edges: tuple[Context | Tensor | None, ...]
    function: type[Function]
    needs_input_grad: tuple[bool, ...]
    order: int
    owns_dy: bool
    released: bool
    saved: tuple[Any, ...]
    shape: tuple[int, ...]
    versions: list[tuple[Version, int]]

    if TYPE_CHECKING:
        # For the attributes of a Function's own.
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def save_for_backward(self, *arrays: Array | None) -> None:
        """Keep arrays for the backward pass.

        Arguments and the result may be among them: a change of their tensors in
        place is then an error in the backward pass, not a wrong gradient.

        Parameters
        ----------
        *arrays : ndarray or None
        """
        self.saved = arrays

    def scratch(self, dy: Array) -> Array | None:
        """Return `dy` where backward may overwrite it, else None: an ``out=``.

        Parameters
        ----------
        dy : ndarray
            The gradient that backward was called with.
        """
        return dy if self.owns_dy and overwritable(dy) else None

    def release(self) -> None:
        """Let go of everything that was kept for the backward pass."""
        self.saved = ()
        self.edges = ()
        self.versions = []
        self.__dict__.clear()
        self.released = True


class Function:
    """Base of every differentiable operation.

    A subclass has two static methods. ``forward(ctx, *args, **options)`` gets the
    arrays of the Tensors it was applied to, and everything else as it came, and
    returns one array. ``backward(ctx, dy)`` gets the gradient of that array and
    returns one gradient (or None) per positional argument of forward, in a tuple
    where there are several.

    Attributes
    ----------
    gradient_memory : str
        What backward returns: ``"new"`` arrays that nothing else refers to;
        ``"moved"``, dy itself or a view of all of it; ``"shared"``, anything. Later
        steps write over new arrays instead of allocating.
    returns_view : bool
        Whether forward may return a view of its first argument.
    kernels_only : bool
        Whether both halves change arrays through `tilewright.kernels` alone: such
        functions can be part of a compiled step.

    Examples
    --------
    >>> import tilewright as tw
    >>> from tilewright.autograd import Function
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...
    ...     @staticmethod
    ...     def backward(ctx, dy):
    ...         (x,) = ctx.saved
    ...         return 3 * x**2 * dy
    >>> x = tw.tensor([2.0], requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor([12.])
    """

    gradient_memory: ClassVar[Literal["new", "moved", "shared"]] = "shared"
    returns_view: ClassVar[bool] = False
    kernels_only: ClassVar[bool] = False

    @staticmethod
    def forward(ctx: Context, *args: Any, **options: Any) -> Array:
        """Compute the result from the arguments' arrays."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """Compute the arguments' gradients from the result's."""
        raise NotImplementedError

    @classmethod
    def apply(cls, *args: Any, **options: Any) -> Tensor:
        """Run forward, and record it where an argument requires a gradient.

        Parameters
        ----------
        *args
            Tensors are unwrapped; NumPy arrays are constants.
        **options
            Go to forward as they are; no Tensors.

        Returns
        -------
        Tensor

        Raises
        ------
        TypeError
            If arrays are on different devices; and whatever forward raises.
        """
        if watch.current is not None and not cls.kernels_only:
            watch.report(cls.__name__.lstrip("_"))
        ctx = Context()
        ctx.saved = ()
        arrays: list[Any] = []
        edges: list[Context | Tensor | None] = []
        recording = False
        for arg in args:
            edge = None
            if isinstance(arg, Tensor):
                if arg._requires_grad:
                    recording = True
                    edge = arg if arg._node is None else arg._node
                arg = arg._data
            arrays.append(arg)
            edges.append(edge)
        recording = recording and is_grad_enabled()
        ctx.needs_input_grad = tuple([recording and edge is not None for edge in edges])
        try:
            y: Any = cls.forward(ctx, *arrays, **options)
        except TypeError:
            # What CuPy and NumPy say of each other's arrays names no device.
            devices.expect_same(cls.__name__.lstrip("_"), arrays)
            raise
        if isinstance(y, np.generic):  # what NumPy makes of 0-dimensional results
            y = np.asarray(y)

        result = Tensor.__new__(Tensor)
        result._data = y
        result._grad = None
        result._requires_grad = recording
        result._version = Version()
        if cls.returns_view:
            _share_version(args[0], result)
        result._node = ctx if recording else None
        if recording:
            ctx.function = cls
            ctx.edges = tuple(edges)
            ctx.order = next_order()
            ctx.released = False
            ctx.shape = y.shape
            ctx.versions = _versions(ctx.saved, args, result)
        if watch.applied is not None:
            watch.applied(cls, args, options, result)
        return result


def _versions(
    saved: tuple[Any, ...], args: tuple[Any, ...], result: Tensor
) -> list[tuple[Version, int]]:
    """Versions at this moment of the tensors whose arrays were saved."""
    found: list[tuple[Version, int]] = []
    if saved:
        for tensor in (*args, result):
            if isinstance(tensor, Tensor):
                data = tensor._data
                for array in saved:
                    if array is data:
                        found.append((tensor._version, tensor._version.number))
                        break
    return found


def _share_version(source: Any, result: Tensor) -> None:
    """Give a view the version of its source, for they change together."""
    base = result._data.base
    if base is not None and isinstance(source, Tensor):
        data = source._data
        if base is data or base is data.base:
            source._version.add_view(source, result)
            result._version = source._version
