"""Penalties on weights: values, gradients, and what training makes of them."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright import nn, optim
from tilewright.autograd import gradcheck


@pytest.mark.parametrize(
    "penalty", [nn.L1(0.3), nn.L2(0.2), nn.L1L2(0.1, 0.4)], ids=str
)
def test_value_and_gradient(penalty):
    weight = np.array([[0.5, -1.0], [2.0, -0.25]])
    expected = penalty.l1 * np.abs(weight).sum() + penalty.l2 * (weight**2).sum()
    assert penalty(tw.tensor(weight)).item() == pytest.approx(expected)
    assert gradcheck(lambda w: penalty(w) * 3.0, [weight])


def trained(penalize, optimizer=optim.SGD, epochs=3, **options):
    tw.manual_seed(0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 6)).astype(np.float32)
    y = (x[:, :2] @ rng.standard_normal((2, 3))).argmax(1)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    penalize(model)
    trainer = tw.Trainer(model, optimizer(model.parameters(), lr=0.1, **options))
    history = trainer.fit((x, y), epochs, batch_size=16, verbose=False)
    return model, history, trainer, (x, y)


def test_l2_is_weight_decay_of_twice_the_factor():
    def on_all(model):
        for layer in (model[0], model[2]):
            nn.regularize(layer, weight=nn.L2(0.01), bias=nn.L2(0.01))

    ours, history, trainer, data = trained(on_all)
    other, plain, *_ = trained(lambda model: None, weight_decay=0.02)
    for a, b in zip(ours.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-4, atol=1e-6)
    # The loss that is reported is the one that is made small.
    total = sum(0.01 * (p.data**2).sum() for p in ours.parameters())
    outputs = trainer.predict(data[0])
    fit = nn.functional.cross_entropy(outputs, data[1]).item()
    assert trainer.evaluate(data)["loss"] == pytest.approx(fit + total, rel=1e-5)
    assert history.history["loss"][0] > plain.history["loss"][0]


def test_l1_makes_weights_small():
    ours, *_ = trained(lambda m: nn.regularize(m[0], weight=nn.L1(0.05)), epochs=20)
    other, *_ = trained(lambda model: None, epochs=20)
    small = [(np.abs(m[0].weight.data) < 0.02).mean() for m in (ours, other)]
    assert small[0] > small[1] + 0.2


def test_a_compiled_step_notices():
    tw.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 3))
    trainer = tw.Trainer(model, optim.SGD(model.parameters(), lr=0.1))
    x, y = np.ones((8, 6), np.float32), np.zeros(8, np.int64)
    for _ in range(6):
        trainer.train_batch(x, y)
    before = trainer.train_batch(x, y)[0]
    nn.regularize(model[0], weight=nn.L2(0.5))
    assert trainer.train_batch(x, y)[0] > before
    nn.regularize(model[0], weight=None)
    assert nn.penalty(model) is None
    assert trainer.train_batch(x, y)[0] < before


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="Linear has no parameter 'kernel'"):
        nn.regularize(nn.Linear(2, 2), kernel=nn.L2())
    with pytest.raises(TypeError, match="weight must be L1, L2, L1L2 or None, got fl"):
        nn.regularize(nn.Linear(2, 2), weight=0.1)
    with pytest.raises(ValueError, match="L1: l1 must be"):
        nn.L1(-1)
    assert nn.L1L2(0.1) == nn.L1(0.1) != nn.L2(0.1)
