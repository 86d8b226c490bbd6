"""A training step as one call of C++: recorded once, then replayed.

For small networks the way from kernel to kernel through Python takes as long as the
kernels. `compile_step` records which kernels a step calls on which arrays and runs
them from then on without Python, in one arena of memory planned beforehand. Whatever
it cannot record it runs as it is, with the same results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tilewright import random
from tilewright.autograd import Tensor
from tilewright.autograd.grad_mode import is_grad_enabled
from tilewright.autograd.watch import watching
from tilewright.errors import CaptureError
from tilewright.kernels import checks, recording
from tilewright.kernels.device_arrays import on_device
from tilewright.nn import Module
from tilewright.optim import Optimizer
from tilewright.optim.clipping import Clipping
from tilewright.train.losses import (
    LossFunction,
    arrays_of,
    resolve_loss,
    with_extras,
)
from tilewright.train.step_plan import KernelTime, StepPlan, flat

if TYPE_CHECKING:
    from tilewright.cuda.graphs import Graphed

Array = NDArray[Any]
# Shapes and dtypes of inputs and targets, and the limits on gradients.
Signature = tuple[Any, Any, tuple[Clipping, ...]]

_MOST_PLANS = 8
_SEVERAL = "graphs take one array of inputs and one of targets"
_NO_C_KERNELS = "float32 arrays do not go to the C++ kernels"


def compile_step(
    model: Module,
    loss: str | LossFunction,
    optimizer: Optimizer,
    *,
    clip_norm: float | None = None,
    clip_value: float | None = None,
) -> CompiledStep:
    """Make a function that does a training step: forward, backward and update.

    The first two calls with inputs of a shape run as a loop of one's own would; the
    second is recorded, the third checks that a replay gives the same bits, and the
    ones after it are replays, in which Python code of the model and of the loss does
    not run. After a change (of the model's attributes, of which
    arrays its parameters are, of options other than learning rates and the like) it
    is recorded anew. On a GPU a step is captured in a CUDA graph, as by
    `tw.cuda.graph`. What is more than kernels is not replayed, and
    `CompiledStep.reason` then says why: of operations on tensors the four of
    arithmetic, sums, means, joining and changes of shape are kernels.

    Parameters
    ----------
    model : Module
    loss : str or callable
        Name of a loss in `nn.functional`, or a function of (outputs, targets) that
        returns a scalar Tensor, or a tuple of it and of more tensors, which are added
        to ``step.outputs``.
    optimizer : Optimizer
        Over the model's parameters.
    clip_norm : float, optional
        The largest norm of all gradients together, as for `optim.clip_grad_norm_`.
    clip_value : float, optional
        The largest magnitude of a gradient's element, before the norm is taken.

    Returns
    -------
    CompiledStep
        Called as ``loss = step(x, y)``. For a model of several inputs x is a tuple,
        and is given to it as one; so is y for a loss of several targets.

    Raises
    ------
    ValueError
        If there is no loss of that name, or a limit is out of range.
    TypeError
        If the loss is neither a name nor a function, or a limit no number.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> from tilewright import nn, optim
    >>> tw.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> step = tw.compile_step(
    ...     model, "cross_entropy", optim.Adam(model.parameters(), lr=0.05))
    >>> x, y = np.eye(4, dtype=np.float32)[:3], np.arange(3)
    >>> losses = [step(x, y).item() for _ in range(50)]
    >>> losses[-1] < 0.1 < losses[0]
    True
    """
    step = CompiledStep(model, loss, optimizer)
    for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
        if limit is not None:
            checks.number("compile_step", name, limit)
    if clip_norm is not None or clip_value is not None:
        step.clippings = (Clipping(clip_norm, clip_value),)
    return step


class CompiledStep:
    """What `compile_step` returns.

    Attributes
    ----------
    outputs : ndarray or tuple of ndarray
        What the model returned in the latest step; overwritten by the next one.
    reason : str or None
        Why the latest call was not a replay; None if it was.
    clippings : tuple of Clipping
        What is done to the gradients before the optimizer sees them, in this order.
    """

    def __init__(
        self, model: Module, loss: str | LossFunction, optimizer: Optimizer
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.outputs: Any = np.empty(0, np.float32)
        self.reason: str | None = None
        self._clippings: tuple[Clipping, ...] = ()
        self._loss = resolve_loss("compile_step", loss)
        # By signature: how often it was seen, a plan, or why there is none.
        self._known: dict[Signature, int | StepPlan | str] = {}
        self._timed = False
        self._times: list[KernelTime] = []
        self._graphed: Graphed | None = None
        self._uncapturable: str | None = None

    @property
    def clippings(self) -> tuple[Clipping, ...]:
        """What is done to the gradients; plans and graphs are of one each."""
        return self._clippings

    @clippings.setter
    def clippings(self, value: tuple[Clipping, ...]) -> None:
        if value != self._clippings:
            self._clippings = value
            self._graphed = self._uncapturable = None

    def _backward(self, loss: Tensor) -> None:
        """The gradients of all parameters, within the limits."""
        self.optimizer.zero_grad()
        loss.backward()
        for clipping in self._clippings:
            clipping.apply(self.model.parameters())

    def __call__(self, x: Any, y: Any) -> Tensor:
        """Do one step.

        Parameters
        ----------
        x : ndarray, shape (N, ...), or tuple of ndarray
        y : ndarray, shape (N, ...), or tuple of ndarray
            Targets, as the loss takes them.

        Returns
        -------
        Tensor
            The loss, before the update.

        Raises
        ------
        ValueError
            As the model and the loss do; nothing has then changed.
        TypeError
            As the model and the loss do; nothing has then changed.
        """
        x, y = _plain(x), _plain(y)
        if on_device(flat(x)[0]):
            return self._on_gpu(x, y)
        signature = _kind(x), _kind(y), self._clippings
        known = self._known.get(signature, 0)
        if isinstance(known, StepPlan):
            problem = known.stale()
            if problem is None:
                return self._replay(known, x, y)
            known, self.reason = 1, problem
        if isinstance(known, str):
            self.reason = known
            return self.eager(x, y)
        if known == 0:
            if len(self._known) >= _MOST_PLANS:
                self._known.clear()
            self._known[signature] = 1
            self.reason = "the first step with arrays of these shapes"
            return self.eager(x, y)
        self._known[signature], loss = self._record(x, y)
        return loss

    def profile(self, x: Any, y: Any) -> list[KernelTime]:
        """Do one step as `__call__` does, and tell what each kernel took.

        Parameters
        ----------
        x, y : ndarray
            As for `__call__`.

        Returns
        -------
        list of KernelTime
            In the order of the calls: ``kernel``, ``algorithm`` and ``seconds``.
            Empty where the step was not a replay.

        Raises
        ------
        ValueError
            As `__call__` does.
        TypeError
            As `__call__` does.

        Examples
        --------
        >>> import numpy as np
        >>> import tilewright as tw
        >>> model = tw.nn.Linear(4, 3)
        >>> optimizer = tw.optim.SGD(model.parameters(), lr=0.1)
        >>> step = tw.compile_step(model, "cross_entropy", optimizer)
        >>> x, y = np.eye(4, dtype=np.float32)[:3], np.arange(3)
        >>> for _ in range(3):
        ...     loss = step(x, y)
        >>> [time.kernel for time in step.profile(x, y)]
        ['gemm', 'softmax_cross_entropy', 'gemm', 'bias_gradient', 'sgd_step']
        """
        self._timed, self._times = True, []
        try:
            self(x, y)
        finally:
            self._timed = False
        return self._times

    def eager(self, x: Any, y: Any) -> Tensor:
        """Do one step without recording or replaying it; see `__call__`."""
        outputs = self.model(x)
        loss, outputs = with_extras(self._loss(outputs, y), outputs)
        self._backward(loss)
        self.optimizer.step()
        self.outputs = arrays_of(outputs)
        return loss.detach()

    def _on_gpu(self, x: Any, y: Any) -> Tensor:
        """Do one step by a CUDA graph, where it can be captured."""
        if type(x) is tuple or type(y) is tuple:
            self.reason = _SEVERAL
            return self.eager(x, y)
        if self._uncapturable is not None:
            self.reason = self._uncapturable
            return self.eager(x, y)

        def step(x: Array, y: Array) -> tuple[Tensor, Array]:
            loss = self.eager(x, y)
            return loss, self.outputs

        if self._graphed is None:
            from tilewright.cuda.graphs import graph

            self._graphed = graph(step)
        try:
            loss, self.outputs = self._graphed(x, y)
        except CaptureError as error:
            self.reason = self._uncapturable = str(error)
            return self.eager(x, y)
        self.reason = self._graphed.reason
        result: Tensor = loss
        return result

    def _record(self, x: Any, y: Any) -> tuple[StepPlan | str | int, Tensor]:
        """Do a step, and return what is known of it from now on."""
        if not (recording.possible() and is_grad_enabled()):
            self.reason = _NO_C_KERNELS
            return 1, self.eager(x, y)
        recording.start()
        try:
            with watching() as watch:
                outputs = self.model(x)
                loss, outputs = with_extras(self._loss(outputs, y), outputs)
                self._backward(loss)
                updates = self.optimizer.planned_updates()
                self.optimizer.apply_updates(updates)
        except BaseException:
            recording.cancel()
            raise
        self.outputs = arrays_of(outputs)
        plan: StepPlan | str
        if watch.other is not None:
            recording.cancel()
            plan = f"{watch.other} is not one of the kernels"
        else:
            plan = StepPlan.finish(
                self.model,
                self.optimizer,
                updates,
                (x, y),
                (loss, outputs),
                watch.constants,
            )
        if isinstance(plan, StepPlan):
            plan.also_changes(watch.changed, watch.counters)
        self.reason = plan if isinstance(plan, str) else "it was recorded"
        return plan, loss.detach()

    def _replay(self, plan: StepPlan, x: Any, y: Any) -> Tensor:
        if not plan.ready(x, y):
            return self.eager(x, y)  # which says what is wrong with them
        if not plan.verified:
            return self._verify(plan, x, y)
        self._times = plan.run(timed=self._timed)
        self.outputs = plan.outputs
        self.reason = None
        return Tensor(plan.loss.copy())

    def _verify(self, plan: StepPlan, x: Any, y: Any) -> Tensor:
        """Do a step both ways, from the same state, and compare the bits."""
        before, numbers = plan.state(), random.get_state()
        plan.run(forget=True)
        replayed = [*plan.state(), plan.loss.copy()]
        replayed += [array.copy() for array in flat(plan.outputs)]
        plan.restore(before)
        random.set_state(numbers)
        loss = self.eager(x, y)
        stepped = [*plan.state(), loss.data, *flat(self.outputs)]
        self.reason = "it was checked"
        pairs = zip(replayed, stepped, strict=True)
        if all(one.tobytes() == other.tobytes() for one, other in pairs):
            plan.verified = True
        else:
            self.reason = "a replay gave other bits"
            self._known = {
                key: self.reason if value is plan else value
                for key, value in self._known.items()
            }
        return loss


def _kind(value: Any) -> Any:
    """Shape and dtype of an array, or of each of a tuple."""
    if type(value) is tuple:
        return tuple(map(_kind, value))
    return value.shape, value.dtype


def _plain(value: Any) -> Any:
    """Arrays as kernels take them, so that these need no copies of their own."""
    if type(value) is tuple:
        return tuple(map(_plain, value))
    array = value.data if isinstance(value, Tensor) else value
    if on_device(array):
        return array
    array = np.ascontiguousarray(array)
    if array.dtype == np.int32:
        return array.astype(np.int64)
    return array if array.flags.aligned else array.copy()
