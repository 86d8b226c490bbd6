"""Steps captured in CUDA graphs: the same bits as without, and clear refusals."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from test_cuda_training import OPTIMIZERS, rows, small

import tilewright as tw
from tilewright import data, nn, optim, random
from tilewright.cuda import availability, graphs
from tilewright.errors import CaptureError
from tilewright.optim.composed import ComposedOptimizer

Maker = Callable[[Any], optim.Optimizer]
CAPTURED: dict[str, Maker] = {"adam": lambda p: optim.Adam(p, lr=1e-2), **OPTIMIZERS}


class Own(ComposedOptimizer):
    """An optimizer without a kernel."""

    def state_names(self, group: Any) -> tuple[str, ...]:
        return ()

    def check_options(self, group: Any) -> None:
        pass

    def move(self, group: Any, step: int, param: Any, grad: Any, *state: Any) -> None:
        param -= group["lr"] * grad


def own(params: Any) -> optim.Optimizer:
    return Own(params, {"lr": 0.01})


class Steps:
    """A model on the GPU, and steps with it as they come or through a graph."""

    def __init__(self, make: Maker = CAPTURED["adam"], graph: bool = False) -> None:
        self.model = small().to("cuda")
        self.optimizer = make(self.model.parameters())
        self.step: Any = tw.cuda.graph(self.plain) if graph else self.plain

    def plain(self, x: Any, y: Any) -> tw.Tensor:
        loss = nn.functional.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self) -> dict[str, bytes]:
        arrays = dict(self.model.state_dict())
        for number, kept in self.optimizer.state_dict()["state"].items():
            arrays |= {f"{number} {k}": np.asarray(v) for k, v in kept.items()}
        return {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize("name", CAPTURED)
def test_graphs_give_the_bits_of_plain_steps(cupy: Any, name: str) -> None:
    found = []
    for graph in (False, True):
        steps = Steps(CAPTURED[name], graph)
        losses, reasons = [], []
        loader = data.DataLoader(rows(), 8, shuffle=True, seed=1, device="cuda")
        for number, (x, y) in enumerate(loader):
            steps.optimizer.lr = 1e-2 / (1 + number)
            losses.append(steps.step(x, y))
            reasons.append(getattr(steps.step, "reason", None))
        if graph:
            assert reasons[:2] == [
                "the first call with arrays of these shapes", "it was captured",
            ]  # fmt: skip
            assert reasons[2:] == [None] * 4
            # Copies: no later run has overwritten them.
            assert not any(loss._requires_grad for loss in losses)
        drawn = random.get_state()["dropout_offset"]
        grads = [p.grad.to("cpu").numpy() for p in steps.model.parameters()]
        found.append(
            ([loss.item() for loss in losses], steps.state(), drawn,
             [grad.tobytes() for grad in grads])
        )  # fmt: skip
    assert found[0] == found[1]
    assert len(set(found[0][0])) == 6


def test_a_run_waits_for_nothing_and_is_one_launch(cupy: Any, world: Any) -> None:
    steps = Steps(graph=True)
    x, y = (cupy.asarray(each) for each in (rows(8).x, rows(8).y))
    for _ in range(2):
        steps.step(x, y)
    before = world.synchronizations
    (recorded,) = steps.step._known.values()
    graph = recorded._capture._graph
    steps.model.forward = None  # type: ignore[method-assign, assignment]
    recorded._number = nn.module.Structure.number
    for run in range(3):
        assert steps.step(x, y).device == "cuda:0"
        assert graph.launches == run + 2
    assert world.synchronizations == before


def test_a_graph_for_each_shape_and_anew_after_changes(cupy: Any) -> None:
    steps = Steps(graph=True)
    batches = [[cupy.asarray(each) for each in (rows(n).x, rows(n).y)] for n in (8, 5)]
    for batch in batches:
        for wanted in ("the first call", "it was captured", None):
            steps.step(*batch)
            reason = steps.step.reason
            assert reason is wanted or reason.startswith(wanted)
    steps.step(*batches[0])
    assert steps.step.reason is None

    def reason_after(change: Callable[[], Any]) -> str:
        change()
        steps.step(*batches[0])
        found = steps.step.reason
        steps.step(*batches[0])
        assert steps.step.reason is None
        return str(found)

    weight = next(steps.model.parameters())
    assert "an attribute of a module" in reason_after(steps.model.eval)

    def replace() -> None:
        weight.data = weight.data.copy()

    assert "state has been replaced" in reason_after(replace)
    group = steps.optimizer.param_groups[0]
    assert "an option of" in reason_after(lambda: group.update(bias_correction=False))
    with pytest.raises(ValueError, match="lr must be finite and at least 0"):
        reason_after(lambda: group.update(lr=-1.0))


def refused(function: Callable[..., Any], *inputs: Any) -> str:
    step = tw.cuda.graph(function)
    step(*inputs)
    with pytest.raises(CaptureError) as error:
        step(*inputs)
    return str(error.value)


def test_what_cannot_be_captured_is_said_and_changes_nothing(cupy: Any) -> None:
    x, y = (cupy.asarray(each) for each in (rows(8).x, rows(8).y))

    def waiting(x: Any, y: Any) -> tw.Tensor:
        loss = steps.plain(x, y)
        assert np.isfinite(loss.item())
        return loss

    steps = Steps()
    step = tw.cuda.graph(waiting)
    step(x, y)
    before, numbers = steps.state(), random.get_state()
    with pytest.raises(CaptureError, match=r"graph: waiting cannot be captured: .*not "
                       r"permitted when stream is capturing; a captured function must "
                       r"not wait for the GPU \(item\(\)"):  # fmt: skip
        step(x, y)
    assert steps.state() == before and random.get_state() == numbers
    assert cupy.cuda.get_current_stream().ptr == 0
    # And it goes on as if it had not been tried.
    assert np.isfinite(steps.plain(x, y).item())

    other = Steps(own)
    assert "Own.step cannot be part of a CUDA graph" in refused(other.plain, x, y)

    def with_a_new_optimizer(x: Any, y: Any) -> tw.Tensor:
        steps.optimizer = optim.Adam(steps.model.parameters())
        return steps.plain(x, y)

    assert "the first step of an optimizer" in refused(with_a_new_optimizer, x, y)
    assert "a copy from the CPU" in refused(lambda x: x + tw.tensor(1.0).to("cuda"), x)


def test_a_graph_in_another_is_a_part_of_it(cupy: Any) -> None:
    inner = tw.cuda.graph(lambda x: x * 2)
    outer = tw.cuda.graph(lambda x: inner(x) + 1)
    for number in range(4):
        assert outer(cupy.asarray(np.float32([number]))).tolist() == [2 * number + 1]
    assert outer.reason is None


def test_wrong_inputs_and_results(cupy: Any) -> None:
    x = cupy.asarray(rows(4).x)
    double = tw.cuda.graph(lambda x: x * 2)
    with pytest.raises(TypeError, match="input 0 must be a CuPy array or a Tensor on a "
                       "GPU, got one on cpu"):  # fmt: skip
        double(rows(4).x)
    with pytest.raises(TypeError, match="input 0 must .* got int"):
        double(3)
    with pytest.raises(TypeError, match="there must be an input"):
        double()
    with pytest.raises(ValueError, match="input 0 must not require a gradient"):
        double(tw.tensor([1.0], requires_grad=True, device="cuda"))
    with pytest.raises(TypeError, match="function must be callable, got int"):
        tw.cuda.graph(3)  # type: ignore[arg-type]
    number = tw.cuda.graph(lambda x: 3.0)
    with pytest.raises(TypeError, match="must return CuPy arrays.*got float"):
        number(x)


def test_functions_of_tensors_and_nested_results(cupy: Any) -> None:
    @tw.cuda.graph
    def statistics(x: tw.Tensor) -> Any:
        return {"mean": x.mean(), "two": (x + 1, [x.data * 3, None])}

    for scale in range(1, 5):
        x = tw.tensor([1.0, 2.0], device="cuda") * scale
        with tw.no_grad():
            got = statistics(x)
        assert got["mean"].item() == 1.5 * scale
        (plus, (three, nothing)) = got["two"]
        assert plus.tolist() == [scale + 1, 2 * scale + 1] and nothing is None
        assert three.tolist() == [3 * scale, 6 * scale]
    assert statistics.reason is None


@pytest.mark.parametrize("name", ["adam", "rmsprop", "own"])
def test_compiled_steps(cupy: ModuleType, name: str) -> None:
    losses: dict[bool, list[float]] = {}
    for compiled in (False, True):
        steps = Steps({**CAPTURED, "own": own}[name])
        step = tw.compile_step(steps.model, "cross_entropy", steps.optimizer)
        do = step if compiled else step.eager
        losses[compiled] = []
        for x, y in data.DataLoader(rows(), 8, device="cuda"):
            losses[compiled].append(do(x, y).item())
            assert step.outputs.shape == (8, 3)
    assert losses[True] == losses[False]
    if name != "own":
        assert step.reason is None
    else:
        assert "Own.step cannot be part of a CUDA graph" in str(step.reason)


def test_compiled_step_captures_limits_on_gradients(cupy: Any) -> None:
    """The norm stays on the GPU; other limits are a graph of their own."""
    weights: dict[bool, list[np.ndarray]] = {}
    for compiled in (False, True):
        steps = Steps(CAPTURED["adam"])
        step = tw.compile_step(
            steps.model,
            "cross_entropy",
            steps.optimizer,
            clip_norm=0.05,
            clip_value=0.01,
        )
        do = step if compiled else step.eager
        for x, y in data.DataLoader(rows(), 8, device="cuda"):
            do(x, y)
        if compiled:
            assert step.reason is None
        step.clippings = ()
        for x, y in data.DataLoader(rows(), 8, device="cuda"):
            do(x, y)
        weights[compiled] = [
            cupy.asnumpy(each.data) for each in steps.model.parameters()
        ]
    assert step.reason is None
    for got, wanted in zip(weights[True], weights[False], strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_examples() -> None:
    for module in (availability, graphs):
        result = doctest.testmod(module)
        assert result.failed == 0 and result.attempted
