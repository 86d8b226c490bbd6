"""Timed cases of the losses of elements: the mean, and the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.bench import torch_tensors
from tilewright.bench.arrays import double, host, library_of, normal
from tilewright.bench.case import (
    Array,
    Case,
    Family,
    Inputs,
    Parameters,
    Prepared,
    reference_of,
)

_LOSSES = (
    "squared_error",
    "absolute_error",
    "huber",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)
# Elements, where they are from, in a quick run.
_SIZES: tuple[tuple[int, str, bool], ...] = (
    (32, "one output, batch 32", True),
    (32 * 784, "autoencoder of MNIST", True),
    (64 * 80 * 1000, "labels of 80 kinds", False),
)


def cases() -> list[Case]:
    """The table of cases."""
    return [
        make(dict(kind=kind, size=size, what=what, quick=quick))
        for kind in _LOSSES
        for size, what, quick in _SIZES
    ]


def make(p: Parameters) -> Case:
    """The case with these parameters: two arrays read, one written."""
    return Case(
        family="elementwise_loss",
        name=f"({p['size']},) {p['kind']} {p['what']}",
        group=p["kind"],
        parameters=p,
        flops=0.0,
        bytes=12.0 * p["size"],
        tolerance=1e-5,
        quick=p["quick"],
    )


def shrink(p: Parameters) -> Parameters:
    """A small case of the same kind."""
    return {**p, "size": min(p["size"], 99)}


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """What a network might return, and what it should."""
    x, target = normal(rng, p["size"]), normal(rng, p["size"])
    if p["kind"].startswith("binary"):
        target = (target > 0).astype(np.float32)
    if p["kind"] == "binary_cross_entropy":
        x = 1 / (1 + np.exp(-x))
    return {"x": x, "target": target}


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """In float64, by the specification."""
    return reference_of(tilewright(p, double(given), ""))


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One call gives the mean and its gradient."""
    from tilewright import kernels

    x, target = given["x"], given["target"]
    return Prepared(
        lambda: kernels.elementwise_loss(x, target, p["kind"]),
        lambda found: [host(value) for value in found],
    )


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """As one writes it in NumPy."""
    x, target, kind = given["x"], given["target"], p["kind"]
    xp: Any = library_of(x)

    def run() -> tuple[Array, Array]:
        if kind == "binary_cross_entropy":
            loss = -xp.mean(target * xp.log(x) + (1 - target) * xp.log1p(-x))
            return loss, (x - target) / (x * (1 - x)) / x.size
        if kind == "binary_cross_entropy_with_logits":
            e = xp.exp(-xp.abs(x))
            loss = xp.mean(xp.maximum(x, 0) - x * target + xp.log1p(e))
            return loss, (xp.where(x < 0, e, 1) / (1 + e) - target) / x.size
        d = x - target
        if kind == "squared_error":
            return xp.mean(d * d), d * np.float32(2 / x.size)
        if kind == "absolute_error":
            return xp.mean(xp.abs(d)), xp.sign(d) / x.size
        slope = xp.clip(d, -1, 1)
        return xp.mean(slope * (d - slope / 2)), slope / x.size

    return Prepared(run, lambda found: [host(value) for value in found])


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """The function and its gradient; of one kernel each but for the logits'."""
    import torch

    x, target = (torch_tensors.tensor(given[name]) for name in ("x", "target"))
    kind: str = p["kind"]
    names = {
        "squared_error": "mse_loss",
        "absolute_error": "l1_loss",
        "huber": "huber_loss",
    }
    function = getattr(torch.nn.functional, names.get(kind, kind))
    x.requires_grad_()

    def run() -> tuple[Any, Any]:
        loss = function(x, target)
        return loss.detach(), torch.autograd.grad(loss, x)[0]

    return Prepared(run, lambda found: [torch_tensors.array(y) for y in found])


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One compiled function."""
    import jax
    import jax.numpy as jnp

    kind = p["kind"]

    def loss(x: Any, target: Any) -> Any:
        if kind == "binary_cross_entropy":
            return -jnp.mean(target * jnp.log(x) + (1 - target) * jnp.log1p(-x))
        if kind == "binary_cross_entropy_with_logits":
            return jnp.mean(jnp.logaddexp(x, 0) - x * target)
        d = x - target
        if kind == "squared_error":
            return jnp.mean(d * d)
        if kind == "absolute_error":
            return jnp.mean(jnp.abs(d))
        slope = jnp.clip(d, -1, 1)
        return jnp.mean(slope * (d - slope / 2))

    compiled = jax.jit(jax.value_and_grad(loss))
    placed = [jax.device_put(given[name]) for name in ("x", "target")]
    return Prepared(
        lambda: jax.block_until_ready(compiled(*placed)),
        lambda found: [np.asarray(value) for value in found],
    )


FAMILY = Family(
    name="elementwise_loss",
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
