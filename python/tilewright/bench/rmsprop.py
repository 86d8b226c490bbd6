"""Timed cases of RMSprop, plain and with all that it may keep, and of Adagrad."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.bench.arrays import double, library_of, normal
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

LR, ALPHA, EPS, MOMENTUM = 1e-3, 0.99, 1e-8, 0.9
# What is kept for a parameter: arrays that are read and written.
KEPT = {
    "RMSprop": ("square_avg",),
    "centered RMSprop": ("square_avg", "grad_avg", "momentum_buffer"),
    "Adagrad": ("sum",),
}
_FEW = ("MNIST CNN", "10 M, one array")


def cases() -> list[Case]:
    """The table of cases."""
    return [
        make(dict(what=what, shapes=shapes_of(what), kind=kind, quick=quick))
        for kind in KEPT
        for what, quick in SETS
        if kind == "RMSprop" or what in _FEW
    ]


def make(p: Parameters) -> Case:
    """The case with these parameters: p, g and what is kept; all but g written."""
    return Case(
        family="rmsprop",
        name=f"{p['kind']} {p['what']}",
        group="RMSprop and Adagrad",
        parameters=p,
        flops=0.0,
        bytes=(12.0 + 8.0 * len(KEPT[p["kind"]])) * count(p["shapes"]),
        tolerance=1e-5,
        quick=p["quick"],
    )


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """The state of a network some steps into its training."""
    arrays = {}
    for i, shape in enumerate(p["shapes"]):
        arrays[f"param{i}"] = normal(rng, *shape, scale=0.1)
        arrays[f"grad{i}"] = normal(rng, *shape, scale=0.01)
        for name in KEPT[p["kind"]]:
            arrays[f"{name}{i}"] = normal(rng, *shape, scale=0.001)
        # A mean square is above the square of the mean.
        squares = KEPT[p["kind"]][0]
        arrays[f"{squares}{i}"] = np.square(arrays[f"grad{i}"]) + np.float32(1e-4)
    return arrays


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """One step in float64, by the specification."""
    return reference_of(tilewright(p, double(given), ""))


def _lists(p: Parameters, given: Inputs) -> list[list[Array]]:
    """Parameters, gradients and what is kept."""
    return lists_of(given, ("param", "grad", *KEPT[p["kind"]]), len(p["shapes"]))


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """All parameters in one call."""
    from tilewright import kernels

    lists = _lists(p, given)
    if p["kind"] == "Adagrad":
        return Prepared(
            lambda: kernels.adagrad_step(*lists, lr=LR, eps=EPS),
            lambda _: updated(lists),
        )
    momentum = MOMENTUM if len(lists) > 3 else 0.0

    def run() -> None:
        kernels.rmsprop_step(*lists, lr=LR, alpha=ALPHA, eps=EPS, momentum=momentum)

    return Prepared(run, lambda _: updated(lists))


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """As one writes it in NumPy, in place."""
    lists = _lists(p, given)
    xp: Any = library_of(lists[0][0])

    def run() -> None:
        for param, grad, squares, *rest in zip(*lists, strict=True):
            square = grad * grad
            if p["kind"] != "Adagrad":
                squares *= ALPHA
                square *= 1 - ALPHA
            squares += square
            if rest:
                mean = rest[0]
                mean *= ALPHA
                mean += (1 - ALPHA) * grad
                xp.multiply(mean, mean, out=square)
                xp.subtract(squares, square, out=square)
                xp.sqrt(square, out=square)
            else:
                xp.sqrt(squares, out=square)
            square += EPS
            xp.divide(grad, square, out=square)
            if rest:
                buffer = rest[1]
                buffer *= MOMENTUM
                buffer += square
                param -= LR * buffer
            else:
                square *= LR
                param -= square

    return Prepared(run, lambda _: updated(lists))


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """The optimizer with `foreach`, Adagrad's fused: the fastest that there is."""
    import torch

    lists = tensors_of(_lists(p, given))
    params, grads, *kept = lists
    set_gradients(params, grads)
    optimizer: Any
    if p["kind"] == "Adagrad":
        optimizer = torch.optim.Adagrad(params, lr=LR, eps=EPS, fused=True)
    else:
        optimizer = torch.optim.RMSprop(
            params,
            lr=LR,
            alpha=ALPHA,
            eps=EPS,
            centered=len(kept) > 1,
            momentum=MOMENTUM if len(kept) > 1 else 0.0,
            foreach=True,
        )
    for i, param in enumerate(params):
        state = {"step": torch.tensor(1.0)}
        for name, tensors in zip(KEPT[p["kind"]], kept, strict=True):
            state[name] = tensors[i]
        optimizer.state[param] = state

    return Prepared(optimizer.step, lambda _: updated_tensors(lists))


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One compiled function whose arguments are given up to it."""
    import jax
    import jax.numpy as jnp

    def update(param: Any, grad: Any, squares: Any, *rest: Any) -> Any:
        if p["kind"] == "Adagrad":
            squares = squares + grad * grad
            return param - LR * grad / (jnp.sqrt(squares) + EPS), squares
        squares = ALPHA * squares + (1 - ALPHA) * grad * grad
        if not rest:
            return param - LR * grad / (jnp.sqrt(squares) + EPS), squares
        mean = ALPHA * rest[0] + (1 - ALPHA) * grad
        direction = grad / (jnp.sqrt(squares - mean * mean) + EPS)
        buffer = MOMENTUM * rest[1] + direction
        return param - LR * buffer, squares, mean, buffer

    def step(state: Any, grads: Any) -> Any:
        params, *kept = state
        new = [update(*some) for some in zip(params, grads, *kept, strict=True)]
        return [list(some) for some in zip(*new, strict=True)]

    compiled = jax.jit(step, donate_argnums=(0,))
    params, grads, *kept = (
        [jax.device_put(array) for array in some] for some in _lists(p, given)
    )
    state = [[params, *kept]]

    def run() -> None:
        state[0] = jax.block_until_ready(compiled(state[0], grads))

    def outputs(_: Any) -> list[Array]:
        new, *others = [[np.asarray(array) for array in some] for some in state[0]]
        return updated([new, [], *others])

    return Prepared(run, outputs)


FAMILY = Family(
    name="rmsprop",
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
)
