"""Timed cases of activations, dropout, bias gradients, sums and copies."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright.bench import torch_tensors
from tilewright.bench.arrays import double, host, library_of, normal
from tilewright.bench.case import Array, Case, Family, Inputs, Parameters, Prepared

# (rows, columns), where it is from, in a quick run.
_SHAPES: tuple[tuple[int, int, str, bool], ...] = (
    (32 * 26 * 26, 32, "MNIST CNN 1", True),
    (128 * 26 * 26, 32, "MNIST CNN 1, batch 128", False),
    (256, 3072, "transformer", True),
    (32 * 56 * 56, 64, "ResNet-50", False),
    (509, 997, "odd", False),
)
OPERATIONS = (
    *("relu", "relu backward", "gelu", "gelu backward", "sigmoid", "tanh"),
    *("sigmoid backward", "tanh backward", "dropout", "bias_gradient"),
    *("add", "add row", "transpose"),
)
# What each reads and writes, in arrays; the others are a pass over one, or, of a
# backward pass, over two.
_ARRAYS = {"bias_gradient": 1.0, "add": 3.0}
_DROPPED = 0.5


def cases() -> list[Case]:
    """The table of cases."""
    return [
        make(
            dict(
                rows=rows,
                columns=columns,
                what=what,
                operation=operation,
                quick=quick and operation in ("relu", "gelu backward", "dropout"),
            )
        )
        for operation in OPERATIONS
        for rows, columns, what, quick in _SHAPES
    ]


def make(p: Parameters) -> Case:
    """The case with these parameters; a backward pass reads two arrays."""
    size, operation = p["rows"] * p["columns"], p["operation"]
    arrays = 3.0 if operation.endswith("backward") else _ARRAYS.get(operation, 2.0)
    activation = operation not in (
        *("dropout", "bias_gradient", "add", "add row", "transpose"),
    )
    return Case(
        family="elementwise",
        name=f"({p['rows']}, {p['columns']}) {operation} {p['what']}",
        group="activations" if activation else operation.replace("_", " "),
        parameters=p,
        flops=0.0,
        bytes=4.0 * arrays * size + (4.0 * p["columns"] if arrays == 1 else 0.0),
        # Of dropout the share kept and its mean scale are compared.
        tolerance=2e-2 if operation == "dropout" else 1e-5,
        quick=p["quick"],
    )


def shrink(p: Parameters) -> Parameters:
    """A small case of the same kind; dropout keeps enough to tell its share."""
    rows = 2000 if p["operation"] == "dropout" else 19
    return {**p, "rows": min(p["rows"], rows), "columns": min(p["columns"], 35)}


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """Normal numbers; what a backward pass saved is what its forward pass gives."""
    shape = (p["rows"], p["columns"])
    kind, _, backward = p["operation"].partition(" ")
    x = normal(rng, *shape)
    if p["operation"] == "add":
        return {"x": x, "dy": normal(rng, *shape)}
    if p["operation"] == "add row":
        return {"x": x, "row": normal(rng, p["columns"])}
    if not backward:
        return {"x": x}
    if kind == "relu":
        np.maximum(x, 0, out=x)
    elif kind == "tanh":
        np.tanh(x, out=x)
    elif kind == "sigmoid":
        x = 1 / (1 + np.exp(-x))
    return {"x": x, "dy": normal(rng, *shape)}


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """In float64, by the specification."""
    from tilewright import kernels

    if p["operation"] == "dropout":
        return [np.array([1 - _DROPPED, 1 / (1 - _DROPPED)])]
    rows = _rows(p)
    whole = p["operation"] == "bias_gradient"
    some = {
        name: value if whole or name == "row" else value[rows]
        for name, value in given.items()
    }
    with kernels.backend("numpy"):
        return [np.asarray(tilewright(p, double(some), "").run())]


def sample(p: Parameters, outputs: Any) -> list[Array]:
    """64 rows; of a bias gradient all, and of dropout the two shares."""
    if p["operation"] in ("dropout", "bias_gradient"):
        return list(outputs)
    if p["operation"] == "transpose":
        return [output[:, _rows(p)] for output in outputs]
    return [output[_rows(p)] for output in outputs]


def _rows(p: Parameters) -> Array:
    return np.unique(np.linspace(0, p["rows"] - 1, 64).astype(np.int64))


def _outputs(p: Parameters, x: Array) -> Callable[[Any], list[Array]]:
    """Masks differ with the generator: of dropout, share kept and mean scale."""

    def dropout(y: Any) -> list[Array]:
        y = host(y)
        kept = y != 0
        scale = np.abs(y[kept]).sum(dtype=np.float64)
        scale /= np.abs(host(x)[kept]).sum(dtype=np.float64)
        return [np.array([kept.mean(), scale])]

    return dropout if p["operation"] == "dropout" else lambda y: [host(y)]


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """The kernels' interface."""
    from tilewright import kernels

    x, dy = given["x"], given.get("dy")
    other = given.get("row", x) if dy is None else dy
    kind = p["operation"].partition(" ")[0]

    def run() -> Array:
        if kind == "dropout":
            return kernels.dropout(x, _DROPPED, seed=1)
        if kind == "bias_gradient":
            return kernels.bias_gradient(x)
        if kind == "add":
            return kernels.arithmetic(x, other, "add")
        if kind == "transpose":
            return kernels.copy(x.T)
        if dy is None:
            return kernels.activation(x, kind)
        return kernels.activation_backward(dy, x, kind)

    return Prepared(run, _outputs(p, x))


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """As one writes it in NumPy, but gelu, whose erf NumPy lacks; and in CuPy."""
    x, dy = given["x"], given.get("dy", given["x"])
    xp: Any = library_of(x)
    kept = np.float32(1 / (1 - _DROPPED))
    rng = xp.random.default_rng(1)
    if p["operation"].startswith("gelu") and xp is not np:
        return _gelu_by_cupy(p, x, dy)
    if p["operation"].startswith("gelu"):
        from tilewright import kernels

        specified = tilewright(p, given, variant)

        def gelu() -> Any:
            with kernels.backend("numpy"):
                return specified.run()

        return Prepared(gelu, specified.outputs)

    def dropout() -> Array:
        mask = rng.random(x.shape, dtype=np.float32) >= _DROPPED
        y: Array = x * mask
        y *= kept
        return y

    def sigmoid() -> Array:
        y: Array = xp.negative(x)
        xp.exp(y, out=y)
        y += 1
        return xp.reciprocal(y, out=y)  # type: ignore[no-any-return]

    run: dict[str, Callable[[], Array]] = {
        "relu": lambda: xp.maximum(x, 0),
        "relu backward": lambda: xp.multiply(dy, x > 0),
        "sigmoid": sigmoid,
        "sigmoid backward": lambda: dy * x * (1 - x),
        "tanh": lambda: xp.tanh(x),
        "tanh backward": lambda: dy * (1 - x * x),
        "dropout": dropout,
        "bias_gradient": lambda: x.sum(axis=0),
        "add": lambda: x + dy,
        "add row": lambda: x + given["row"],
        "transpose": lambda: x.T.copy(),
    }
    return Prepared(run[p["operation"]], _outputs(p, x))


def _gelu_by_cupy(p: Parameters, x: Any, dy: Any) -> Prepared:
    """CuPy has the erf that NumPy lacks."""
    cupy: Any = importlib.import_module("cupy")
    erf = importlib.import_module("cupyx.scipy.special").erf
    root, density = np.float32(np.sqrt(0.5)), np.float32(1 / np.sqrt(2 * np.pi))

    def forward() -> Any:
        return 0.5 * x * (1 + erf(x * root))

    def backward() -> Any:
        slope = 0.5 * (1 + erf(x * root))
        return dy * (slope + x * density * cupy.exp(-0.5 * x * x))

    run = backward if p["operation"].endswith("backward") else forward
    return Prepared(run, _outputs(p, x))


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """PyTorch's kernels, called without the tape."""
    import torch

    aten: Any = torch.ops.aten
    x = torch_tensors.tensor(given["x"])
    dy = torch_tensors.tensor(given["dy"]) if "dy" in given else None
    row = torch_tensors.tensor(given["row"]) if "row" in given else None
    run: dict[str, Callable[[], Any]] = {
        "relu": lambda: torch.relu(x),
        "relu backward": lambda: aten.threshold_backward(dy, x, 0),
        "gelu": lambda: aten.gelu(x),
        "gelu backward": lambda: aten.gelu_backward(dy, x),
        "sigmoid": lambda: torch.sigmoid(x),
        "sigmoid backward": lambda: aten.sigmoid_backward(dy, x),
        "tanh": lambda: torch.tanh(x),
        "tanh backward": lambda: aten.tanh_backward(dy, x),
        "dropout": lambda: torch.nn.functional.dropout(x, _DROPPED),
        "bias_gradient": lambda: x.sum(0),
        "add": lambda: x + dy,
        "add row": lambda: x + row,
        "transpose": lambda: x.t().contiguous(),
    }
    outputs = _outputs(p, given["x"])
    return Prepared(run[p["operation"]], lambda y: outputs(torch_tensors.array(y)))


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One compiled function."""
    import jax
    import jax.numpy as jnp

    def gelu(x: Any) -> Any:
        return jax.nn.gelu(x, approximate=False)

    def dropout(x: Any, key: Any) -> Any:
        keep = jax.random.bernoulli(key, 1 - _DROPPED, x.shape)
        return jnp.where(keep, x / (1 - _DROPPED), 0)

    formulas: dict[str, Callable[[Any, Any], Any]] = {
        "relu": lambda x, _: jax.nn.relu(x),
        "relu backward": lambda y, dy: jnp.where(y > 0, dy, 0),
        "gelu": lambda x, _: gelu(x),
        "gelu backward": lambda x, dy: jax.vjp(gelu, x)[1](dy)[0],
        "sigmoid": lambda x, _: jax.nn.sigmoid(x),
        "sigmoid backward": lambda y, dy: dy * y * (1 - y),
        "tanh": lambda x, _: jnp.tanh(x),
        "tanh backward": lambda y, dy: dy * (1 - y * y),
        "dropout": dropout,
        "bias_gradient": lambda x, _: x.sum(0),
        "add": lambda x, dy: x + dy,
        "add row": lambda x, row: x + row,
        "transpose": lambda x, _: x.T + 0.0,
    }
    compiled = jax.jit(formulas[p["operation"]])
    x = jax.device_put(given["x"])
    second = given.get("dy", given.get("row"))
    other = None if second is None else jax.device_put(second)
    if p["operation"] == "dropout":
        other = jax.random.key(1)
    return Prepared(
        lambda: jax.block_until_ready(compiled(x, other)), _outputs(p, given["x"])
    )


FAMILY = Family(
    name="elementwise",
    cases=cases,
    shrink=shrink,
    make=make,
    inputs=inputs,
    reference=reference,
    sample=sample,
    contestants={
        "tilewright": tilewright,
        "numpy": by_numpy,
        "cupy": by_numpy,
        "torch": torch,
        "jax": jax,
    },
)
