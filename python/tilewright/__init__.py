"""Neural networks trained by hand-written kernels, from NumPy arrays.

    import tilewright as tw
    from tilewright import nn, optim, data

Nothing heavy is imported here: each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives; None: it is a module of that name.
_HOMES: dict[str, str | None] = {
    "Tensor": "autograd",
    "Trainer": "train",
    "autograd": None,
    "backend": "kernels",
    "bench": None,
    "compile_step": "train",
    "config": "keras",
    "cuda": None,
    "data": None,
    "device": "keras",
    "errors": None,
    "from_dlpack": "interop.dlpack",
    "get_num_threads": "kernels",
    "info": "environment",
    "interop": None,
    "keras": None,
    "kernels": None,
    "load": "nn.serialization",
    "manual_seed": "random",
    "models": None,
    "nn": None,
    "no_grad": "autograd",
    "optim": None,
    "random": None,
    "save": "nn.serialization",
    "set_num_threads": "kernels",
    "tensor": "autograd",
    "train": None,
    "use": "kernels",
}

__all__ = [
    "Tensor",
    "Trainer",
    "__version__",
    "backend",
    "compile_step",
    "cuda",
    "data",
    "from_dlpack",
    "get_num_threads",
    "info",
    "interop",
    "kernels",
    "load",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "random",
    "save",
    "set_num_threads",
    "tensor",
    "use",
]

if TYPE_CHECKING:
    from tilewright import autograd as autograd
    from tilewright import cuda as cuda
    from tilewright import data as data
    from tilewright import errors as errors
    from tilewright import interop as interop
    from tilewright import keras as keras
    from tilewright import kernels as kernels
    from tilewright import models as models
    from tilewright import nn as nn
    from tilewright import optim as optim
    from tilewright import random as random
    from tilewright import train as train
    from tilewright.autograd import Tensor, no_grad
    from tilewright.autograd.tensor import tensor
    from tilewright.environment import info
    from tilewright.interop.dlpack import from_dlpack
    from tilewright.keras import config as config
    from tilewright.keras import device as device
    from tilewright.kernels import backend, get_num_threads, set_num_threads, use
    from tilewright.nn.serialization import load, save
    from tilewright.random import manual_seed
    from tilewright.train import Trainer, compile_step


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tilewright' has no attribute {name!r}")
    home = _HOMES[name]
    if home is None:
        return importlib.import_module(f"tilewright.{name}")
    value = getattr(importlib.import_module(f"tilewright.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
