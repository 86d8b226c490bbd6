"""Modules that are no row of layers: what exists once there are branches."""

from __future__ import annotations

import numpy as np

import tilewright as tw
from tilewright import nn
from tilewright.autograd import concatenate, maximum, minimum, stack
from tilewright.nn import functional as F


class Block(nn.Module):
    """Two convolutions and what they were given, as in a residual network."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.down = None
        if stride != 1 or channels != out:
            self.down = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.down is None else self.down(x)))


class Residual(nn.Module):
    def __init__(self) -> None:
        self.stem = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.blocks = nn.Sequential(Block(4, 4), Block(4, 6, stride=2))
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        return self.fc(F.global_avg_pool2d(self.blocks(self.stem(x))))


class Gated(nn.Module):
    """Squeeze and excitation: channels are multiplied by what all pixels say."""

    def __init__(self) -> None:
        self.conv = nn.Conv2d(2, 6, 3, padding=(0, 1), dilation=(1, 1))
        self.depth = nn.DepthwiseConv2d(6, 3, padding="same")
        self.down, self.up = nn.Linear(6, 3), nn.Linear(3, 6)
        self.flat = nn.Flatten()
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(6 * 4 * 7, 4)

    def forward(self, x):
        x = F.silu(self.conv(x))
        gate = self.up(F.relu(self.down(x.mean((1, 2))))).sigmoid()
        x = x * gate.reshape(len(x), 1, 1, 6)
        x = x + self.depth(x) * 0.5
        return self.out(self.drop(self.flat(x)))


class Dense(nn.Module):
    """Channels joined, and features of flattened images joined behind them."""

    def __init__(self) -> None:
        self.first = nn.Conv2d(2, 3, 3, padding=1)
        self.second = nn.Conv2d(5, 4, 3, padding=1, groups=1)
        self.pool = nn.AvgPool2d(2)
        self.fc = nn.Linear(4 * 3 * 4 + 5 * 3 * 4 + 5, 6)
        self.norm = nn.BatchNorm1d(6)

    def forward(self, x):
        a = concatenate([x, self.first(x).tanh()], -1)
        b = self.second(a)
        small, whole = self.pool(b), self.pool(a)
        rows = [small.flatten(1), whole.flatten(1), F.global_max_pool2d(a)]
        return self.norm(self.fc(concatenate(rows, 1)))


class Shared(nn.Module):
    """Two inputs through one layer; two outputs."""

    def __init__(self) -> None:
        self.embed = nn.Sequential(nn.Linear(5, 4), nn.Tanh())
        self.join = nn.Linear(8, 3)

    def forward(self, a, b):
        u, v = self.embed(a), self.embed(b)
        near = ((u - v) ** 2).sum(1)
        return self.join(concatenate([u, v], 1)), near.sqrt()


class Named(nn.Module):
    """Outputs in a dict, one of them images."""

    def __init__(self) -> None:
        self.body = nn.Conv2d(1, 3, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        features = F.relu(self.body(x))
        return {"features": features, "logits": self.head(features.mean((1, 2)))}


class Own(nn.Module):
    """Weights used by functions, and arithmetic of many kinds."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.kernel = nn.Parameter(rng.normal(0, 0.5, (3, 3, 2, 4)).astype("f4"))
        self.shift = nn.Parameter(rng.normal(0, 1, 4).astype("f4"))
        self.mix = nn.Parameter(rng.normal(0, 0.5, (4, 4)).astype("f4"))
        self.register_buffer("scale", np.linspace(0.5, 2, 4, dtype="f4"))

    def forward(self, x):
        y = F.conv2d(x, self.kernel, self.shift, padding="same", activation="relu")
        y = F.max_pool2d(y, 2) * self.scale + self.shift.exp()
        y = y - y.max((1, 2), keepdims=True)
        y = maximum(y, -3.0) / (1.0 + y.abs())
        y = minimum(y, y.clip(-0.5, 0.5) * 2.0)
        rows = y.reshape(len(y), -1, 4) @ self.mix
        spread = rows.var(1, keepdims=True)
        rows = (rows - rows.mean(1, keepdims=True)) / (spread + 1e-3).sqrt()
        scores = F.softmax(rows @ rows.transpose(1, 2) * 0.5)
        rows = F.gelu(scores @ rows)
        return stack([rows[:, 0], rows[:, -1] ** 3.0, -rows[:, 1:3].sum(1)], axis=1)


class Picked(nn.Module):
    """Parts of arrays, new axes, orders of axes, repetition."""

    def forward(self, x):
        x = x if isinstance(x, tw.Tensor) else tw.Tensor(x)
        y = x.permute(0, 3, 1, 2)[:, :, ::-1, 1:]
        y = (y + 1.5).log().permute(0, 2, 3, 1)
        z = y[:, :, :, [2, 0, 0]] + y[:, :1, None, 1, :].broadcast_to(len(x), 1, 4, 3)
        return z[..., None, 1:].squeeze(3).exp()


class Framed(nn.Module):
    """Rows and columns of one number around images."""

    def __init__(self) -> None:
        self.conv = nn.Conv2d(2, 3, 3)

    def forward(self, x):
        y = self.conv(x)
        edge = np.full((len(x), y.shape[1], 2, 3), 0.25, np.float32)
        y = concatenate([edge[:, :, :1], y, edge], 2)
        return F.avg_pool2d(y, 2, 1).flatten(2)


# Name: the network, and the shapes of a sample of its inputs.
BRANCHING = {
    "residual": (Residual, [(13, 12, 3)]),
    "gated": (Gated, [(6, 7, 2)]),
    "dense": (Dense, [(6, 8, 2)]),
    "shared": (Shared, [(5,), (5,)]),
    "named": (Named, [(6, 5, 1)]),
    "own": (Own, [(6, 6, 2)]),
    "picked": (Picked, [(4, 5, 3)]),
    "framed": (Framed, [(6, 5, 2)]),
}


def branching(name: str, seed: int = 0) -> nn.Module:
    """A network in evaluation mode, with running values that are not the initial."""
    tw.manual_seed(seed)
    model = BRANCHING[name][0]()
    rng = np.random.default_rng(seed)
    state = model.state_dict()
    for key, array in state.items():
        if "running" in key:
            state[key] = rng.uniform(0.5, 1.5, array.shape).astype(np.float32)
        elif array.ndim == 1 and key.rpartition(".")[2] in ("weight", "bias"):
            state[key] = rng.normal(0.5, 0.5, array.shape).astype(np.float32)
    model.load_state_dict(state)
    return model.eval()


def samples(name: str, size: int = 3, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    low, high = (0.0, 1.0) if name == "picked" else (-2.0, 2.0)
    shapes = BRANCHING[name][1]
    return [rng.uniform(low, high, (size, *s)).astype(np.float32) for s in shapes]


def results(model: nn.Module, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs as a list of arrays."""
    with tw.no_grad():
        y = model(*inputs)
    if isinstance(y, dict):
        y = list(y.values())
    return [each.data for each in (y if isinstance(y, list | tuple) else [y])]
