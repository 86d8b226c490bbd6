"""Networks that use every layer, with weights that are not the initial ones."""

from __future__ import annotations

import numpy as np

import tilewright as tw
from tilewright import nn
from tilewright.models import mnist_cnn

# Name: the network, and the shape of a sample.
NETWORKS = {
    "mnist-cnn": (mnist_cnn, (28, 28, 1)),
    "oblong": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, (3, 2), stride=(1, 2), padding=(1, 0)),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8, 8, 3, dilation=(1, 2), padding="valid", groups=4),
            nn.Tanh(),
            nn.AvgPool2d(2, stride=1, padding=1, count_include_pad=False),
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(8 * 8 * 5, 7, bias=False),
        ),
        (9, 17, 3),
    ),
    "same": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 6, 4, stride=2, padding="same", bias=False),
            nn.GELU(),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.Sequential(nn.Conv2d(6, 6, 3, padding="same"), nn.Sigmoid()),
            nn.GlobalAvgPool2d(),
            nn.Linear(6, 3),
            nn.Softmax(),
        ),
        (11, 10, 2),
    ),
    "pooled": (
        lambda: nn.Sequential(
            nn.AvgPool2d((2, 1)),
            nn.DepthwiseConv2d(3, 3, depth_multiplier=2),
            nn.ReLU6(),
            nn.BatchNorm2d(6),
            nn.SiLU(),
            nn.GlobalMaxPool2d(),
            nn.Linear(6, 5),
            nn.BatchNorm1d(5, affine=False),
            nn.ELU(0.7),
            nn.Linear(5, 4),
            nn.LogSoftmax(),
        ),
        (12, 6, 3),
    ),
    "flat": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, 2),
            nn.BatchNorm2d(3),
            nn.SELU(),
            nn.Flatten(),
            nn.BatchNorm1d(3 * 4 * 3),
            nn.Softplus(),
            nn.Linear(36, 9),
            nn.Softsign(),
            nn.Linear(9, 9),
            nn.Hardsigmoid(),
        ),
        (5, 4, 2),
    ),
    "rows": (
        lambda: nn.Sequential(nn.Linear(10, 6), nn.ReLU(), nn.Linear(6, 2)),
        (10,),
    ),
    "sequences": (
        lambda: nn.Sequential(
            nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3, bias=False)
        ),
        (5, 4),
    ),
}


def network(name: str, seed: int = 0) -> nn.Module:
    """A network in evaluation mode, all of its arrays drawn anew."""
    tw.manual_seed(seed)
    model = NETWORKS[name][0]()
    rng = np.random.default_rng(seed)
    state = {}
    for key, array in model.state_dict().items():
        if key.endswith("num_batches_tracked"):
            state[key] = np.array(7)
        elif key.endswith("running_var"):
            state[key] = rng.uniform(0.5, 2, array.shape).astype(np.float32)
        else:
            fan = max(np.prod(array.shape[:-1]), 1)
            state[key] = (rng.normal(0, 1, array.shape) / np.sqrt(fan)).astype("f4")
    model.load_state_dict(state)
    return model.eval()


def inputs(name: str, size: int = 3, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (size, *NETWORKS[name][1])).astype(np.float32)


def outputs(model: nn.Module, x: np.ndarray) -> np.ndarray:
    with tw.no_grad():
        return model(x).data
