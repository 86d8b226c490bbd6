"""The state dict of optimizers: going on as if nothing had happened."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from tilewright import nn, optim
from tilewright.train import load_tree, save_tree

MAKERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.1),
    "Momentum": lambda p: optim.Momentum(p, lr=0.1),
    "Nesterov": lambda p: optim.Nesterov(p, lr=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.1, betas=(0.8, 0.9)),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True),
    "Adagrad": lambda p: optim.Adagrad(
        p, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.2
    ),
}


def parameters():
    rng = np.random.default_rng(0)
    return [nn.Parameter(rng.standard_normal(s, np.float32)) for s in [(3, 2), (4,)]]


def train(optimizer, params, steps):
    for step in steps:
        rng = np.random.default_rng(step)
        for p in params:
            p.grad = rng.standard_normal(p.shape, np.float32)
        optimizer.step()


def through_a_file(state, tmp_path):
    pytest.importorskip("safetensors", reason="checkpoints need safetensors")
    save_tree(tmp_path / "state", state)
    return load_tree(tmp_path / "state")


@pytest.mark.parametrize("carry", [lambda s, _: s, through_a_file])
@pytest.mark.parametrize("name", MAKERS)
def test_goes_on_to_the_same_bits(name, carry, tmp_path):
    straight = parameters()
    optimizer = MAKERS[name](straight)
    train(optimizer, straight, range(3))
    state = carry(optimizer.state_dict(), tmp_path)
    middle = [p.data.copy() for p in straight]
    train(optimizer, straight, range(3, 6))

    resumed = [nn.Parameter(array) for array in middle]
    other = MAKERS[name](resumed)
    other.lr = 7.0
    other.load_state_dict(state)
    assert other.lr == 0.1
    train(other, resumed, range(3, 6))
    for p, q in zip(straight, resumed, strict=True):
        assert p.data.tobytes() == q.data.tobytes()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adam", {}),
        ("RMSprop", {"momentum": 0.5, "centered": True}),
        ("Adagrad", {}),
    ],
)
def test_form_is_pytorchs(name, options):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    params = parameters()
    peers = [torch.from_numpy(p.data.copy()).requires_grad_() for p in params]
    ours = getattr(optim, name)(params, **options)
    theirs = getattr(torch.optim, name)(peers, **options)
    train(ours, params, range(1))
    for p in peers:
        p.grad = torch.ones_like(p)
    theirs.step()
    mine, other = ours.state_dict(), theirs.state_dict()
    assert set(mine) == set(other)
    assert {k: set(v) for k, v in mine["state"].items()} == {
        k: set(v) for k, v in other["state"].items()
    }
    assert mine["param_groups"][0]["params"] == other["param_groups"][0]["params"]


def test_state_is_a_copy_both_ways():
    params = parameters()
    optimizer = optim.Adam(params)
    train(optimizer, params, range(1))
    state = optimizer.state_dict()
    kept = copy.deepcopy(state)
    train(optimizer, params, range(1, 3))
    for number, entry in state["state"].items():
        for name, value in entry.items():
            np.testing.assert_array_equal(value, kept["state"][number][name])
    optimizer.load_state_dict(state)
    train(optimizer, params, range(1, 3))
    np.testing.assert_array_equal(
        state["state"][0]["exp_avg"], kept["state"][0]["exp_avg"]
    )


def test_parameters_never_moved_have_no_state():
    params = parameters()
    optimizer = optim.Adam(params)
    params[1].grad = np.ones(4, np.float32)
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state["state"]) == [1]
    other = optim.Adam(parameters())
    other.load_state_dict(state)
    assert list(other.state_dict()["state"]) == [1]


def test_momentum_may_be_switched_on_later():
    params = parameters()
    optimizer = optim.SGD(params, lr=0.1)
    train(optimizer, params, range(1))
    optimizer.param_groups[0]["momentum"] = 0.9
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    train(optimizer, params, range(1, 3))
    assert set(optimizer.state_dict()["state"][0]) == {"step", "momentum_buffer"}


def changed(change):
    params = parameters()
    optimizer = optim.Adam(params)
    train(optimizer, params, range(1))
    state = optimizer.state_dict()
    change(state)
    return state


def shape(state):
    state["state"][1]["exp_avg"] = np.zeros(5, np.float32)


def missing(state):
    del state["state"][1]["exp_avg_sq"]


def no_array(state):
    state["state"][0]["exp_avg"] = 3


def step(state):
    state["state"][0]["step"] = 0


def rate(state):
    state["param_groups"][0]["lr"] = -1


def groups(state):
    state["param_groups"][0]["params"] = [0]


def options(state):
    del state["param_groups"][0]["betas"]


def complex_(state):
    state["state"][0]["exp_avg"] = np.zeros((3, 2), complex)


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (
            shape,
            ValueError,
            r"exp_avg of parameter 1 must have shape \(4,\), got \(5,\)",
        ),
        (
            missing,
            ValueError,
            "state of parameter 1 must have .*, got .'exp_avg', 'step",
        ),
        (no_array, TypeError, "exp_avg of parameter 0 must be a NumPy array, got int"),
        (step, ValueError, "step of parameter 0 must be at least 1, got 0"),
        (rate, ValueError, "Adam: lr must be"),
        (
            groups,
            ValueError,
            r"of groups of \[1\] parameters, this optimizer has \[2\]",
        ),
        (options, ValueError, "has the options .* is it of another kind of optimizer"),
        (complex_, TypeError, "exp_avg of parameter 0 must be float32, got complex128"),
        (dict.clear, TypeError, r"must have 'state' and 'param_groups', got \[\]"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, kind, text):
    params = parameters()
    optimizer = optim.Adam(params, lr=0.5)
    train(optimizer, params, range(2))
    before = optimizer.state_dict()
    with pytest.raises(kind, match=text):
        optimizer.load_state_dict(changed(change))
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for number, entry in before["state"].items():
        for name, value in entry.items():
            np.testing.assert_array_equal(after["state"][number][name], value)


def test_state_of_another_kind():
    with pytest.raises(ValueError, match="is it of another kind of optimizer"):
        optim.Adam(parameters()).load_state_dict(optim.SGD(parameters()).state_dict())
    with pytest.raises(TypeError, match="got list"):
        optim.Adam(parameters()).load_state_dict([])


def test_text_and_copies():
    params = parameters()
    optimizer = optim.SGD(params, lr=0.25)
    assert repr(optimizer) == (
        "SGD (\nParameter Group 0\n    lr: 0.25\n    momentum: 0.0\n"
        "    nesterov: False\n    weight_decay: 0.0\n)"
    )
    both = (
        copy.deepcopy((params, optimizer)),
        pickle.loads(pickle.dumps((params, optimizer))),
    )
    for others, other in both:
        train(other, others, range(1))
        assert (others[0].data != params[0].data).any()
