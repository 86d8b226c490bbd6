"""Module: what it consists of, its state, its modes and its text."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tilewright as tw
from tilewright import nn
from tilewright.errors import BackendUnavailableError


class Block(nn.Module):
    """Sets its attributes without calling the constructor above."""

    def __init__(self):
        self.scale = nn.Parameter(np.ones(3, np.float32))
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Dropout(0.5)])
        self.head = nn.Linear(3, 2, bias=False)
        self.register_buffer("seen", np.zeros((), np.int64))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x * self.scale)


NAMES = ["scale", "layers.0.weight", "layers.0.bias", "head.weight"]


def test_parts_are_found_in_order():
    block = Block()
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert [name for name, _ in block.named_modules()] == [
        "",
        "layers",
        "layers.0",
        "layers.1",
        "head",
    ]
    assert [name for name, _ in block.named_children()] == ["layers", "head"]
    assert list(block.children()) == [block.layers, block.head]
    assert [name for name, _ in block.named_parameters("net")][0] == "net.scale"
    assert block(np.ones((2, 3), np.float32)).shape == (2, 2)


def test_attributes_come_and_go():
    block = Block()
    block.head = None
    block.extra = nn.Parameter(np.zeros(1, np.float32))
    assert [name for name, _ in block.named_parameters()] == [
        "scale",
        "extra",
        *NAMES[1:3],
    ]
    del block.layers
    assert [name for name, _ in block.named_parameters()] == ["scale", "extra"]
    block.scale = None
    assert [name for name, _ in block.named_parameters()] == ["extra"]
    with pytest.raises(
        TypeError, match=r"extra is a Parameter .* got ndarray; write e"
    ):
        block.extra = np.ones(1, np.float32)


def test_shared_parts_are_counted_once_but_have_two_names():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(list(model.parameters())) == 2
    assert len(list(model.modules())) == 3
    state = model.state_dict()
    assert list(state) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    model.load_state_dict(state)


def test_modes():
    block = Block()
    assert all(module.training for module in block.modules())
    assert block.eval() is block
    assert not any(module.training for module in block.modules())
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(block(x).data, block(x).data)
    block.layers.train()
    assert [m.training for m in block.modules()] == [False, True, True, True, False]
    block.train()
    tw.manual_seed(0)
    outputs = [block(x).data for _ in range(8)]
    assert any((y != outputs[0]).any() for y in outputs)


def test_gradients_are_forgotten_and_switched_off():
    block = Block().eval()
    block(np.ones((2, 3), np.float32)).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())
    block.layers.requires_grad_(False)
    block(np.ones((2, 3), np.float32)).sum().backward()
    assert [p.grad is not None for p in block.parameters()] == [
        True,
        False,
        False,
        True,
    ]


def test_state_dict_is_a_copy():
    block = Block()
    state = block.state_dict()
    assert list(state) == ["scale", "seen", *NAMES[1:]]
    before = {name: array.copy() for name, array in state.items()}
    for parameter in block.parameters():
        nn.init.constant_(parameter, 9)
    block.seen += 1
    for name, array in state.items():
        np.testing.assert_array_equal(array, before[name])
    result = block.load_state_dict(state)
    assert result == ([], [])
    for name, array in block.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert block.seen == 0


def wrong(**changes):
    state = {**Block().state_dict(), **changes}
    return {name: array for name, array in state.items() if array is not None}


@pytest.mark.parametrize(
    ("state", "kind", "text"),
    [
        (wrong(scale=None), ValueError, "missing: scale"),
        (
            wrong(extra=np.zeros(1), more=np.zeros(1)),
            ValueError,
            "nothing was loaded; unexpected: extra, more",
        ),
        (
            wrong(**{"head.weight": np.zeros((2, 3), np.float32)}),
            ValueError,
            r"load_state_dict of Block: .*head.weight must have shape \(3, 2\), got",
        ),
        (
            wrong(**{"head.weight": np.zeros((3, 2), complex)}),
            TypeError,
            "head.weight must be float32 or convert to it, got complex128",
        ),
        (wrong(scale=[1, 2, 3]), TypeError, "scale must be a NumPy array, got list"),
        (wrong(seen=np.array(0.5)), TypeError, "seen must be int64 or convert to it"),
        ([1], TypeError, "state_dict must be a dict of arrays, got list"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state, kind, text):
    block = Block()
    before = block.state_dict()
    with pytest.raises(kind, match=text):
        block.load_state_dict(state)
    for name, array in block.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_not_strict():
    block = Block()
    state = wrong(scale=None, extra=np.zeros(1))
    missing, unexpected = block.load_state_dict(state, strict=False)
    assert (missing, unexpected) == (["scale"], ["extra"])
    np.testing.assert_array_equal(block.head.weight.data, state["head.weight"])
    with pytest.raises(ValueError, match="must have shape"):
        block.load_state_dict({"scale": np.zeros(4, np.float32)}, strict=False)


def test_loading_is_noticed_by_an_older_graph():
    layer = nn.Linear(3, 3)
    x = tw.tensor(np.ones((1, 3), np.float32), requires_grad=True)
    loss = layer(x).sum()
    layer.load_state_dict(nn.Linear(3, 3).state_dict())
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()


def test_to():
    block = Block()
    parameters = list(block.parameters())
    block.register_buffer("mean", np.zeros(3, np.float32))
    assert block.to(np.float64) is block and block.to("cpu") is block
    assert [id(p) for p in block.parameters()] == [id(p) for p in parameters]
    assert {p.dtype.name for p in block.parameters()} == {"float64"}
    assert block.mean.dtype == np.float64 and block.seen.dtype == np.int64
    assert block.eval()(np.ones((2, 3))).dtype == np.float64
    assert block.to("float32").scale.dtype == np.float32
    with pytest.raises(
        TypeError, match="to: dtype must be float32 or float64, got int"
    ):
        block.to(np.int32)
    with pytest.raises(BackendUnavailableError, match="cuda"):
        block.to("cuda")


def test_apply_goes_from_the_inside_out():
    block = Block()
    seen = []
    assert block.apply(seen.append) is block
    assert seen == [*block.layers, block.layers, block.head, block]


def test_hooks_see_and_replace_outputs():
    layer = nn.Linear(2, 2)
    x = np.ones((1, 2), np.float32)
    plain = layer(x).data
    seen = []
    first = layer.register_forward_hook(lambda m, args, y: seen.append((m, args[0])))
    layer.register_forward_hook(lambda m, args, y: y * 3.0)
    np.testing.assert_allclose(layer(x).data, 3 * plain, rtol=1e-6)
    assert seen[0][0] is layer and seen[0][1] is x
    first.remove()
    layer(x)
    assert len(seen) == 1


def test_parameter_has_memory_of_its_own():
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    parameter = nn.Parameter(array)
    assert parameter.requires_grad and parameter.is_leaf
    assert parameter.data.flags.c_contiguous and parameter.data.base is None
    array[:] = 0
    assert parameter.data.any()
    assert not nn.Parameter(tw.tensor([1.0]), requires_grad=False).requires_grad
    assert repr(parameter).startswith("Parameter containing:\ntensor([[0., 3.],")
    other = copy.deepcopy(parameter)
    assert type(other) is nn.Parameter and other.data is not parameter.data
    assert type(parameter * 2.0) is tw.Tensor
    with pytest.raises(
        TypeError, match="Parameter: data must be float32 or float64, g"
    ):
        nn.Parameter(np.arange(3))
    with pytest.raises(
        TypeError, match="data must be a NumPy array or a Tensor, got l"
    ):
        nn.Parameter([1.0])


def test_texts():
    assert repr(Block()) == (
        "Block(\n"
        "  (layers): ModuleList(\n"
        "    (0): Linear(in_features=3, out_features=3, bias=True)\n"
        "    (1): Dropout(p=0.5)\n"
        "  )\n"
        "  (head): Linear(in_features=3, out_features=2, bias=False)\n"
        ")"
    )
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(kernel_size=2, stride=2, padding=0)"
    assert repr(nn.Conv2d(1, 2, 3, padding="same")) == (
        "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=same)"
    )


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: nn.Conv2d(0, 1, 3), ValueError, "in_channels must be at least 1"),
        (
            lambda: nn.Conv2d(4, 6, 3, groups=4),
            ValueError,
            "divide out_channels=6, got",
        ),
        (lambda: nn.Conv2d(1, 1, 0), ValueError, "kernel_size must be at least 1"),
        (lambda: nn.Conv2d(1, 1, 2.0), TypeError, "kernel_size must be an int, got fl"),
        (lambda: nn.Conv2d(1, 1, 1, padding="full"), ValueError, "'valid' or 'same'"),
        (
            lambda: nn.Linear(3, 0),
            ValueError,
            "Linear: out_features must be at least 1",
        ),
        (lambda: nn.MaxPool2d(2, padding=2), ValueError, "at most half of the window"),
        (
            lambda: nn.AvgPool2d(2, 0),
            ValueError,
            "AvgPool2d: stride must be at least 1",
        ),
        (lambda: nn.Dropout(2), ValueError, r"Dropout: p must be in \[0, 1\], got 2"),
        (lambda: nn.LeakyReLU(-1), ValueError, "LeakyReLU: negative_slope must be"),
        (lambda: nn.MSELoss("avg"), ValueError, "MSELoss: reduction must be one of"),
        (
            lambda: nn.CrossEntropyLoss(label_smoothing=2),
            ValueError,
            r"label_smoothing must be in \[0, 1\]",
        ),
        (lambda: nn.Module()(1), NotImplementedError, "Module: forward is not defined"),
        (lambda: Block().register_buffer("b", 1), TypeError, "b must be a NumPy array"),
    ],
)
def test_mistakes_are_told_when_the_model_is_built(make, kind, text):
    with pytest.raises(kind, match=text):
        make()


def test_batch_norm_refuses_other_shapes():
    x = np.zeros((2, 4, 4, 3), np.float32)
    with pytest.raises(
        ValueError, match=r"BatchNorm2d: x must have shape \(N, H, W, C"
    ):
        nn.BatchNorm2d(3)(x[0])
    with pytest.raises(ValueError, match=r"with C = 5, got \(2, 4, 4, 3\)"):
        nn.BatchNorm2d(5)(x)
    with pytest.raises(ValueError, match=r"BatchNorm1d: .* \(N, C\) or \(N, T, C\)"):
        nn.BatchNorm1d(3)(x)


def test_batch_norm_in_double_precision():
    layer = nn.BatchNorm1d(3).to(np.float64)
    assert layer.running_mean.dtype == np.float64
    assert layer.num_batches_tracked.dtype == np.int64
    assert layer(np.random.default_rng(0).random((4, 3))).dtype == np.float64
    layer.reset_parameters()
    assert layer.running_var.tolist() == [1, 1, 1]
