"""What lies under a Tensor: a checked array, and the count of its changes."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tilewright.kernels.device_arrays import on_device

if TYPE_CHECKING:
    from tilewright.autograd.tensor import Tensor

Array: TypeAlias = NDArray[Any]

# Booleans, integers, floats: what a Tensor may hold.
_NUMERIC_KINDS = "biuf"
_FIRST_PRUNING = 64


class Version:
    """How often an array was changed in place; one for all Tensors that share it.

    Attributes
    ----------
    number : int
        Counts the changes.
    aliases : list of weakref.ref, or None
        The Tensors known to share the array, once there are several.
    """

    __slots__ = ("aliases", "number", "prune_at")

    aliases: list[weakref.ref[Tensor]] | None
    number: int
    prune_at: int

    def __init__(self) -> None:
        self.number = 0
        self.aliases = None

    def add_view(self, source: Tensor, view: Tensor) -> None:
        """Note that `view` shows the array of `source`."""
        aliases = self.aliases
        if aliases is None:
            self.aliases = [weakref.ref(source), weakref.ref(view)]
            self.prune_at = _FIRST_PRUNING
            return
        aliases.append(weakref.ref(view))
        if len(aliases) >= self.prune_at:
            # Twice what is left: the work stays constant per view.
            self.aliases = [alias for alias in aliases if alias() is not None]
            self.prune_at = max(_FIRST_PRUNING, 2 * len(self.aliases))

    def living(self) -> list[Tensor]:
        """The Tensors that share the array and still exist."""
        known = [alias() for alias in self.aliases or ()]
        return [tensor for tensor in known if tensor is not None]

    def __reduce__(self) -> tuple[type[Version], tuple[()]]:
        # A copy of a Tensor has an array, and so a history, of its own.
        return Version, ()


def boxed(value: Any) -> Array:
    """Return an array for the scalar that NumPy makes of a 0-dimensional result."""
    array: Array = np.asarray(value) if isinstance(value, np.generic) else value
    return array


def overwritable(array: Array) -> bool:
    """Whether an array is C-contiguous and may be written to."""
    flags = array.flags
    # CuPy's arrays have no flag for the second: all of them may be.
    return flags.c_contiguous and bool(getattr(flags, "writeable", True))


def as_array(data: Any) -> Array:
    """Return an array of a numeric type in the machine's byte order."""
    array: Array
    if type(data) is np.ndarray or on_device(data):
        array = data
    else:
        array = np.asarray(data)
        # Python's floats are float64 for want of a choice; arrays mean it.
        if array.dtype == np.float64 and not hasattr(data, "dtype"):
            array = array.astype(np.float32)
    dtype = array.dtype
    if dtype.kind not in _NUMERIC_KINDS:
        raise TypeError(
            f"tensor: data must be of booleans, integers or floats, got {dtype}"
        )
    native: Array = array if dtype.isnative else array.astype(dtype.newbyteorder("="))
    return native
