"""Timed cases of convolution: each direction, and fused with pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.bench.arrays import activations, double, filters, normal
from tilewright.bench.case import (
    Array,
    Case,
    Family,
    Inputs,
    Parameters,
    reference_of,
)
from tilewright.bench.conv2d_contestants import (
    by_numpy,
    jax,
    output_kinds,
    tilewright,
    torch,
)
from tilewright.bench.mnist_layers import MNIST_LAYERS, mnist_input

OPERATIONS = ("forward", "backward_input", "backward_weight", "all")

# (N, C, H, K, R, stride, padding, groups), where it is from, in a quick run.
_TABLE: tuple[tuple[int, int, int, int, int, int, int, int, str, bool], ...] = (
    (32, 1, 28, 32, 3, 1, 0, 1, "MNIST CNN 1", True),
    (32, 32, 13, 64, 3, 1, 0, 1, "MNIST CNN 2", True),
    (32, 64, 5, 64, 3, 1, 0, 1, "MNIST CNN 3", True),
    (128, 1, 28, 32, 3, 1, 0, 1, "MNIST CNN 1", False),
    (128, 32, 13, 64, 3, 1, 0, 1, "MNIST CNN 2", False),
    (128, 64, 5, 64, 3, 1, 0, 1, "MNIST CNN 3", False),
    (32, 64, 56, 64, 3, 1, 1, 1, "ResNet-50", True),
    (32, 128, 28, 128, 3, 1, 1, 1, "ResNet-50", False),
    (32, 256, 14, 256, 3, 1, 1, 1, "ResNet-50", False),
    (32, 512, 7, 512, 3, 1, 1, 1, "ResNet-50", False),
    (8, 64, 112, 128, 3, 1, 1, 1, "VGG-16", False),
    (8, 256, 28, 512, 3, 1, 1, 1, "VGG-16", False),
    (1, 64, 56, 64, 3, 1, 1, 1, "ResNet-50, batch 1", True),
    (1, 512, 7, 512, 3, 1, 1, 1, "ResNet-50, batch 1", False),
    (5, 17, 23, 31, 3, 1, 1, 1, "odd", True),
    (16, 96, 29, 100, 3, 1, 1, 1, "odd", False),
    (8, 3, 224, 64, 3, 1, 1, 1, "VGG-16, first", False),
    (8, 3, 224, 64, 7, 2, 3, 1, "ResNet-50, first", True),
    (32, 64, 56, 256, 1, 1, 0, 1, "ResNet-50", True),
    (32, 256, 56, 64, 1, 1, 0, 1, "ResNet-50", False),
    (32, 1024, 14, 256, 1, 1, 0, 1, "ResNet-50", False),
    (32, 512, 14, 1024, 1, 2, 0, 1, "ResNet-50", False),
    (32, 128, 28, 128, 3, 2, 1, 1, "ResNet-50", False),
    (32, 48, 27, 128, 5, 1, 2, 1, "AlexNet", False),
    (128, 6, 14, 16, 5, 1, 0, 1, "LeNet-5", True),
    (32, 144, 56, 144, 3, 1, 1, 144, "MobileNetV2", True),
    (32, 384, 14, 384, 3, 1, 1, 384, "MobileNetV2", False),
    (32, 144, 56, 144, 3, 2, 1, 144, "MobileNetV2", False),
    (16, 128, 28, 128, 3, 1, 1, 32, "ResNeXt-50", False),
)
# Convolution + bias + ReLU + 2x2 max-pool. The gradient of x is left out where
# x is the image itself. `layer` names the MNIST layer whose data is used.
_POOLED: tuple[tuple[int, int, int, int, int, str, str, bool], ...] = (
    (32, 1, 28, 32, 0, "MNIST CNN 1", "image", True),
    (32, 32, 13, 64, 0, "MNIST CNN 2", "pool1", True),
    (128, 1, 28, 32, 0, "MNIST CNN 1", "image", False),
    (128, 32, 13, 64, 0, "MNIST CNN 2", "pool1", False),
    (8, 64, 112, 64, 1, "VGG-16", "", False),
    (16, 128, 28, 128, 1, "VGG on small images", "", False),
)


def cases() -> list[Case]:
    """The table of cases."""
    table: list[Case] = []
    axes = ("N", "C", "H", "K", "R", "stride", "padding", "groups", "what", "quick")
    for row in _TABLE:
        shape = {**dict(zip(axes, row, strict=True)), "layer": ""}
        # A network's own data where there is some: zeros have their places.
        if row[-2].startswith("MNIST"):
            shape["layer"] = MNIST_LAYERS[(row[1], row[2])]
        table += [make({**shape, "operation": op}) for op in OPERATIONS]
    for N, C, H, K, padding, what, layer, quick in _POOLED:
        shape = {"N": N, "C": C, "H": H, "K": K, "R": 3, "stride": 1, "groups": 1}
        shape |= {"padding": padding, "what": what, "layer": layer, "quick": quick}
        table += [make({**shape, "operation": op}) for op in ("pooled", "pooled_all")]
    return table


def output_size(p: Parameters) -> int:
    """Rows and columns of the convolution's output."""
    return int((p["H"] + 2 * p["padding"] - p["R"]) // p["stride"] + 1)


def make(p: Parameters) -> Case:
    """The case with these parameters."""
    N, C, H, K, R = (p[axis] for axis in "NCHKR")
    P = output_size(p)
    once = 2.0 * N * P * P * K * R * R * C / p["groups"]
    x, y, weight = N * H * H * C, N * P * P * K, R * R * C // p["groups"] * K
    pooled = N * (P // 2) ** 2 * K
    image = p["layer"] == "image"
    passes = {"all": 3, "pooled_all": 2 if image else 3}.get(p["operation"], 1)
    elements = {
        "forward": x + weight + y,
        "backward_input": y + weight + x,
        "backward_weight": x + y + weight,
        # Forward, and each gradient from dy: what one pass cannot share.
        "all": (x + weight + y) + (y + weight + x) + (x + y + weight),
        "pooled": x + weight + pooled,
        # x is read twice, the pooled gradient once, one byte an index.
        "pooled_all": (2 if image else 3) * x + 3 * weight + 2.5 * pooled,
    }[p["operation"]]
    shape = f"({N}, {C}, {H} -> {K}, {R}"
    if p["stride"] != 1 or p["padding"] or p["groups"] != 1:
        shape += f", {p['stride']}, {p['padding']}"
    if p["groups"] != 1:
        shape += f", groups {p['groups']}"
    return Case(
        family="conv2d",
        name=f"{shape}) {p['operation']} {p['what']}",
        group=_group(p),
        parameters=p,
        flops=once * passes,
        bytes=4.0 * elements,
        # Winograd's F(4x4) may have an error of 1e-4. Where two sums are equal up to
        # rounding the maximum, and with it a gradient, changes places.
        tolerance=2e-2 if p["operation"] == "pooled_all" else 2e-4,
        quick=p["quick"],
    )


def _group(p: Parameters) -> str:
    operation = {"all": "forward + backward", "pooled": "forward"}.get(
        p["operation"], p["operation"].replace("_", "-")
    )
    if p["operation"].startswith("pooled"):
        operation = "forward + backward" if "all" in p["operation"] else "forward"
        return f"conv + bias + relu + max-pool, {operation}"
    winograd = p["R"] == 3 and p["stride"] == 1 and p["groups"] == 1 and p["C"] >= 16
    return f"{'3x3 stride 1 conv' if winograd else 'other convs'}, {operation}"


def shrink(p: Parameters) -> Parameters:
    """A small case of the same kind."""
    depthwise = p["groups"] == p["C"] and p["groups"] > 1
    if depthwise:
        channels = {"C": 12, "K": 12, "groups": 12}
    elif p["groups"] > 1:
        channels = {"C": 8, "K": 8, "groups": 2}
    else:
        channels = {"C": min(p["C"], 5), "K": min(p["K"], 7)}
    layer = p["layer"] if p["layer"] == "image" else ""
    height = 12 + p["H"] % 2
    return {**p, "N": min(p["N"], 2), "H": height, "layer": layer, **channels}


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """Activations behind a ReLU or a layer of the MNIST network; normal gradients."""
    N, C, H, K, R = (p[axis] for axis in "NCHKR")
    P = output_size(p)
    arrays = {"weight": filters(rng, R, R, C // p["groups"], K)}
    if p["layer"]:
        arrays["x"] = mnist_input(p["layer"], N, H, rng)
    else:
        arrays["x"] = activations(rng, N, H, H, C)
    if p["operation"].startswith("pooled"):
        arrays["bias"] = normal(rng, K, scale=0.05)
    if p["operation"] == "pooled_all":
        arrays["dy"] = normal(rng, N, P // 2, P // 2, K)
    elif p["operation"] not in ("forward", "pooled"):
        arrays["dy"] = normal(rng, N, P, P, K)
    return arrays


def sample(p: Parameters, outputs: Any) -> list[Array]:
    """Two images of y and dx; eight input and output channels of the gradients."""
    images, rows, columns = _sampled(p)
    taken = []
    for kind, output in zip(output_kinds(p), outputs, strict=True):
        if kind in ("y", "dx"):
            taken.append(output[images])
        elif kind == "dweight":
            taken.append(output[:, :, rows][..., columns])
        else:
            taken.append(output[columns])
    return taken


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """In float64, by the specification, of what `sample` takes."""
    from tilewright import kernels

    if p["operation"].startswith("pooled"):
        # The whole of it: a gradient passes through all that came before.
        return sample(p, reference_of(tilewright(p, double(given), "")))
    images, rows, columns = _sampled(p)
    options = {name: p[name] for name in ("stride", "padding", "groups")}
    with kernels.backend("numpy"):
        arrays = double({k: v for k, v in given.items() if k != "x" and k != "dy"})
        found: list[Array] = []
        for kind in output_kinds(p):
            if kind == "y":
                x = double({"x": given["x"][images]})["x"]
                found.append(kernels.conv2d(x, arrays["weight"], **options))
            elif kind == "dx":
                dy = double({"dy": given["dy"][images]})["dy"]
                shape = (len(images), *given["x"].shape[1:])
                found.append(
                    kernels.conv2d_backward_input(
                        dy, arrays["weight"], shape, **options
                    )
                )
            elif kind == "dweight":
                found += _weight_reference(p, given, rows, columns)
        return found


def _weight_reference(
    p: Parameters, given: Inputs, rows: Array, columns: Array
) -> list[Array]:
    """Gradients of the weights and biases of some channels, which need no others."""
    from tilewright import kernels

    dy = double({"dy": given["dy"][..., columns]})["dy"]
    groups = p["groups"]
    if groups == 1:
        x = given["x"][..., rows]
    elif groups == p["C"] == p["K"]:
        x, groups = given["x"][..., columns], len(columns)
    else:  # few channels a group: all of them
        x, dy = given["x"], double({"dy": given["dy"]})["dy"]
    options = {"stride": p["stride"], "padding": p["padding"], "groups": groups}
    size = (p["R"], p["R"])
    dweight, dbias = kernels.conv2d_backward_weight(
        double({"x": x})["x"], dy, size, **options
    )
    if dbias.size > len(columns):
        dweight, dbias = dweight[:, :, rows][..., columns], dbias[columns]
    return [dweight, dbias]


def _sampled(p: Parameters) -> tuple[Array, Array, Array]:
    """Images, input channels of a group and output channels that are compared."""

    def spread(size: int, count: int) -> Array:
        return np.unique(np.linspace(0, size - 1, count).astype(np.int64))

    inner = p["C"] // p["groups"]
    return spread(p["N"], 2), spread(inner, 8), spread(p["K"], 8)


FAMILY = Family(
    name="conv2d",
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
