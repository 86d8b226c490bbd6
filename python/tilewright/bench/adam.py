"""Timed cases of Adam and AdamW."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.bench import torch_tensors
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

STEP, LR, BETAS, EPS = 10, 1e-3, (0.9, 0.999), 1e-8
_KINDS = ("param", "grad", "exp_avg", "exp_avg_sq")


def cases() -> list[Case]:
    """The table of cases."""
    table: list[dict[str, Any]] = [
        dict(what=what, shapes=shapes_of(what), weight_decay=0.0, quick=quick)
        for what, quick in SETS
    ]
    decayed = "10 M, one array"
    table.append(
        dict(what=decayed, shapes=shapes_of(decayed), weight_decay=0.01, quick=False)
    )
    return [make(parameters) for parameters in table]


def make(p: Parameters) -> Case:
    """The case with these parameters: four arrays read and three written."""
    name = "AdamW" if p["weight_decay"] else "Adam"
    return Case(
        family="adam",
        name=f"{name} {p['what']}",
        group="Adam",
        parameters=p,
        flops=0.0,
        bytes=28.0 * count(p["shapes"]),
        tolerance=1e-5,
        quick=p["quick"],
    )


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """The state of a network some steps into its training."""
    arrays = {}
    for i, shape in enumerate(p["shapes"]):
        arrays[f"param{i}"] = normal(rng, *shape, scale=0.1)
        arrays[f"grad{i}"] = normal(rng, *shape, scale=0.01)
        arrays[f"exp_avg{i}"] = normal(rng, *shape, scale=0.01)
        arrays[f"exp_avg_sq{i}"] = np.square(normal(rng, *shape, scale=0.01))
    return arrays


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """One step in float64, by the specification."""
    return reference_of(tilewright(p, double(given), ""))


def _lists(p: Parameters, given: Inputs) -> list[list[Array]]:
    """Parameters, gradients and the two moments."""
    return lists_of(given, _KINDS, len(p["shapes"]))


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """All parameters in one call."""
    from tilewright import kernels

    lists = _lists(p, given)
    decay = p["weight_decay"]

    def run() -> None:
        kernels.adam_step(
            *lists,
            step=STEP,
            lr=LR,
            betas=BETAS,
            eps=EPS,
            weight_decay=decay,
            decoupled=decay > 0,
        )

    return Prepared(run, lambda _: updated(lists))


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """As one writes it in NumPy, in place and with two temporaries."""
    lists = _lists(p, given)
    xp: Any = library_of(lists[0][0])
    b1, b2 = BETAS
    root = float(np.sqrt(1 - b2**STEP))
    step_size = LR / (1 - b1**STEP)

    def run() -> None:
        for param, grad, m, v in zip(*lists, strict=True):
            if p["weight_decay"]:
                param *= 1 - LR * p["weight_decay"]
            m *= b1
            m += (1 - b1) * grad
            v *= b2
            square = grad * grad
            square *= 1 - b2
            v += square
            xp.sqrt(v, out=square)
            square /= root
            square += EPS
            xp.divide(m, square, out=square)
            square *= step_size
            param -= square

    return Prepared(run, lambda _: updated(lists))


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """The fused kernel itself, or the optimizer with `foreach`."""
    import torch

    lists = tensors_of(_lists(p, given))
    params, grads, exp_avg, exp_avg_sq = lists
    decay = p["weight_decay"]

    def outputs(_: Any) -> list[Array]:
        return updated_tensors(lists)

    if variant == "fused":
        kernel: Any = torch._fused_adamw_ if decay else torch._fused_adam_
        steps = [torch_tensors.scalar(float(STEP)) for _ in params]

        def fused() -> None:
            kernel(
                *lists,
                [],
                steps,
                lr=LR,
                beta1=BETAS[0],
                beta2=BETAS[1],
                weight_decay=decay,
                eps=EPS,
                amsgrad=False,
                maximize=False,
            )

        return Prepared(fused, outputs)

    set_gradients(params, grads)
    kind = torch.optim.AdamW if decay else torch.optim.Adam
    optimizer = kind(
        params, lr=LR, betas=BETAS, eps=EPS, weight_decay=decay, foreach=True
    )
    for i, param in enumerate(params):
        optimizer.state[param] = {
            "step": torch.tensor(STEP - 1.0),
            "exp_avg": exp_avg[i],
            "exp_avg_sq": exp_avg_sq[i],
        }
    return Prepared(optimizer.step, outputs)


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One compiled function whose arguments are given up to it."""
    import jax
    import jax.numpy as jnp

    b1, b2 = BETAS
    decay = p["weight_decay"]

    def update(param: Any, grad: Any, m: Any, v: Any) -> Any:
        param = param * (1 - LR * decay)
        m = b1 * m + (1 - b1) * grad
        v = b2 * v + (1 - b2) * grad * grad
        root = jnp.sqrt(v) / np.float32(np.sqrt(1 - b2**STEP))
        return param - LR / (1 - b1**STEP) * m / (root + EPS), m, v

    def step(params: Any, m: Any, v: Any, grads: Any) -> Any:
        new = [update(*some) for some in zip(params, grads, m, v, strict=True)]
        return tuple(list(some) for some in zip(*new, strict=True))

    compiled = jax.jit(step, donate_argnums=(0, 1, 2))
    params, grads, m, v = (
        [jax.device_put(array) for array in some] for some in _lists(p, given)
    )
    state = [(params, m, v)]

    def run() -> None:
        state[0] = jax.block_until_ready(compiled(*state[0], grads))

    def outputs(_: Any) -> list[Array]:
        new = [[np.asarray(array) for array in some] for some in state[0]]
        return updated([new[0], [], new[1], new[2]])

    return Prepared(run, outputs)


FAMILY = Family(
    name="adam",
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
