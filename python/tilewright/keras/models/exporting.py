"""Models as files for other programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tilewright import nn
from tilewright.interop import onnx
from tilewright.kernels import devices

if TYPE_CHECKING:
    from tilewright.keras.models.model import Model

FORMATS = ("onnx",)


def export(model: Model, path: str | os.PathLike[str], format: str) -> None:
    """Write such a file; see `Model.export`."""
    if format not in FORMATS:
        raise ValueError(
            f"export: format must be one of {', '.join(map(repr, FORMATS))}, got "
            f"{format!r}"
        )
    shapes = [tensor.sample_shape for tensor in model.inputs]
    named, device = _Named(model), model.device
    # What the model computes is followed on the CPU, wherever it is.
    named.to(devices.CPU)
    try:
        onnx.export(named, path, shapes, model.input_names)
    finally:
        named.to(device)


class _Named(nn.Module):
    """A model as it predicts, its outputs by their names."""

    def __init__(self, model: Model) -> None:
        self.parts = nn.ModuleList(model.parts)
        self._outputs = model.output_names

    def forward(self, *inputs: Any) -> dict[str, Any]:
        """Compute all outputs."""
        y: Any = inputs
        for number, part in enumerate(self.parts):
            y = part(y) if number else part(*y)
        values = y if isinstance(y, tuple) else (y,)
        return dict(zip(self._outputs, values, strict=True))
