"""ONNX files: networks for onnxruntime and others, and from them.

from tilewright.interop import onnx

onnx.export(model, "model.onnx", input_shape=(28, 28, 1))
model = onnx.load("model.onnx")
"""

from tilewright.interop.onnx.exporter import export
from tilewright.interop.onnx.importer import load

__all__ = ["export", "load"]
