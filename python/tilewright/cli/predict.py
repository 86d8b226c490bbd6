"""`tilewright predict`: what a trained model sees in images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tilewright.cli.errors import user_errors

_SHOWN = 3


def predict(
    model: Annotated[
        Path,
        typer.Argument(help="model.safetensors, or the folder that train left it in."),
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...")],
) -> None:
    """Say for each image its class and the most probable ones."""
    import numpy as np

    from tilewright import kernels, no_grad
    from tilewright.models import load_model

    with user_errors():
        saved = load_model(model)
        read = [saved.entry.read(str(path)) for path in images]
    with no_grad():
        logits = saved.model(np.stack([image.pixels for image in read])).data
    probabilities = kernels.softmax(logits)
    for path, image, row in zip(images, read, probabilities, strict=True):
        best = np.argsort(-row, kind="stable")[:_SHOWN]
        shown = ", ".join(f"{saved.classes[i]}: {row[i]:.4f}" for i in best)
        note = "  [light background: inverted]" if image.inverted else ""
        typer.echo(f"{path}: {saved.classes[best[0]]}  ({shown}){note}")
