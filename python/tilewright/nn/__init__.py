"""Layers and models, the functions they are made of, and their initial values.

    from tilewright import nn

    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), ...)

Names and behaviour are PyTorch's, images are channels last: docs/conventions.md.
"""

from tilewright.nn import functional, init
from tilewright.nn.activation import (
    ELU,
    GELU,
    SELU,
    Hardsigmoid,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from tilewright.nn.containers import ModuleList, Sequential
from tilewright.nn.convolution import Conv2d, DepthwiseConv2d
from tilewright.nn.dropout import Dropout
from tilewright.nn.linear import Linear
from tilewright.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
)
from tilewright.nn.module import Module
from tilewright.nn.normalization import BatchNorm1d, BatchNorm2d
from tilewright.nn.parameter import Parameter
from tilewright.nn.pooling import AvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d, MaxPool2d
from tilewright.nn.regularization import L1, L1L2, L2, penalty, regularize
from tilewright.nn.serialization import load, save
from tilewright.nn.shaping import Flatten

__all__ = [
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "DepthwiseConv2d",
    "Dropout",
    "ELU",
    "Flatten",
    "GELU",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "Hardsigmoid",
    "HuberLoss",
    "L1",
    "L1L2",
    "L1Loss",
    "L2",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleList",
    "Parameter",
    "ReLU",
    "ReLU6",
    "SELU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "functional",
    "init",
    "load",
    "penalty",
    "regularize",
    "save",
]
