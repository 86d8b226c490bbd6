"""Timed cases of gradient descent, plain and with Nesterov's momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.bench.arrays import double, normal
from tilewright.bench.case import (
    Array,
    Case,
    Family,
    Inputs,
    Parameters,
    Prepared,
    reference_of,
)
from tilewright.bench.parameter_lists import (
    SETS,
    count,
    lists_of,
    set_gradients,
    shapes_of,
    shrink,
    tensors_of,
    updated,
    updated_tensors,
)

LR = 1e-2


def cases() -> list[Case]:
    """The table of cases."""
    return [
        make(dict(what=what, shapes=shapes_of(what), momentum=momentum, quick=quick))
        for momentum in (0.0, 0.9)
        for what, quick in SETS
    ]


def make(p: Parameters) -> Case:
    """The case with these parameters; momentum is one array more each way."""
    momentum = p["momentum"] > 0
    return Case(
        family="sgd",
        name=f"{'Nesterov' if momentum else 'SGD'} {p['what']}",
        group="SGD",
        parameters=p,
        flops=0.0,
        bytes=(20.0 if momentum else 12.0) * count(p["shapes"]),
        tolerance=1e-5,
        quick=p["quick"],
    )


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """The state of a network some steps into its training."""
    arrays = {}
    for i, shape in enumerate(p["shapes"]):
        arrays[f"param{i}"] = normal(rng, *shape, scale=0.1)
        arrays[f"grad{i}"] = normal(rng, *shape, scale=0.01)
        if p["momentum"]:
            arrays[f"buffer{i}"] = normal(rng, *shape, scale=0.01)
    return arrays


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """One step in float64, by the specification."""
    return reference_of(tilewright(p, double(given), ""))


def _lists(p: Parameters, given: Inputs) -> list[list[Array]]:
    """Parameters, gradients and, with momentum, its buffers."""
    kinds = ("param", "grad", "buffer")[: 3 if p["momentum"] else 2]
    return lists_of(given, kinds, len(p["shapes"]))


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """All parameters in one call."""
    from tilewright import kernels

    lists = _lists(p, given)
    momentum = p["momentum"]

    def run() -> None:
        kernels.sgd_step(*lists, lr=LR, momentum=momentum, nesterov=momentum > 0)

    return Prepared(run, lambda _: updated(lists))


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """As one writes it in NumPy, in place."""
    lists = _lists(p, given)
    momentum = p["momentum"]

    def plain() -> None:
        for param, grad in zip(*lists, strict=True):
            param -= LR * grad

    def nesterov() -> None:
        for param, grad, buffer in zip(*lists, strict=True):
            buffer *= momentum
            buffer += grad
            ahead = momentum * buffer
            ahead += grad
            ahead *= LR
            param -= ahead

    return Prepared(nesterov if momentum else plain, lambda _: updated(lists))


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """The fused kernel itself, or the optimizer with `foreach`."""
    import torch

    lists = tensors_of(_lists(p, given))
    momentum = p["momentum"]

    def outputs(_: Any) -> list[Array]:
        return updated_tensors(lists)

    if variant == "fused":
        kernel: Any = torch._fused_sgd_
        buffers = lists[2] if momentum else []

        def fused() -> None:
            kernel(
                lists[0],
                lists[1],
                buffers,
                weight_decay=0.0,
                momentum=momentum,
                lr=LR,
                dampening=0.0,
                nesterov=momentum > 0,
                maximize=False,
                is_first_step=False,
            )

        return Prepared(fused, outputs)

    set_gradients(lists[0], lists[1])
    optimizer = torch.optim.SGD(
        lists[0], lr=LR, momentum=momentum, nesterov=momentum > 0, foreach=True
    )
    if momentum:
        for param, buffer in zip(lists[0], lists[2], strict=True):
            optimizer.state[param]["momentum_buffer"] = buffer
    return Prepared(optimizer.step, outputs)


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One compiled function whose arguments are given up to it."""
    import jax

    momentum = p["momentum"]

    def step(params: Any, buffers: Any, grads: Any) -> Any:
        if not momentum:
            moved = zip(params, grads, strict=True)
            return [param - LR * grad for param, grad in moved], buffers
        pairs = zip(buffers, grads, strict=True)
        buffers = [momentum * buffer + grad for buffer, grad in pairs]
        triples = zip(params, grads, buffers, strict=True)
        return [q - LR * (g + momentum * b) for q, g, b in triples], buffers

    compiled = jax.jit(step, donate_argnums=(0, 1))
    lists = [[jax.device_put(a) for a in some] for some in _lists(p, given)]
    state = [(lists[0], lists[2] if momentum else [])]

    def run() -> None:
        state[0] = jax.block_until_ready(compiled(*state[0], lists[1]))

    def outputs(_: Any) -> list[Array]:
        new = [[np.asarray(array) for array in some] for some in state[0]]
        return updated([new[0], [], *([new[1]] if momentum else [])])

    return Prepared(run, outputs)


FAMILY = Family(
    name="sgd",
    cases=cases,
    shrink=shrink,
    make=make,
    inputs=inputs,
    reference=reference,
    contestants={
        "tilewright": tilewright,
        "numpy": by_numpy,
        "cupy": by_numpy,
        "torch": torch,
        "jax": jax,
    },
    variants={"torch": ("fused", "foreach")},
)
