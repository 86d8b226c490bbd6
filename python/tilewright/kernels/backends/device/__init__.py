"""Adapters from the backends' interface to the CUDA kernels, for any array library.

The kernels of csrc/cuda are compiled twice: for GPUs, where they work on CuPy's
arrays (:mod:`tilewright.kernels.backends.cuda`), and for the simulator of the tests,
where they work on NumPy's (:mod:`tilewright.kernels.backends.cudasim`). Both
extensions have the same functions, which take addresses; the classes here make the
arrays and give the addresses.
"""

from __future__ import annotations

from tilewright.kernels.backends.device.functions import (
    DeviceFunctions as DeviceFunctions,
)
