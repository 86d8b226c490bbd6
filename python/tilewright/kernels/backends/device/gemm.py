"""Matrix multiplication in CUDA."""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.matmul_precision import matmul_precision


class Gemm(Adapter):
    """The family's functions."""

    def choose_tensor_core_algorithm(self, name: str) -> None:
        """Take products on tensor cores in one way, for tests.

        Parameters
        ----------
        name
            ``"automatic"``, ``"mma_sync"`` or ``"hopper"`` (``wgmma``), which fails
            in a product where the GPU is none.
        """
        self._extension.choose_tensor_core_algorithm(name)

    def gemm(
        self,
        a: Array,
        b: Array,
        transpose_a: bool,
        transpose_b: bool,
        bias: Array | None,
        activation: str,
        out: Array | None,
        accumulate: bool,
    ) -> Array:
        """Return ``activation(op(a) @ op(b) + bias)``, plus out if it accumulates."""
        M, K = a.shape[::-1] if transpose_a else a.shape
        N = b.shape[0 if transpose_b else 1]
        c = self._empty((M, N)) if out is None else out
        self._extension.gemm(
            M, N, K, self._memory(a), self._memory(b), self._memory(c),
            transpose_a, transpose_b, self._optional(bias), activation, accumulate,
            matmul_precision(), self._allocate, self._arrays.stream(),
        )  # fmt: skip
        return c
