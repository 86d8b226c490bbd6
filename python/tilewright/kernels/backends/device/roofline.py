"""The roofline probe in CUDA: see csrc/cuda/roofline."""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array

THREADS = 256  # of a block


class Roofline(Adapter):
    """The probe."""

    def multiply_add(self, unit: str, out: Array, steps: int) -> float:
        """Enqueue multiply-adds on registers, and return how many FLOP they are.

        Parameters
        ----------
        unit
            ``"fp32"``, or tensor cores at ``"tf32"`` or ``"bf16"``.
        out
            (blocks * 256,) float32: the factors, and afterwards the sums.
        steps
            Of each thread.

        Raises
        ------
        ValueError
            If the GPU has no such unit.
        """
        flops: float = self._extension.multiply_add(
            unit, out.size // THREADS, steps, self._memory(out), self._arrays.stream()
        )
        return flops
