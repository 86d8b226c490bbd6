"""Models and arrays to and from other libraries.

Each module needs the library that it speaks to, imported when it is used:

- ``interop.onnx``: ONNX files, both ways (extra ``onnx``)
- ``interop.torch``: PyTorch's state dicts, both ways
- ``interop.keras``: Keras's ``.weights.h5``, both ways (extra ``keras-weights``)
- ``interop.sklearn``: networks as scikit-learn's estimators (extra ``sklearn``)

Arrays are shared through DLPack and NumPy's protocol: ``tw.from_dlpack``,
``Tensor.__dlpack__`` and ``np.asarray(tensor)``.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["keras", "onnx", "sklearn", "torch"]


def __getattr__(name: str) -> ModuleType:
    """Load a module at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'tilewright.interop' has no attribute {name!r}")
    return importlib.import_module(f"tilewright.interop.{name}")


def __dir__() -> list[str]:
    """List the modules, loaded or not."""
    return sorted(__all__)
