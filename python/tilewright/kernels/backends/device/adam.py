"""Adam and AdamW in CUDA: one launch for all parameters."""

from __future__ import annotations

from tilewright.kernels import capturing
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
        tensors = (
            [array.size for array in params], [memory(array) for array in params],
            [memory(array) for array in grads], [memory(array) for array in exp_avg],
            [memory(array) for array in exp_avg_sq],
        )  # fmt: skip
        free = step, lr, beta1, beta2, eps, weight_decay
        fixed = decoupled, bias_correction
        if capturing.current is None:
            self._extension.adam_step(*tensors, *free, *fixed, self._arrays.stream())
            return
        place = capturing.current.step_coefficients(
            "adam_step", self._extension.adam_coefficients, free, fixed
        )
        self._extension.adam_step_from(*tensors, memory(place), self._arrays.stream())
