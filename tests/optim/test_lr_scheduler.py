"""Learning-rate schedules beside PyTorch's, step by step."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tilewright import nn, optim
from tilewright.optim import lr_scheduler

SHAPES = [(3,), (2, 2)]


def optimizer(kind="SGD", **options):
    params = [nn.Parameter(np.zeros(s, np.float32)) for s in SHAPES]
    groups = [{"params": [params[0]], "lr": 0.5}, {"params": [params[1]]}]
    return getattr(optim, kind)(groups, lr=0.1, **options)


def peer(torch, kind="SGD", **options):
    params = [torch.zeros(s, requires_grad=True) for s in SHAPES]
    groups = [{"params": [params[0]], "lr": 0.5}, {"params": [params[1]]}]
    return getattr(torch.optim, kind)(groups, lr=0.1, **options)


PLANNED = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 2, "gamma": 0.7}),
    ("MultiStepLR", {"milestones": [5, 2, 5], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 7}),
    ("CosineAnnealingLR", {"T_max": 12, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": lambda step: 1 / (1 + step)}),
    ("OneCycleLR", {"max_lr": 2.0, "total_steps": 12}),
    ("OneCycleLR", {"max_lr": 2.0, "epochs": 4, "steps_per_epoch": 3}),
    (
        "OneCycleLR",
        {
            "max_lr": 1.0,
            "total_steps": 20,
            "pct_start": 0.4,
            "three_phase": True,
            "anneal_strategy": "linear",
            "div_factor": 10.0,
            "final_div_factor": 100.0,
        },
    ),
]
OPTIMIZERS = [("SGD", {"momentum": 0.9}), ("Adam", {"betas": (0.9, 0.99)})]


def state(of):
    keys = ("lr", "momentum", "betas")
    return [[np.array(g[k]) for k in keys if k in g] for g in of.param_groups]


@pytest.mark.parametrize(("kind", "settings"), OPTIMIZERS)
@pytest.mark.parametrize(("name", "options"), PLANNED, ids=str)
def test_as_pytorch(name, options, kind, settings):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours, theirs = optimizer(kind, **settings), peer(torch, kind, **settings)
    mine = getattr(lr_scheduler, name)(ours, **options)
    other = getattr(torch.optim.lr_scheduler, name)(theirs, **options)
    for _ in range(12):
        for a, b in zip(state(ours), state(theirs), strict=True):
            for one, two in zip(a, b, strict=True):
                np.testing.assert_allclose(one, two, rtol=1e-9)
        np.testing.assert_allclose(mine.get_last_lr(), other.get_last_lr(), rtol=1e-9)
        assert mine.last_epoch == other.last_epoch
        theirs.step()
        mine.step()
        other.step()


PLATEAUS = [
    {"patience": 2},
    {"mode": "max", "patience": 1, "factor": 0.5, "cooldown": 2},
    {"threshold": 0.3, "threshold_mode": "abs", "patience": 0, "min_lr": 0.02},
    {"threshold": 0.2, "patience": 1, "eps": 0.02},
]


@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_plateau_as_pytorch(options):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours, theirs = optimizer(), peer(torch)
    mine = lr_scheduler.ReduceLROnPlateau(ours, **options)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    rng = np.random.default_rng(0)
    changes = set()
    for value in [1.0, 0.9, float("nan"), *(0.8 + 0.4 * rng.random(20))]:
        mine.step(value)
        other.step(value)
        changes.add(ours.lr)
        assert mine.get_last_lr() == pytest.approx(other.get_last_lr(), rel=1e-12)
    assert len(changes) > 1


def test_cosine_after_a_warm_up():
    ours = optimizer()
    schedule = lr_scheduler.CosineWarmupLR(ours, 10, warmup_steps=4, eta_min=0.02)
    rates = [ours.lr]
    for _ in range(11):
        schedule.step()
        rates.append(ours.lr)
    assert rates[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    middle = 0.02 + 0.48 / 2
    assert rates[7] == pytest.approx(middle)
    assert rates[10] == rates[11] == pytest.approx(0.02)


MAKERS = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 1.0, 20),
    "CosineWarmupLR": lambda o: lr_scheduler.CosineWarmupLR(o, 12, 3),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1),
}


@pytest.mark.parametrize("name", MAKERS)
def test_goes_on_to_the_same_bits(name):
    def go(schedule, steps):
        rates = []
        for step in steps:
            args = (1.0 + step % 3,) if name == "ReduceLROnPlateau" else ()
            schedule.step(*args)
            rates.append(schedule.get_last_lr())
        return rates

    straight = MAKERS[name](optimizer(momentum=0.9))
    go(straight, range(7))
    saved = json.loads(json.dumps(straight.state_dict()))
    rest = go(straight, range(7, 12))
    resumed = MAKERS[name](optimizer(momentum=0.9))
    resumed.load_state_dict(saved)
    assert go(resumed, range(7, 12)) == rest


def test_mistakes_are_told():
    with pytest.raises(TypeError, match="StepLR: optimizer must be an Optimizer"):
        lr_scheduler.StepLR(0.1, 3)
    with pytest.raises(ValueError, match="StepLR: step_size must be at least 1, got 0"):
        lr_scheduler.StepLR(optimizer(), 0)
    with pytest.raises(ValueError, match="total_steps must be given, or epochs"):
        lr_scheduler.OneCycleLR(optimizer(), 1.0)
    with pytest.raises(ValueError, match="needs an optimizer with momentum or betas"):
        lr_scheduler.OneCycleLR(optimizer(), 1.0, 10)
    with pytest.raises(ValueError, match="warmup_steps must be below total_steps=3"):
        lr_scheduler.CosineWarmupLR(optimizer(), 3, 3)
    with pytest.raises(TypeError, match="lr_lambda must be a function, got float"):
        lr_scheduler.LambdaLR(optimizer(), 0.5)
    with pytest.raises(TypeError, match="step needs the number to go by"):
        lr_scheduler.ReduceLROnPlateau(optimizer()).step()
    schedule = lr_scheduler.OneCycleLR(optimizer(momentum=0.9), 1.0, 3)
    with pytest.raises(ValueError, match="step 4 is beyond the 3 of the cycle"):
        for _ in range(4):
            schedule.step()
    other = lr_scheduler.ReduceLROnPlateau(optimizer()).state_dict()
    with pytest.raises(ValueError, match="StepLR: state_dict must have .'base_lrs'"):
        lr_scheduler.StepLR(optimizer(), 3).load_state_dict(other)
    with pytest.raises(ValueError, match="of 1 groups, the optimizer has 2"):
        lr_scheduler.StepLR(optimizer(), 3).load_state_dict(
            {"base_lrs": [0.1], "last_epoch": 2}
        )
