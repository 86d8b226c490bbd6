"""What the report of a run says and shows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tilewright import kernels, nn
from tilewright.atomic import write_atomic
from tilewright.data import ArrayDataset
from tilewright.environment import info
from tilewright.extras import require
from tilewright.train import pictures
from tilewright.train.report.page import page, picture, section, table
from tilewright.train.summary import summarize

if TYPE_CHECKING:
    from tilewright.train.trainer import Trainer

Array = NDArray[Any]

_EXPLAINED = 8
_GRADIENT_SAMPLES = 256
_JOULES_PER_WATT_HOUR = 3600.0


def write_report(
    path: str | os.PathLike[str],
    trainer: Trainer,
    train: ArrayDataset,
    test: ArrayDataset,
    classes: Sequence[str] | None = None,
    *,
    title: str = "Training report",
    subtitle: str = "",
    joules: float | None = None,
) -> None:
    """Write a page with the results of a classifier, in pictures and in numbers.

    The page is one file that needs no other: curves, confusion matrix, the surest
    errors, and for images the filters, feature maps and what decided; weights,
    gradients, the model's layers and the environment.

    Parameters
    ----------
    path : path
        Of the HTML file; replaced whole or not at all.
    trainer : Trainer
        After training.
    train, test : ArrayDataset
        Class ids as targets.
    classes : sequence of str, optional
        Names by class id.
    title, subtitle : str
    joules : float, optional
        Energy that the training took, such as `EnergyMeter` tells.

    Raises
    ------
    ValueError
        If the test set has no class ids, or the model returns no logits (N, K).
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> import tilewright as tw
    >>> from tilewright.train import write_report
    >>> tw.manual_seed(0)
    >>> train, test = tw.data.mnist_sample()
    >>> few = test.subset(range(0, 1000, 20))
    >>> model = tw.nn.Sequential(tw.nn.Flatten(), tw.nn.Linear(784, 10))
    >>> trainer = tw.Trainer(model, tw.optim.Adam(model.parameters()))
    >>> _ = trainer.fit(few, verbose=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "report.html")
    ...     write_report(path, trainer, few, few)
    ...     os.path.getsize(path) > 100_000
    True
    """
    require("matplotlib.figure", extra="train")
    # As the trainer sees it: through its transform, where there is one.
    test = ArrayDataset(*test.gather(slice(None)))
    logits = trainer.predict(test.x)
    if logits.ndim != 2 or test.y.ndim != 1 or test.y.dtype.kind not in "iu":
        raise ValueError(
            "write_report: expected class ids (N,) and outputs (N, K), got "
            f"targets {test.y.dtype} of shape {test.y.shape} and outputs {logits.shape}"
        )
    probabilities = kernels.softmax(logits)
    right = probabilities.argmax(axis=1) == test.y
    content = page(
        title,
        subtitle,
        _facts(trainer, float(right.mean()), joules),
        [
            *_results(trainer, test, probabilities, classes),
            *_insights(trainer, test, right, classes),
            *_weights(trainer, train),
            *_numbers(trainer, test),
        ],
    )
    write_atomic(Path(path), content.encode())


def _facts(
    trainer: Trainer, accuracy: float, joules: float | None
) -> list[tuple[str, str]]:
    history = trainer.history
    size = sum(parameter.size for parameter in trainer.model.parameters())
    energy = "not measured"
    if joules is not None:
        energy = f"{joules / _JOULES_PER_WATT_HOUR:.3g} Wh"
    return [
        (f"{accuracy:.4f}", "test accuracy"),
        (f"{history.epochs}", "epochs"),
        (f"{sum(history.seconds):.1f} s", "training time"),
        (f"{size:,}", "parameters"),
        (energy, "energy used"),
    ]


def _results(
    trainer: Trainer,
    test: ArrayDataset,
    probabilities: Array,
    classes: Sequence[str] | None,
) -> Iterator[str]:
    if trainer.history.epochs:
        yield section(
            "Learning curves",
            "Where the validation curves part from the training curves, the network "
            "begins to learn the training samples by heart.",
            picture(trainer.history.plot(), "loss and metrics over the epochs"),
        )
    predicted = probabilities.argmax(axis=1)
    yield section(
        "Confusion matrix",
        "Rows are the true classes of the test set, columns what the network said.",
        picture(
            pictures.confusion_matrix(test.y, predicted, classes), "confusion matrix"
        ),
    )
    if test.x.ndim == 4:
        wrong = int((predicted != test.y).sum())
        yield section(
            "Surest errors",
            f"{wrong:,} of {len(test):,} test images are classified wrongly. These are "
            "the ones the network was surest of; some may be labelled wrongly.",
            picture(
                pictures.misclassified(test.x, test.y, probabilities, classes),
                "misclassified images",
            ),
        )


def _insights(
    trainer: Trainer,
    test: ArrayDataset,
    right: Array,
    classes: Sequence[str] | None,
) -> Iterator[str]:
    """Pictures of what convolutions see, where there are any."""
    model = trainer.model
    if test.x.ndim != 4 or not any(isinstance(m, nn.Conv2d) for m in model.modules()):
        return
    rows = _examples(test.y, right)
    yield section(
        "What decided",
        "Grad-CAM shows where the last convolution speaks for the class that was "
        "predicted. Occlusion shows which parts count: the probability falls where red "
        "parts are hidden and rises where blue ones are.",
        picture(
            pictures.explanations(model, test.x[rows], test.y[rows], classes),
            "Grad-CAM and occlusion maps",
        ),
    )
    yield section(
        "Filters of the first convolution",
        "Red weights are positive, blue ones negative.",
        picture(pictures.filters(model), "filters of the first convolution"),
    )
    yield section(
        "Feature maps",
        "The strongest channels of each convolution for one test image.",
        picture(pictures.feature_maps(model, test.x[rows[0]]), "feature maps"),
    )


def _examples(labels: Array, right: Array) -> Array:
    """Row numbers of some images: of each class in turn, then some errors."""
    errors = np.flatnonzero(~right)[: _EXPLAINED // 4]
    kept = np.flatnonzero(right) if right.any() else np.arange(len(labels))
    _, first = np.unique(labels[kept], return_index=True)
    good = kept[first][: _EXPLAINED - len(errors)]
    return np.concatenate([good, errors])


def _weights(trainer: Trainer, train: ArrayDataset) -> Iterator[str]:
    if not any(parameter.ndim > 1 for parameter in trainer.model.parameters()):
        return
    step = max(len(train) // _GRADIENT_SAMPLES, 1)
    rows = np.arange(0, len(train), step)[:_GRADIENT_SAMPLES]
    x, y = train.gather(rows)
    figure = pictures.histograms(trainer.model, x, y, trainer._loss)
    yield section(
        "Weights and gradients",
        f"Gradients are of {len(rows)} training samples, after the training.",
        picture(figure, "histograms of weights and gradients"),
    )


def _numbers(trainer: Trainer, test: ArrayDataset) -> Iterator[str]:
    layers = summarize(trainer.model, test.x[0])
    rows = [
        (layer.name, layer.layer, f"{layer.output}", layer.parameters)
        for layer in layers
    ]
    yield section(
        "Model",
        f"Inputs of shape {test.x.shape[1:]}, trained by "
        f"{type(trainer.optimizer).__name__} with a learning rate of "
        f"{trainer.optimizer.param_groups[0]['lr']:g}.",
        table(("name", "layer", "output", "parameters"), rows),
    )
    about = info()
    shown = (
        "version",
        "python",
        "numpy",
        "platform",
        "cpu",
        "backend",
        "isa",
        "threads",
        "threads_source",
        "compiler",
    )
    environment = [
        (name.replace("_", " "), about[name])
        for name in shown
        if about[name] is not None
    ]
    yield section("Environment", "", table(("", "value"), environment))
