"""Adam and AdamW in CUDA: one launch for all parameters."""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array


class Adam(Adapter):
    """The family's functions."""

    def adam_step(
        self,
        params: list[Array],
        grads: list[Array],
        exp_avg: list[Array],
        exp_avg_sq: list[Array],
        step: int,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        bias_correction: bool,
    ) -> None:
        """Move parameters by one step of Adam, and update the moments."""
        memory = self._memory
        self._extension.adam_step(
            [array.size for array in params], [memory(array) for array in params],
            [memory(array) for array in grads], [memory(array) for array in exp_avg],
            [memory(array) for array in exp_avg_sq], step, lr, beta1, beta2, eps,
            weight_decay, decoupled, bias_correction, self._arrays.stream(),
        )  # fmt: skip
