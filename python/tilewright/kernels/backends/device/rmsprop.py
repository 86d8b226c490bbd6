"""RMSprop and Adagrad in CUDA: one launch for all parameters."""

from __future__ import annotations

from tilewright.kernels import capturing
from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array


class Rmsprop(Adapter):
    """The family's functions."""

    def rmsprop_step(
        self,
        params: list[Array],
        grads: list[Array],
        square_avg: list[Array],
        grad_avg: list[Array] | None,
        momentum_buffers: list[Array] | None,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        eps_in_root: bool,
    ) -> None:
        """Move parameters by one step of RMSprop, and update what is kept."""
        lists = params, grads, square_avg, grad_avg, momentum_buffers
        free = lr, alpha, eps, weight_decay, momentum
        self._step_of_squares("rmsprop", lists, free, eps_in_root)

    def adagrad_step(
        self,
        params: list[Array],
        grads: list[Array],
        sums: list[Array],
        lr: float,
        eps: float,
        weight_decay: float,
        eps_in_root: bool,
    ) -> None:
        """Move parameters by one step of Adagrad, and update the sums."""
        lists = params, grads, sums, None, None
        self._step_of_squares("adagrad", lists, (lr, eps, weight_decay), eps_in_root)

    def _step_of_squares(
        self,
        kind: str,
        lists: tuple[list[Array] | None, ...],
        free: tuple[float, ...],
        eps_in_root: bool,
    ) -> None:
        """Launch the kernel of both with the coefficients of one."""
        sizes = [array.size for array in lists[0] or ()]
        memories = [
            None if arrays is None else [self._memory(array) for array in arrays]
            for arrays in lists
        ]
        stream = self._arrays.stream()
        coefficients = getattr(self._extension, f"{kind}_coefficients")
        if capturing.current is None:
            numbers = coefficients(*free, eps_in_root)
            self._extension.rmsprop_step(sizes, *memories, numbers, stream)
            return
        place = capturing.current.step_coefficients(
            f"{kind}_step", coefficients, free, (eps_in_root,)
        )
        self._extension.rmsprop_step_from(sizes, *memories, self._memory(place), stream)
