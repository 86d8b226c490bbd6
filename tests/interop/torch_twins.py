"""The same networks in PyTorch, built from ours layer by layer."""

from __future__ import annotations

import torch
from torch import nn as tnn

from tilewright import nn

PLAIN = {
    nn.ReLU: tnn.ReLU,
    nn.ReLU6: tnn.ReLU6,
    nn.SELU: tnn.SELU,
    nn.SiLU: tnn.SiLU,
    nn.GELU: tnn.GELU,
    nn.Sigmoid: tnn.Sigmoid,
    nn.Tanh: tnn.Tanh,
    nn.Softplus: tnn.Softplus,
    nn.Softsign: tnn.Softsign,
    nn.Hardsigmoid: tnn.Hardsigmoid,
    nn.Flatten: tnn.Flatten,
}


class GlobalPool(tnn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x):
        return x.mean((2, 3)) if self.kind == "mean" else x.amax((2, 3))


class OverSteps(tnn.BatchNorm1d):
    """Sequences as ours are, (N, T, C)."""

    def forward(self, x):
        if x.ndim == 3:
            return super().forward(x.transpose(1, 2)).transpose(1, 2)
        return super().forward(x)


class Same(tnn.Conv2d):
    """TensorFlow's padding, which PyTorch lacks for strides above 1."""

    def forward(self, x):
        sizes = []
        for size, kernel, stride in zip(
            x.shape[2:], self.kernel_size, self.stride, strict=True
        ):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sizes = [total // 2, total - total // 2, *sizes]
        return super().forward(tnn.functional.pad(x, sizes))


def twin(layer: nn.Module) -> tnn.Module:
    kind = type(layer)
    if kind in PLAIN:
        return PLAIN[kind]()
    if kind is nn.Sequential:
        return tnn.Sequential(*[twin(child) for child in layer])
    if kind is nn.LeakyReLU:
        return tnn.LeakyReLU(layer.negative_slope)
    if kind is nn.ELU:
        return tnn.ELU(layer.alpha)
    if kind is nn.Softmax:
        return tnn.Softmax(-1)
    if kind is nn.LogSoftmax:
        return tnn.LogSoftmax(-1)
    if kind is nn.Dropout:
        return tnn.Dropout(layer.p)
    if kind is nn.Linear:
        return tnn.Linear(layer.in_features, layer.out_features, layer.bias is not None)
    if isinstance(layer, nn.Conv2d):
        conv = Same if layer.padding == "same" else tnn.Conv2d
        return conv(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            layer.stride,
            0 if isinstance(layer.padding, str) else layer.padding,
            layer.dilation,
            layer.groups,
            layer.bias is not None,
        )
    if kind is nn.MaxPool2d:
        return tnn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding)
    if kind is nn.AvgPool2d:
        return tnn.AvgPool2d(
            layer.kernel_size,
            layer.stride,
            layer.padding,
            count_include_pad=layer.count_include_pad,
        )
    if kind is nn.GlobalAvgPool2d:
        return GlobalPool("mean")
    if kind is nn.GlobalMaxPool2d:
        return GlobalPool("max")
    if kind in (nn.BatchNorm1d, nn.BatchNorm2d):
        norm = OverSteps if kind is nn.BatchNorm1d else tnn.BatchNorm2d
        return norm(
            layer.num_features, layer.eps, layer.momentum, layer.weight is not None
        )
    raise NotImplementedError(kind)


def run(model: tnn.Module, x):
    """Outputs for images (N, H, W, C), or for rows and sequences as they are."""
    given = torch.from_numpy(x)
    if given.ndim == 4:
        given = given.permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        return model.eval()(given).numpy()
