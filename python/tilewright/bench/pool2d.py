"""Timed cases of max and average pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.bench.arrays import activations, double, host, normal
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

# (N, C, H), window, stride, padding, kind, where it is from, in a quick run.
_TABLE: tuple[tuple[int, int, int, int, int, int, str, str, bool], ...] = (
    (32, 32, 26, 2, 2, 0, "max", "MNIST CNN 1", True),
    (32, 64, 11, 2, 2, 0, "max", "MNIST CNN 2", True),
    (128, 32, 26, 2, 2, 0, "max", "MNIST CNN 1", False),
    (128, 64, 11, 2, 2, 0, "max", "MNIST CNN 2", False),
    (128, 64, 26, 2, 2, 0, "max", "wide MNIST CNN", False),
    (32, 64, 112, 2, 2, 0, "max", "VGG-16", False),
    (16, 512, 14, 2, 2, 0, "max", "VGG-16", False),
    (32, 64, 112, 3, 2, 1, "max", "ResNet-50, first", False),
    (16, 64, 56, 3, 2, 0, "max", "AlexNet", True),
    (1, 64, 112, 3, 2, 1, "max", "ResNet-50, batch 1", False),
    (16, 192, 28, 3, 1, 1, "max", "Inception", False),
    (9, 13, 31, 2, 2, 0, "max", "odd", False),
    (32, 128, 56, 2, 2, 0, "avg", "DenseNet-121", True),
    (16, 192, 28, 3, 1, 1, "avg", "Inception", False),
    (32, 2048, 7, 7, 7, 0, "avg", "ResNet-50, global", True),
)


def cases() -> list[Case]:
    """The table of cases."""
    axes = ("N", "C", "H", "window", "stride", "padding", "kind", "what", "quick")
    return [
        make({**dict(zip(axes, row, strict=True)), "operation": operation})
        for row in _TABLE
        for operation in ("forward", "both")
    ]


def make(p: Parameters) -> Case:
    """The case with these parameters; `both` is forward and backward."""
    N, C, H = p["N"], p["C"], p["H"]
    x, y = N * C * H * H, N * C * _outputs(p) ** 2
    # The forward pass of a maximum also leaves a byte an output, where it was.
    index = y if p["kind"] == "max" else 0
    forward, backward = 4 * x + 4 * y + index, 4 * y + index + 4 * x
    both = p["operation"] == "both"
    direction = "forward + backward" if both else "forward"
    window = f"{p['window']}/{p['stride']}" + (f"+{p['padding']}" * (p["padding"] > 0))
    return Case(
        family="pool2d",
        name=f"({N}, {C}, {H}) {p['kind']} {window} {p['operation']} {p['what']}",
        group=f"{p['kind']} pool, {direction}",
        parameters=p,
        flops=0.0,
        bytes=float(forward + (backward if both else 0)),
        tolerance=0.0 if p["kind"] == "max" and not both else 1e-6,
        quick=p["quick"],
    )


def shrink(p: Parameters) -> Parameters:
    """A small case of the same kind."""
    height = p["window"] if p["window"] == p["H"] else 9 + p["H"] % 2
    return {**p, "N": min(p["N"], 2), "C": min(p["C"], 5), "H": height}


def _outputs(p: Parameters) -> int:
    return int((p["H"] + 2 * p["padding"] - p["window"]) // p["stride"] + 1)


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """Activations behind a ReLU: many windows hold nothing but zeros."""
    N, C, H, P = p["N"], p["C"], p["H"], _outputs(p)
    return {"x": activations(rng, N, H, H, C), "dy": normal(rng, N, P, P, C)}


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """In float64, by the specification, of two images."""
    images = _images(p)
    some = double({name: value[images] for name, value in given.items()})
    return reference_of(tilewright(p, some, ""))


def sample(p: Parameters, outputs: Any) -> list[Array]:
    """Two images."""
    return [output[_images(p)] for output in outputs]


def _images(p: Parameters) -> Array:
    return np.unique([0, p["N"] - 1])


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """The kernels' interface."""
    from tilewright import kernels

    x, dy, window = given["x"], given["dy"], p["window"]
    options = {"stride": p["stride"], "padding": p["padding"]}
    both = p["operation"] == "both"

    def maximum() -> list[Array]:
        y, indices = kernels.max_pool2d(x, window, **options)
        if not both:
            return [y]
        dx = kernels.max_pool2d_backward(dy, indices, x.shape, window, **options)
        return [y, dx]

    def average() -> list[Array]:
        y = kernels.avg_pool2d(x, window, **options)
        if not both:
            return [y]
        return [y, kernels.avg_pool2d_backward(dy, x.shape, window, **options)]

    run = maximum if p["kind"] == "max" else average
    return Prepared(run, lambda outputs: [host(output) for output in outputs])


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """NumPy has no pooling: the specification, which is written in it."""
    return by_specification(tilewright(p, given, variant))


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """PyTorch's kernels, in the memory layout that `variant` names."""
    import torch

    aten: Any = torch.ops.aten
    x, dy = image_tensor(given["x"], variant), image_tensor(given["dy"], variant)
    window, stride, padding = ([p[n]] * 2 for n in ("window", "stride", "padding"))
    both = p["operation"] == "both"

    def maximum() -> list[Any]:
        y, indices = aten.max_pool2d_with_indices(x, window, stride, padding)
        if not both:
            return [y]
        dx = aten.max_pool2d_with_indices_backward(
            dy, x, window, stride, padding, [1, 1], False, indices
        )
        return [y, dx]

    def average() -> list[Any]:
        y = aten.avg_pool2d(x, window, stride, padding)
        if not both:
            return [y]
        options = (window, stride, padding, False, True, None)
        return [y, aten.avg_pool2d_backward(dy, x, *options)]

    run = maximum if p["kind"] == "max" else average
    return Prepared(run, lambda found: [from_nchw(value) for value in found])


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """`reduce_window`, compiled, in tilewright's own layout."""
    import jax
    from jax import lax

    window = (1, p["window"], p["window"], 1)
    strides = (1, p["stride"], p["stride"], 1)
    padding = [(0, 0), *([(p["padding"],) * 2] * 2), (0, 0)]

    def pool(x: Any) -> Any:
        if p["kind"] == "max":
            return lax.reduce_window(x, -np.inf, lax.max, window, strides, padding)
        total = lax.reduce_window(x, 0.0, lax.add, window, strides, padding)
        return total / p["window"] ** 2

    def step(x: Any, dy: Any) -> Any:
        if p["operation"] == "forward":
            return [pool(x)]
        y, pull = jax.vjp(pool, x)
        return [y, *pull(dy)]

    compiled = jax.jit(step)
    placed = [jax.device_put(given[name]) for name in ("x", "dy")]
    return Prepared(
        lambda: jax.block_until_ready(compiled(*placed)),
        lambda found: [np.asarray(value) for value in found],
    )


FAMILY = Family(
    name="pool2d",
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
