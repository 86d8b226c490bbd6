"""A model as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tilewright.keras.models.model import Model


def text_of(model: Model) -> str:
    """The layers, their outputs' shapes and their numbers of weights.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
    """
    rows = [("Layer (type)", "Output Shape", "Param #")]
    model.network  # noqa: B018 - says so where it has no weights yet
    for layer in model.layers:
        kind = f"{layer.name} ({type(layer).__name__})"
        rows.append((kind, str(layer.output_shape), f"{layer.count_params():,}"))
    widths = [max(len(row[column]) for row in rows) + 3 for column in range(3)]
    lines = [
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    rule = "=" * sum(widths)
    trained = frozen = 0
    for _, value, trainable in model.variables():
        if trainable:
            trained += value.size
        else:
            frozen += value.size
    return "\n".join(
        [
            f'Model: "{model.name}"',
            rule,
            lines[0].rstrip(),
            rule,
            *(line.rstrip() for line in lines[1:]),
            rule,
            f"Total params: {trained + frozen:,}",
            f"Trainable params: {trained:,}",
            f"Non-trainable params: {frozen:,}",
        ]
    )
