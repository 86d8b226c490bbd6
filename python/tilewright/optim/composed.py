"""The base of a user's own optimizers, which have no kernel.

They are a few NumPy operations on each parameter. A step with one is no recording of
kernels, so `compile_step` runs it as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd import watch
from tilewright.kernels import capturing, inplace
from tilewright.optim.optimizer import Group, Optimizer, Update

Array = NDArray[Any]


class ComposedOptimizer(Optimizer):
    """An optimizer that says with NumPy how one parameter moves.

    A subclass defines `state_names`, `check_options` and `move`; see
    :class:`Optimizer` for the rest.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> from tilewright.optim.composed import ComposedOptimizer
    >>> class SignDescent(ComposedOptimizer):
    ...     def state_names(self, group):
    ...         return ()
    ...
    ...     def check_options(self, group):
    ...         pass
    ...
    ...     def move(self, group, step, param, grad):
    ...         param -= group["lr"] * np.sign(grad)
    >>> weight = nn.Parameter(np.zeros(2, np.float32))
    >>> opt = SignDescent([weight], {"lr": 0.5})
    >>> (weight * np.array([3, -2], np.float32)).sum().backward()
    >>> opt.step()
    >>> weight.data
    array([-0.5,  0.5], dtype=float32)
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.kernel = cls.__name__

    def move(
        self, group: Group, step: int, param: Array, grad: Array, *state: Array
    ) -> None:
        """Move one parameter, in place.

        Parameters
        ----------
        group : dict
            The options.
        step : int
            From 1.
        param : ndarray
        grad : ndarray, of the parameter's shape
            Not to be written to.
        *state : ndarray
            What is kept for the parameter, in the order of `state_names`; zero
            before the first step, unless `initial_state` says otherwise.
        """
        raise NotImplementedError

    def run_kernel(self, update: Update) -> None:
        """Move the parameters of an update."""
        # Its options and its step's number would be those of the captured call.
        capturing.refuse(f"{self._name}.step")
        self.check_options(update.group)
        names = self.state_names(update.group)
        states = list(zip(names, update.states, strict=True))
        arrays = inplace.checked(self.kernel, update.params, update.grads, states)
        watch.report(self._name)
        with np.errstate(all="ignore"):
            for position, (param, grad) in enumerate(
                zip(arrays.params, arrays.grads, strict=True)
            ):
                kept = [state[position] for state in arrays.states]
                self.move(update.group, update.step, param, grad, *kept)
