"""How each library computes the cases of bench/conv2d.py.

A peer runs its own kernels with as little around them as it allows: no tape is
recorded, for each backward pass is called by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright.bench.arrays import host
from tilewright.bench.case import (
    Array,
    Inputs,
    Parameters,
    Prepared,
    by_specification,
)
from tilewright.bench.torch_tensors import (
    from_nchw,
    from_oihw,
    image_tensor,
    tensor,
    weight_tensor,
)


def output_kinds(p: Parameters) -> tuple[str, ...]:
    """Which outputs the operation has, in order: y, dx, dweight, dbias."""
    return {
        "forward": ("y",),
        "backward_input": ("dx",),
        "backward_weight": ("dweight", "dbias"),
        "all": ("y", "dx", "dweight", "dbias"),
        "pooled": ("y",),
        "pooled_all": ("y", "dweight", "dbias")
        + (() if p["layer"] == "image" else ("dx",)),
    }[str(p["operation"])]


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """The kernels' interface, as `nn` calls it."""
    from tilewright import kernels

    options = {name: p[name] for name in ("stride", "padding", "groups")}
    x, weight, size = given["x"], given["weight"], p["R"]
    dy = given.get("dy")
    if p["operation"].startswith("pooled"):
        return _pooled(p, given)

    def forward() -> list[Array]:
        return [kernels.conv2d(x, weight, **options)]

    def backward_input() -> list[Array]:
        assert dy is not None
        return [kernels.conv2d_backward_input(dy, weight, x.shape, **options)]

    def backward_weight() -> list[Array]:
        assert dy is not None
        return [*kernels.conv2d_backward_weight(x, dy, size, **options)]

    run = _chosen(p["operation"], forward, backward_input, backward_weight)
    return Prepared(run, _on_host)


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """NumPy has no convolution: the specification, which is written in it."""
    return by_specification(tilewright(p, given, variant))


def _pooled(p: Parameters, given: Inputs) -> Prepared:
    from tilewright import kernels

    x, weight, bias, dy = (given.get(n) for n in ("x", "weight", "bias", "dy"))
    assert x is not None and weight is not None
    geometry = {"stride": p["stride"], "padding": p["padding"]}

    def run() -> list[Array]:
        y, indices = kernels.conv2d_max_pool2d(
            x, weight, 2, bias=bias, activation="relu", **geometry
        )
        if dy is None:
            return [y]
        found = [
            y,
            *kernels.conv2d_max_pool2d_backward_weight(
                x, dy, indices, p["R"], 2, **geometry
            ),
        ]
        if p["layer"] != "image":
            found.append(
                kernels.conv2d_max_pool2d_backward_input(
                    dy, indices, weight, x.shape, 2, **geometry
                )
            )
        return found

    return Prepared(run, _on_host)


def _on_host(outputs: list[Array]) -> list[Array]:
    return [host(output) for output in outputs]


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """PyTorch's kernels, mostly oneDNN's, in the memory layout that `variant` names."""
    import torch

    x = image_tensor(given["x"], variant)
    weight = weight_tensor(given["weight"], variant)
    dy = image_tensor(given["dy"], variant) if "dy" in given else None
    pair = ([p["stride"]] * 2, [p["padding"]] * 2, [1, 1], False, [0, 0], p["groups"])
    aten: Any = torch.ops.aten
    K = weight.shape[0]
    if p["operation"].startswith("pooled"):
        return _torch_pooled(p, x, weight, tensor(given["bias"]), dy, pair)

    def forward() -> list[Any]:
        return [aten.convolution(x, weight, None, *pair)]

    def backward(mask: list[bool]) -> Any:
        return aten.convolution_backward(dy, x, weight, [K], *pair, mask)

    def outputs(found: list[Any]) -> list[Array]:
        return _from_torch(p, found)

    run = _chosen(
        p["operation"],
        forward,
        lambda: [backward([True, False, False])[0]],
        lambda: [*backward([False, True, True])[1:]],
        lambda: [*backward([True, True, True])],
    )
    return Prepared(run, outputs)


def _torch_pooled(
    p: Parameters, x: Any, weight: Any, bias: Any, dy: Any, pair: Any
) -> Prepared:
    import torch

    aten: Any = torch.ops.aten
    mask = [p["layer"] != "image", True, True]
    K = weight.shape[0]

    def run() -> list[Any]:
        conv = aten.relu_(aten.convolution(x, weight, bias, *pair))
        y, indices = aten.max_pool2d_with_indices(conv, [2, 2], [2, 2])
        if dy is None:
            return [y]
        dconv = aten.max_pool2d_with_indices_backward(
            dy, conv, [2, 2], [2, 2], [0, 0], [1, 1], False, indices
        )
        dconv = aten.threshold_backward(dconv, conv, 0)
        dx, dweight, dbias = aten.convolution_backward(
            dconv, x, weight, [K], *pair, mask
        )
        return [y, dweight, dbias, *([dx] if mask[0] else [])]

    return Prepared(run, lambda found: _from_torch(p, found))


def _from_torch(p: Parameters, found: list[Any]) -> list[Array]:
    return [
        from_oihw(value) if kind == "dweight" else from_nchw(value)
        for kind, value in zip(output_kinds(p), found, strict=True)
    ]


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One compiled function, in tilewright's own layouts."""
    import jax
    from jax import lax

    def conv(x: Any, weight: Any) -> Any:
        return lax.conv_general_dilated(
            x,
            weight,
            (p["stride"],) * 2,
            [(p["padding"],) * 2] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=p["groups"],
        )

    def pooled(x: Any, weight: Any, bias: Any) -> Any:
        y = jax.nn.relu(conv(x, weight) + bias)
        window = (1, 2, 2, 1)
        return lax.reduce_window(y, -np.inf, lax.max, window, window, "VALID")

    def step(x: Any, weight: Any, bias: Any, dy: Any) -> Any:
        if p["operation"] == "pooled":
            return [pooled(x, weight, bias)]
        if p["operation"] == "pooled_all":
            y, pull = jax.vjp(pooled, x, weight, bias)
            dx, dweight, dbias = pull(dy)
            return [y, dweight, dbias, *([] if p["layer"] == "image" else [dx])]
        if p["operation"] == "forward":
            return [conv(x, weight)]
        y, pull = jax.vjp(conv, x, weight)
        dx, dweight = pull(dy)
        dbias = dy.sum((0, 1, 2))
        return {
            "backward_input": [dx],
            "backward_weight": [dweight, dbias],
            "all": [y, dx, dweight, dbias],
        }[p["operation"]]

    compiled = jax.jit(step)  # what is not returned is not computed
    names = ("x", "weight", "bias", "dy")
    placed = [jax.device_put(given[n]) if n in given else None for n in names]
    return Prepared(
        lambda: jax.block_until_ready(compiled(*placed)),
        lambda found: [np.asarray(value) for value in found],
    )


def _chosen(
    operation: str,
    forward: Callable[[], list[Any]],
    backward_input: Callable[[], list[Any]],
    backward_weight: Callable[[], list[Any]],
    backward: Callable[[], list[Any]] | None = None,
) -> Callable[[], list[Any]]:
    """What to time; `backward` is both gradients in one call, where there is one."""

    def everything() -> list[Any]:
        gradients = backward() if backward else [*backward_input(), *backward_weight()]
        return [*forward(), *gradients]

    return {
        "forward": forward,
        "backward_input": backward_input,
        "backward_weight": backward_weight,
        "all": everything,
    }[operation]
