"""Timed cases of batch normalization: training forward and backward, evaluation."""

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
    by_specification,
    reference_of,
)
from tilewright.bench.torch_tensors import from_nchw, image_tensor

_EPS = 1e-5
_MOMENTUM = 0.1
_TRAINING = ("forward", "backward")
_ALL = (*_TRAINING, "evaluation")

# (N, C, H), activation, operations, where it is from, in a quick run.
_TABLE: tuple[tuple[int, int, int, str, tuple[str, ...], str, bool], ...] = (
    (32, 64, 112, "none", _ALL, "ResNet-50", False),
    (32, 64, 56, "none", _TRAINING, "ResNet-50", False),
    (32, 256, 56, "none", _TRAINING, "ResNet-50", False),
    (32, 128, 28, "none", _TRAINING, "ResNet-50", True),
    (32, 512, 28, "none", _TRAINING, "ResNet-50", False),
    (32, 256, 14, "none", _ALL, "ResNet-50", True),
    (32, 1024, 14, "none", _TRAINING, "ResNet-50", False),
    (32, 512, 7, "none", _TRAINING, "ResNet-50", False),
    (32, 2048, 7, "none", _TRAINING, "ResNet-50", False),
    (32, 64, 56, "relu", _TRAINING, "ResNet-50", False),
    (32, 256, 14, "relu", _TRAINING, "ResNet-50", True),
    (32, 32, 26, "none", _TRAINING, "small CNN 1", True),
    (32, 64, 11, "none", _TRAINING, "small CNN 2", False),
    (32, 64, 11, "relu", _TRAINING, "small CNN 2", True),
    (128, 16, 32, "none", _TRAINING, "CIFAR ResNet-20", False),
    (32, 512, 1, "none", _TRAINING, "perceptron", False),
    (9, 13, 31, "none", _TRAINING, "odd", False),
)


def cases() -> list[Case]:
    """The table of cases."""
    axes = ("N", "C", "H", "activation", "operations", "what", "quick")
    found = []
    for row in _TABLE:
        p: dict[str, Any] = dict(zip(axes, row, strict=True))
        operations = p.pop("operations")
        found += [make({**p, "operation": operation}) for operation in operations]
    return found


def make(p: Parameters) -> Case:
    """The case with these parameters: x and y once, or dy, x and dx once."""
    N, C, H = p["N"], p["C"], p["H"]
    passes = 3 if p["operation"] == "backward" else 2
    relu = " relu" if p["activation"] == "relu" else ""
    # PyTorch adds the rows of channels_last in one float each; of a y that is 0 but
    # for rounding its relu lets another gradient through.
    tolerance = 5e-3 if relu and p["operation"] == "backward" else 1e-4
    return Case(
        family="batch_norm",
        name=f"({N}, {C}, {H}){relu} {p['operation']} {p['what']}",
        group=f"batch norm{relu}, {p['operation']}",
        parameters=p,
        flops=0.0,
        bytes=4.0 * passes * N * H * H * C,
        tolerance=tolerance,
        quick=p["quick"],
    )


def shrink(p: Parameters) -> Parameters:
    """A small case of the same kind."""
    sizes = {"N": max(min(p["N"], 3), 2), "C": min(p["C"], 21), "H": min(p["H"], 5)}
    return {**p, **sizes}


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """What a convolution gives, some channels off centre."""
    N, C, H = p["N"], p["C"], p["H"]
    given = {
        "x": normal(rng, N, H, H, C) + normal(rng, C),
        "weight": normal(rng, C),
        "bias": normal(rng, C),
        "mean": normal(rng, C),
        "variance": np.abs(normal(rng, C)) + np.float32(0.5),
    }
    if p["operation"] == "backward":
        axes = (0, 1, 2)
        mean = given["x"].mean(axes, dtype=np.float64)
        root = 1 / np.sqrt(given["x"].var(axes, dtype=np.float64) + _EPS)
        left = mean - mean.astype(np.float32)
        given["saved"] = np.array([mean, left, root], np.float32)
        given["dy"] = normal(rng, N, H, H, C)
    return given


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """In float64, by the specification, of some channels."""
    channels = _channels(p)
    some = double({name: value[..., channels] for name, value in given.items()})
    return reference_of(tilewright(p, some, ""))


def sample(p: Parameters, outputs: Any) -> list[Array]:
    """Some channels."""
    return [output[..., _channels(p)] for output in outputs]


def _channels(p: Parameters) -> Array:
    return np.unique(np.linspace(0, p["C"] - 1, 5).astype(np.int64))


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """The kernels' interface."""
    from tilewright import kernels

    x, weight, bias = (given[n] for n in ("x", "weight", "bias"))
    running: Any = {"running_mean": given["mean"], "running_var": given["variance"]}
    options: Any = {"activation": p["activation"]}

    def forward() -> list[Array]:
        y, _ = kernels.batch_norm(
            x, weight, bias, training=p["operation"] != "evaluation",
            momentum=_MOMENTUM, eps=_EPS, **running, **options,
        )  # fmt: skip
        return [y]

    if p["operation"] != "backward":
        return Prepared(forward, lambda outputs: outputs)
    dy, saved = given["dy"], given["saved"]

    def backward() -> list[Array]:
        found = kernels.batch_norm_backward(dy, x, saved, weight, bias, **options)
        return list(found)

    return Prepared(backward, lambda outputs: outputs)


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """NumPy has no normalization: the specification, which is written in it."""
    return by_specification(tilewright(p, given, variant))


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """PyTorch's kernels, in the memory layout that `variant` names."""
    import torch

    aten: Any = torch.ops.aten
    x = image_tensor(given["x"], variant)
    weight, bias, mean, variance = (
        torch.from_numpy(given[n]) for n in ("weight", "bias", "mean", "variance")
    )
    relu = p["activation"] == "relu"
    training = p["operation"] != "evaluation"

    def forward() -> list[Any]:
        y, *saved = aten.native_batch_norm(
            x, weight, bias, mean, variance, training, _MOMENTUM, _EPS
        )
        return [y.relu_() if relu else y, *saved]

    if p["operation"] != "backward":
        return Prepared(forward, lambda found: [from_nchw(found[0])])
    y, *saved = forward()
    dy = image_tensor(given["dy"], variant)

    def backward() -> list[Any]:
        passed = aten.threshold_backward(dy, y, 0) if relu else dy
        found = aten.native_batch_norm_backward(
            passed, x, weight, mean, variance, *saved, True, _EPS, [True, True, True]
        )
        return list(found)

    return Prepared(backward, lambda found: [from_nchw(value) for value in found])


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One compiled function, in tilewright's own layout."""
    import jax
    import jax.numpy as jnp

    def normalized(x: Any, weight: Any, bias: Any, mean: Any, variance: Any) -> Any:
        if p["operation"] != "evaluation":
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        y = (x - mean) * (weight / jnp.sqrt(variance + _EPS)) + bias
        return jnp.maximum(y, 0) if p["activation"] == "relu" else y

    def forward(*arrays: Any) -> Any:
        return [normalized(*arrays)]

    def backward(*arrays: Any) -> Any:
        *others, dy = arrays
        _, pull = jax.vjp(lambda *own: normalized(*own, *others[3:]), *others[:3])
        return list(pull(dy))

    names = ["x", "weight", "bias", "mean", "variance"]
    if p["operation"] == "backward":
        names.append("dy")
    compiled = jax.jit(backward if "dy" in names else forward)
    placed = [jax.device_put(given[name]) for name in names]
    return Prepared(
        lambda: jax.block_until_ready(compiled(*placed)),
        lambda found: [np.asarray(value) for value in found],
    )


FAMILY = Family(
    name="batch_norm",
    cases=cases,
    shrink=shrink,
    make=make,
    inputs=inputs,
    reference=reference,
    sample=sample,
    contestants={
        "tilewright": tilewright,
        "numpy": by_numpy,
        "torch": torch,
        "jax": jax,
    },
    variants={"torch": ("nchw", "channels_last")},
    unasked=("numpy",),
)
