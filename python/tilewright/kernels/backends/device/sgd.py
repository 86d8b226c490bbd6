"""Stochastic gradient descent in CUDA: one launch for all parameters."""

from __future__ import annotations

from tilewright.kernels import capturing
from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array


class Sgd(Adapter):
    """The family's functions."""

    def sgd_step(
        self,
        params: list[Array],
        grads: list[Array],
        momentum_buffers: list[Array] | None,
        lr: float,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
    ) -> None:
        """Move parameters by one step of gradient descent."""
        memory = self._memory
        buffers = momentum_buffers
        tensors = (
            [array.size for array in params], [memory(array) for array in params],
            [memory(array) for array in grads],
            None if buffers is None else [memory(array) for array in buffers],
        )  # fmt: skip
        if capturing.current is None:
            self._extension.sgd_step(
                *tensors, lr, momentum, nesterov, weight_decay, self._arrays.stream()
            )
            return
        place = capturing.current.step_coefficients(
            "sgd_step",
            self._extension.sgd_coefficients,
            (lr, momentum, weight_decay),
            (nesterov,),
        )
        self._extension.sgd_step_from(*tensors, memory(place), self._arrays.stream())
