"""A model as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tilewright.keras.layers.layer import Layer
    from tilewright.keras.models.model import Model


def text_of(model: Model, trainable: bool = False) -> str:
    """The layers, their outputs' shapes and their numbers of weights.

    Where layers are not in a row, the last column says what each is given.

    Parameters
    ----------
    model : Model
    trainable : bool, default False
        Whether the last column says if training moves a layer.

    Returns
    -------
    str
    """
    network = model.network
    rows = [["Layer (type)", "Output Shape", "Param #"]]
    for layer in model.layers:
        kind = f"{layer.name} ({type(layer).__name__})"
        rows.append([kind, str(layer.output_shape), f"{layer.count_params():,}"])
    givers = [_givers(model, layer) for layer in model.layers]
    given = [call for call in network.calls if call.inputs]
    if any(len(call.inputs) > 1 for call in given) or len(given) > len(
        {id(each.call) for call in given for each in call.inputs}
    ):
        for row, cell in zip(rows, ["Connected to", *givers], strict=True):
            row.append(cell)
    if trainable:
        moved = ["Y" if layer.trainable else "N" for layer in model.layers]
        for row, cell in zip(rows, ["Trainable", *moved], strict=True):
            row.append(cell)
    widths = [max(map(len, column)) + 3 for column in zip(*rows, strict=True)]
    lines = [
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    rule = "=" * sum(widths)
    trained = frozen = 0
    seen: set[int] = set()
    for _, value, trainable in model.named_variables():
        if id(value) in seen:
            continue
        seen.add(id(value))
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


def _givers(model: Model, layer: Layer) -> str:
    """Names of the layers that give a layer its inputs, in all of its uses."""
    return ", ".join(
        tensor.layer.name
        for call in model.network.calls
        if call.layer is layer
        for tensor in call.inputs
    )
