"""The roofline probe in CUDA: see csrc/cuda/roofline."""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.roofline import GPU_BLOCK


class Roofline(Adapter):
    """The probe."""

    def multiply_add(self, unit: str, out: Array, steps: int) -> float:
        """Do :func:`tilewright.kernels.roofline.gpu_multiply_add`."""
        flops: float = self._extension.multiply_add(
            unit, out.size // GPU_BLOCK, steps, self._memory(out), self._arrays.stream()
        )
        return flops
