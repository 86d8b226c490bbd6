"""What a model computes, step by step, found by following one run of it.

A row of layers says in which order they run; any other module only shows it when it
runs. `trace` runs a model on a few samples and notes each layer of `tilewright.nn`
that is called, and each differentiable function outside of them. Arrays that do not
come from the inputs are constants. Whether the steps stand for the model is then
checked: run on other samples, and another number of them, they must give what the
model gives. So a model that looks at the values of its inputs, or that changes arrays
in place, is refused and not exported wrongly.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.autograd import Tensor, no_grad
from tilewright.autograd.shaping import BroadcastTo, Reshape
from tilewright.autograd.watch import following
from tilewright.nn.fusion import is_plain

Array = NDArray[Any]
Shape = tuple[int, ...]

# Samples in the run that is followed, and in the one that checks.
BATCH, _OTHER_BATCH = 3, 2


@dataclass(eq=False)
class Value:
    """An array that depends on the inputs.

    Attributes
    ----------
    shape : tuple of int
        In the run that was followed; its first axis is the batch's.
    """

    shape: Shape


@dataclass(eq=False)
class Constant:
    """An array that does not depend on the inputs.

    Attributes
    ----------
    array : ndarray
    name : str
        Of the parameter or buffer that it is; else empty.
    repeated : bool
        Whether it stands once for each sample of the batch, as ``np.zeros((len(x),
        4))`` does; `array` then has one sample.
    """

    array: Array
    name: str = ""
    repeated: bool = False


Operand = Value | Constant


@dataclass(eq=False)
class Step:
    """A layer or a function, applied once.

    Attributes
    ----------
    action : Module or type of Function
    name : str
        The layer's dotted name; empty for a function.
    operands : list
        Values, constants, and whatever else a function was called with.
    options : dict
        Of the function. Shapes have -1 for the batch.
    result : Value
    """

    action: Any
    name: str
    operands: list[Any]
    options: dict[str, Any]
    result: Value

    @property
    def kind(self) -> str:
        """What it is called in errors."""
        if isinstance(self.action, nn.Module):
            return type(self.action).__name__
        name: str = self.action.__name__
        return name.lstrip("_")


@dataclass(eq=False)
class Trace:
    """The steps of a model.

    Attributes
    ----------
    inputs : list of Value
    outputs : dict of str to Operand
        By the names that the model gives them, else by their numbers.
    steps : list of Step
        In the order in which they run; those that no output needs are left out.
    """

    inputs: list[Value]
    outputs: dict[str, Operand]
    steps: list[Step]


def trace(caller: str, model: nn.Module, shapes: Sequence[Shape]) -> Trace:
    """Find the steps of a model in evaluation.

    Parameters
    ----------
    caller : str
        Named in errors.
    model : Module
    shapes : sequence of tuple
        Of one sample of each input of its ``forward``; several come in a tuple where
        it has one argument.

    Returns
    -------
    Trace

    Raises
    ------
    TypeError
        If it is no Module, or does not return Tensors.
    ValueError
        If it does not take inputs of those shapes, or its steps depend on the values
        of the inputs or on the size of the batch.

    Examples
    --------
    >>> from tilewright import nn
    >>> from tilewright.interop.trace import trace
    >>> class Residual(nn.Module):
    ...     def __init__(self):
    ...         self.inner = nn.Linear(4, 4)
    ...     def forward(self, x):
    ...         return x + self.inner(x).relu()
    >>> [step.kind for step in trace("example", Residual(), [(4,)]).steps]
    ['Linear', 'Activation', 'Add']
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"{caller}: model must be a Module, got {type(model).__name__}")
    dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
    rng = np.random.default_rng(0)
    first = _samples(rng, shapes, BATCH, dtype)
    recorder = _Recorder(caller, model, first)
    with _evaluation(model), no_grad():
        with recorder.hooked(), following(recorder.applied):
            outputs = _named(caller, _run(caller, model, recorder.tensors, recorder))
        found = Trace(
            recorder.inputs,
            {name: recorder.operand(y.data) for name, y in outputs.items()},
            recorder.steps,
        )
        found.steps = _needed(found)
        _check(caller, model, found, _samples(rng, shapes, _OTHER_BATCH, dtype))
    return found


def sample_shapes(caller: str, input_shape: Any) -> list[Shape]:
    """The shape of a sample of each input, from one shape or several.

    Raises
    ------
    TypeError
        If it is no sequence of integers, or of such sequences.
    ValueError
        If an extent is not positive.
    """
    try:
        given = list(input_shape)
        several = bool(given) and not hasattr(given[0], "__index__")
        shapes = [
            tuple(operator.index(size) for size in shape)
            for shape in (given if several else [given])
        ]
    except TypeError:
        raise TypeError(
            f"{caller}: input_shape must be of integers, or of one such shape for "
            f"each input, got {input_shape!r}"
        ) from None
    for shape in shapes:
        if not shape or min(shape) < 1:
            raise ValueError(
                f"{caller}: input_shape must be of one sample and positive, got {shape}"
            )
    return shapes


class _Recorder:
    """Notes what happens in the one run."""

    def __init__(self, caller: str, model: nn.Module, arrays: list[Array]) -> None:
        self.caller = caller
        self.tensors = [Tensor(array) for array in arrays]
        self.inputs = [Value(array.shape) for array in arrays]
        self.steps: list[Step] = []
        self.last = ""
        # By the array's identity; the arrays are kept, so that none gets another's.
        self._values: dict[int, tuple[Array, Value]] = {}
        for tensor, value in zip(self.tensors, self.inputs, strict=True):
            self._values[id(tensor.data)] = tensor.data, value
        self._names = {
            id(value.data if isinstance(value, Tensor) else value): name
            for name, value in model._state("")
        }
        self._layers = {id(m): (m, name) for name, m in model.named_modules()}

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Have each layer of ours say when it was called."""
        handles = [
            module.register_forward_hook(self._called)
            for module, _ in self._layers.values()
            if _is_layer(module)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _called(
        self, layer: nn.Module, args: tuple[Any, ...], output: Any
    ) -> Tensor | None:
        _, name = self._layers[id(layer)]
        self.last = name
        operands = [self._operand(x, output.shape) for x in args]
        if not any(isinstance(each, Value) for each in operands):
            return None
        changed = None
        if any(_data(x) is output.data for x in args):
            # Dropout gives back what it got. A view can be told from it.
            output = changed = Tensor(output.data.view())
        self._note(Step(layer, name, operands, {}, Value(output.shape)), output.data)
        return changed

    def applied(
        self, function: Any, args: tuple[Any, ...], options: dict[str, Any], y: Tensor
    ) -> None:
        """Note a Function; those inside of a layer are not needed in the end."""
        operands = [self._operand(x, y.shape) for x in args]
        if any(isinstance(each, Value) for each in operands):
            if function in (Reshape, BroadcastTo):
                options = {"shape": _any_batch(y.shape)}
            self._note(Step(function, "", operands, options, Value(y.shape)), y.data)

    def _note(self, step: Step, array: Array) -> None:
        self.steps.append(step)
        self._values[id(array)] = array, step.result

    def _operand(self, x: Any, shape: Shape) -> Any:
        """What an argument is, in a step whose result has that shape."""
        array = _data(x)
        if not isinstance(array, np.ndarray | np.generic):
            return x
        return self.operand(np.asarray(array), shape)

    def operand(self, array: Array, shape: Shape = ()) -> Operand:
        """The value that an array is, or the constant."""
        known = self._values.get(id(array))
        if known is not None:
            return known[1]
        name = self._names.get(id(array), "")
        repeated = (
            not name
            and array.ndim == len(shape) > 1
            and array.shape[0] == shape[0] == BATCH
            and all(np.array_equal(each, array[0]) for each in array)
        )
        return Constant(array[:1] if repeated else array, name, repeated)


def _is_layer(module: nn.Module) -> bool:
    """Whether it is a layer of `tilewright.nn` that runs code of its class alone."""
    return (
        type(module).__module__.startswith("tilewright.nn.")
        and is_plain(module)
        and not isinstance(module, nn.Sequential | nn.ModuleList)
        and not any(True for _ in module.children())
    )


def _samples(
    rng: np.random.Generator, shapes: Sequence[Shape], count: int, dtype: Any
) -> list[Array]:
    return [rng.normal(0, 1, (count, *shape)).astype(dtype) for shape in shapes]


@contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, each module's own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


def _run(caller: str, model: nn.Module, inputs: list[Tensor], about: _Recorder) -> Any:
    try:
        return _called(model, inputs)
    except (ValueError, TypeError) as error:
        where = f" (after {about.last})" if about.last else ""
        raise ValueError(f"{caller}: {error}{where}") from error


def _called(model: nn.Module, inputs: list[Tensor]) -> Any:
    """What a model makes of its inputs; a forward of one argument gets them in it."""
    parameters = inspect.signature(model.forward).parameters.values()
    if len(inputs) > 1 and len(parameters) == 1:
        (only,) = parameters
        if only.kind is not inspect.Parameter.VAR_POSITIONAL:
            return model(tuple(inputs))
    return model(*inputs)


def _named(caller: str, outputs: Any) -> dict[str, Tensor]:
    if isinstance(outputs, dict):
        found = {str(name): y for name, y in outputs.items()}
    elif isinstance(outputs, list | tuple):
        found = {str(number): y for number, y in enumerate(outputs)}
    else:
        found = {"": outputs}
    for y in found.values():
        if not isinstance(y, Tensor):
            raise TypeError(
                f"{caller}: forward must return Tensors, got {type(y).__name__}"
            )
    return found


def _data(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _any_batch(shape: Shape) -> Shape:
    """A shape with -1 for an extent that the batch's size is part of."""
    return (-1, *shape[1:]) if shape and shape[0] % BATCH == 0 else shape


def _needed(found: Trace) -> list[Step]:
    """The steps that an output depends on."""
    wanted = {id(value) for value in found.outputs.values()}
    kept = []
    for step in reversed(found.steps):
        if id(step.result) in wanted:
            wanted.update(id(each) for each in step.operands)
            kept.append(step)
    return kept[::-1]


# Whether the steps are the model.


def _check(caller: str, model: nn.Module, found: Trace, inputs: list[Array]) -> None:
    """Compare steps and model on other samples."""
    expected = _named(caller, _called(model, [Tensor(array) for array in inputs]))
    advice = (
        "; forward must compute with Tensors alone, do the same whatever the inputs "
        "hold and however many there are, and change nothing in place"
    )
    try:
        given = _again(found, inputs)
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(
            f"{caller}: the model's steps depend on the batch ({error}){advice}"
        ) from error
    for name, y in expected.items():
        array = given.get(name)
        if array is None or array.shape != y.shape or not _close(array, y.data):
            where = f" in output {name}" if name else ""
            raise ValueError(
                f"{caller}: {type(model).__name__} gives something else for other "
                f"inputs than the steps it took{where}{advice}"
            )


def _close(a: Array, b: Array) -> bool:
    finite = np.abs(b[np.isfinite(b)])
    scale = float(finite.max()) if finite.size else 0.0
    return bool(np.allclose(a, b, rtol=1e-3, atol=1e-4 * scale, equal_nan=True))


def _again(found: Trace, inputs: list[Array]) -> dict[str, Array]:
    """The outputs of the steps for other inputs."""
    values: dict[int, Tensor] = {
        id(value): Tensor(array)
        for value, array in zip(found.inputs, inputs, strict=True)
    }
    batch = len(inputs[0])

    def argument(operand: Any) -> Any:
        if isinstance(operand, Value):
            return values[id(operand)]
        if not isinstance(operand, Constant):
            return operand
        if operand.repeated:
            return Tensor(np.repeat(operand.array, batch, 0))
        return operand.array if operand.array.ndim else operand.array[()]

    for step in found.steps:
        args = [argument(each) for each in step.operands]
        call: Callable[..., Any] = step.action
        options = step.options
        if not isinstance(call, nn.Module):
            if call is BroadcastTo and options["shape"][0] == -1:
                options = {"shape": (batch, *options["shape"][1:])}
            call = call.apply  # type: ignore[attr-defined]
        values[id(step.result)] = call(*args, **options)
    return {name: argument(y).data for name, y in found.outputs.items()}
