"""Timed cases of limits on the gradients of whole networks."""

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

_VALUE = 0.005


def cases() -> list[Case]:
    """The table of cases."""
    return [
        make(dict(what=what, shapes=shapes_of(what), by=by, quick=quick))
        for by in ("norm", "value")
        for what, quick in SETS
    ]


def make(p: Parameters) -> Case:
    """The case with these parameters; the norm is one more look at the arrays."""
    by_norm = p["by"] == "norm"
    return Case(
        family="gradient_clipping",
        name=f"by {p['by']} {p['what']}",
        group=f"clipping by {p['by']}",
        parameters=p,
        flops=0.0,
        bytes=(12.0 if by_norm else 8.0) * count(p["shapes"]),
        tolerance=1e-5,
        quick=p["quick"],
    )


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """The gradients of a network some steps into its training."""
    shapes = p["shapes"]
    return {
        f"grad{i}": normal(rng, *shape, scale=0.01) for i, shape in enumerate(shapes)
    }


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """In float64, by the specification."""
    return reference_of(tilewright(p, double(given), ""))


def _grads(p: Parameters, given: Inputs) -> list[Array]:
    (grads,) = lists_of(given, ("grad",), len(p["shapes"]))
    return grads


def _most(p: Parameters) -> float:
    """Half of what the norm is about; by the second call nothing is above it.

    All are then scaled by a factor that is all but 1, again and again.
    """
    return 0.005 * float(np.sqrt(count(p["shapes"])))


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """All gradients in one call."""
    from tilewright import kernels

    grads, most = _grads(p, given), _most(p)
    if p["by"] == "norm":
        return Prepared(
            lambda: kernels.clip_by_norm(grads, max_norm=most),
            lambda _: updated([grads]),
        )
    return Prepared(
        lambda: kernels.clip_by_value(grads, limit=_VALUE), lambda _: updated([grads])
    )


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """As one writes it in NumPy, in place."""
    grads, most = _grads(p, given), _most(p)
    xp: Any = library_of(grads[0])

    def by_norm() -> None:
        norm = float(sum(xp.vdot(grad, grad) for grad in grads)) ** 0.5
        scale = np.float32(min(1.0, most / (norm + 1e-6)))
        for grad in grads:
            grad *= scale

    def by_value() -> None:
        for grad in grads:
            xp.clip(grad, -_VALUE, _VALUE, out=grad)

    return Prepared(
        by_norm if p["by"] == "norm" else by_value, lambda _: updated([grads])
    )


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """The functions of `torch.nn.utils`."""
    import torch

    (grads,) = tensors_of([_grads(p, given)])
    leaves = [torch.empty_like(grad) for grad in grads]
    set_gradients(leaves, grads)
    utils, most = torch.nn.utils, _most(p)

    def run() -> None:
        if p["by"] == "norm":
            utils.clip_grad_norm_(leaves, most, foreach=True)
        else:
            utils.clip_grad_value_(leaves, _VALUE, foreach=True)

    return Prepared(run, lambda _: updated_tensors([grads]))


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One compiled function whose arguments are given up to it."""
    import jax
    import jax.numpy as jnp

    most = _most(p)

    def clipped(grads: Any) -> Any:
        if p["by"] == "value":
            return [jnp.clip(grad, -_VALUE, _VALUE) for grad in grads]
        norm = jnp.sqrt(sum(jnp.vdot(grad, grad) for grad in grads))
        scale = jnp.minimum(1.0, most / (norm + 1e-6))
        return [grad * scale for grad in grads]

    compiled = jax.jit(clipped, donate_argnums=0)
    state = [[jax.device_put(grad) for grad in _grads(p, given)]]

    def run() -> None:
        state[0] = jax.block_until_ready(compiled(state[0]))

    return Prepared(run, lambda _: updated([[np.asarray(grad) for grad in state[0]]]))


FAMILY = Family(
    name="gradient_clipping",
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
