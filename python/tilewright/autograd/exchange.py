"""How other libraries get at a tensor's array.

NumPy's protocol; DLPack, https://dmlc.github.io/dlpack/latest/python_spec.html; and
the CUDA array interface,
https://nvidia.github.io/numba-cuda/user/cuda_array_interface.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tilewright.kernels.device_arrays import on_device

Array: TypeAlias = NDArray[Any]

# NumPy's own __dlpack__ knows the arguments of DLPack 1.0 since 2.1.
_KNOWS_VERSIONS = tuple(map(int, np.__version__.split(".")[:2])) >= (2, 1)


class Exchange:
    """The part of a Tensor that hands out its array."""

    __slots__ = ()

    if TYPE_CHECKING:
        _data: Array
        _requires_grad: bool

        def numpy(self) -> Array:
            """The array."""

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> Array:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(
                    f"__array__: {array.dtype.name} cannot become {np.dtype(dtype)} "
                    "without a copy"
                )
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if self._requires_grad:
            raise BufferError(
                "__dlpack__: this tensor requires a gradient, which others would lose; "
                "use .detach()"
            )
        data: Any = self._data
        if on_device(data):
            return _device_dlpack(data, stream, max_version, dl_device, copy)
        if _KNOWS_VERSIONS:
            return data.__dlpack__(
                stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
            )
        if dl_device not in (None, data.__dlpack_device__()):
            raise BufferError(f"__dlpack__: cannot export to the device {dl_device}")
        return (data.copy() if copy else data).__dlpack__(stream=stream)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        data: Any = self._data
        if not on_device(data):
            raise AttributeError(
                "__cuda_array_interface__: this tensor is on the CPU; copy it to a "
                'GPU first, with .to("cuda")'
            )
        if self._requires_grad:
            raise AttributeError(
                "__cuda_array_interface__: this tensor requires a gradient, which "
                "others would lose; use .detach()"
            )
        interface: dict[str, Any] = data.__cuda_array_interface__
        return interface

    def __dlpack_device__(self) -> tuple[int, int]:
        data: Any = self._data
        kind, number = data.__dlpack_device__()
        return int(kind), int(number)


def _device_dlpack(
    data: Any,
    stream: Any,
    max_version: tuple[int, int] | None,
    dl_device: tuple[int, int] | None,
    copy: bool | None,
) -> Any:
    """Let CuPy hand an array out; its releases before 14 know the stream alone."""
    try:
        return data.__dlpack__(
            stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )
    except TypeError:
        if dl_device not in (None, tuple(data.__dlpack_device__())):
            raise BufferError(
                f"__dlpack__: cannot export to the device {dl_device}"
            ) from None
        return (data.copy() if copy else data).__dlpack__(stream=stream)
