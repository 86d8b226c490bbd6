"""Timed cases of softmax cross-entropy, loss and gradient, and of softmax alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.bench import torch_tensors
from tilewright.bench.arrays import host, library_of, normal
from tilewright.bench.case import Array, Case, Family, Inputs, Parameters, Prepared

# (rows, classes), where it is from, in a quick run.
_LOSSES: tuple[tuple[int, int, str, bool], ...] = (
    (32, 10, "MNIST", True),
    (128, 10, "MNIST", True),
    (128, 100, "CIFAR-100", False),
    (128, 1000, "ImageNet", True),
    (1, 1000, "ImageNet, batch 1", False),
    (509, 997, "odd", False),
    (4096, 6282, "small vocabulary", False),
    (1024, 32000, "Llama vocabulary", True),
    (512, 50257, "GPT-2 vocabulary", False),
)
_SOFTMAXES: tuple[tuple[int, int, str, bool], ...] = (
    (2364, 197, "ViT-B attention, an image", True),
    (12288, 1024, "GPT-2 attention, a sequence", False),
    (128, 1000, "ImageNet", False),
)


def cases() -> list[Case]:
    """The table of cases."""
    return [
        make(dict(rows=rows, classes=classes, what=what, quick=quick, operation=op))
        for op, table in (("both", _LOSSES), ("softmax", _SOFTMAXES))
        for rows, classes, what, quick in table
    ]


def make(p: Parameters) -> Case:
    """The case with these parameters: one read of the logits and one write."""
    size = p["rows"] * p["classes"]
    loss = p["operation"] == "both"
    return Case(
        family="softmax_cross_entropy",
        name=f"({p['rows']}, {p['classes']}) {p['operation']} {p['what']}",
        group="softmax cross-entropy, both ways" if loss else "softmax",
        parameters=p,
        flops=0.0,
        bytes=8.0 * size + (8.0 * p["rows"] if loss else 0.0),
        tolerance=1e-5,
        quick=p["quick"],
    )


def shrink(p: Parameters) -> Parameters:
    """A small case of the same kind."""
    return {**p, "rows": min(p["rows"], 9), "classes": min(p["classes"], 67)}


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """Logits of an untrained network, three times as wide as normal numbers."""
    rows, classes = p["rows"], p["classes"]
    labels = np.asarray(rng.integers(0, classes, rows, dtype=np.int64))
    return {"logits": normal(rng, rows, classes, scale=3.0), "labels": labels}


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """In float64, a block of rows at a time; of the gradient what is sampled."""
    from tilewright import kernels

    logits, labels = given["logits"], given["labels"]
    rows = _sampled(p)
    with kernels.backend("numpy"):
        if p["operation"] == "softmax":
            return [kernels.softmax(logits[rows].astype(np.float64))]
        total, block = 0.0, max(1, (1 << 22) // p["classes"])
        for first in range(0, p["rows"], block):
            some = slice(first, first + block)
            loss, _ = kernels.softmax_cross_entropy(
                logits[some].astype(np.float64), labels[some], reduction="sum"
            )
            total += float(loss)
        _, gradient = kernels.softmax_cross_entropy(
            logits[rows].astype(np.float64), labels[rows], reduction="sum"
        )
    return [np.array(total / p["rows"]), gradient / p["rows"]]


def sample(p: Parameters, outputs: Any) -> list[Array]:
    """The loss, and up to 16 rows of the gradient."""
    rows = _sampled(p)
    return [output[rows] if output.ndim == 2 else output for output in outputs]


def _sampled(p: Parameters) -> Array:
    return np.unique(np.linspace(0, p["rows"] - 1, 16).astype(np.int64))


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One call gives the mean loss and its gradient."""
    from tilewright import kernels

    logits, labels = given["logits"], given["labels"]
    if p["operation"] == "softmax":
        return Prepared(lambda: kernels.softmax(logits), lambda y: [host(y)])
    return Prepared(
        lambda: kernels.softmax_cross_entropy(logits, labels),
        lambda found: [host(value) for value in found],
    )


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """As one writes it in NumPy: few passes, all but two of them in place."""
    logits, labels = given["logits"], given["labels"]
    xp: Any = library_of(logits)
    rows = xp.arange(p["rows"])

    def exponentials() -> tuple[Array, Array]:
        values = logits - logits.max(axis=1, keepdims=True)
        at_label = values[rows, labels] if p["operation"] == "both" else values[:, 0]
        xp.exp(values, out=values)
        return values, at_label

    def softmax() -> Array:
        values, _ = exponentials()
        values /= values.sum(axis=1, keepdims=True)
        return values

    def both() -> tuple[Array, Array]:
        values, at_label = exponentials()
        sums = values.sum(axis=1, keepdims=True)
        loss = xp.mean(xp.log(sums[:, 0]) - at_label)
        values /= sums * np.float32(p["rows"])
        values[rows, labels] -= np.float32(1 / p["rows"])
        return loss, values

    if p["operation"] == "softmax":
        return Prepared(softmax, lambda y: [host(y)])
    return Prepared(both, lambda found: [host(value) for value in found])


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """The kernels of `cross_entropy` and its gradient, called without the tape."""
    import torch

    aten: Any = torch.ops.aten
    logits, labels = (torch_tensors.tensor(given[n]) for n in ("logits", "labels"))
    if p["operation"] == "softmax":
        return Prepared(
            lambda: torch.softmax(logits, 1), lambda y: [torch_tensors.array(y)]
        )
    one = torch_tensors.scalar(1.0)
    mean, no_index = 1, -100

    def both() -> tuple[Any, Any]:
        logs = aten._log_softmax(logits, 1, False)
        loss, total = aten.nll_loss_forward(logs, labels, None, mean, no_index)
        dlogs = aten.nll_loss_backward(one, logs, labels, None, mean, no_index, total)
        return loss, aten._log_softmax_backward_data(dlogs, logs, 1, torch.float32)

    return Prepared(both, lambda found: [torch_tensors.array(y) for y in found])


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One compiled function."""
    import jax
    import jax.numpy as jnp

    def loss(logits: Any, labels: Any) -> Any:
        logs = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(logs, labels[:, None], axis=1).mean()

    both = p["operation"] == "both"
    compiled = jax.jit(
        jax.value_and_grad(loss) if both else lambda logits, _: jax.nn.softmax(logits)
    )
    placed = [jax.device_put(given[n]) for n in ("logits", "labels")]
    return Prepared(
        lambda: jax.block_until_ready(compiled(*placed)),
        lambda found: [np.asarray(value) for value in (found if both else [found])],
    )


FAMILY = Family(
    name="softmax_cross_entropy",
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
