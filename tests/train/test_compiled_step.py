"""compile_step: replays give the bits of a loop, or are not replays."""

from __future__ import annotations

import numpy as np
import pytest
import toy

import tilewright as tw
from tilewright import data, nn, optim
from tilewright.kernels import dispatch
from tilewright.models import mnist_cnn
from tilewright.optim.composed import ComposedOptimizer

pytestmark = pytest.mark.skipif(
    dispatch.unavailable_reason("cpu") is not None,
    reason="the compiled extension is not here",
)


def perceptron(*between):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), *between, nn.Linear(24, 4)
    )


def dropped():
    return perceptron(nn.Dropout(0.4), nn.Dropout(0.1))


def pooled():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3), nn.GELU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4),
    )  # fmt: skip


def overlapping():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.LeakyReLU(), nn.MaxPool2d(3, 2, padding=1),
        nn.Conv2d(6, 6, 3, groups=6, padding=1), nn.Sigmoid(),
        nn.Flatten(), nn.Linear(54, 4), nn.ReLU(),
    )  # fmt: skip


def adam(model):
    return optim.Adam(model.parameters(), lr=0.01)


def in_groups(model):
    first, *rest = model.parameters()
    groups = [{"params": [first], "lr": 0.02}, {"params": rest, "weight_decay": 0.1}]
    return optim.AdamW(groups, lr=0.01)


def nesterov(model):
    return optim.Nesterov(model.parameters(), lr=0.05)


def sgd(model):
    return optim.SGD(model.parameters(), lr=0.1, weight_decay=0.01)


def rmsprop(model):
    first, *rest = model.parameters()
    groups = [{"params": [first], "momentum": 0.5, "centered": True}, {"params": rest}]
    return optim.RMSprop(groups, lr=0.01, weight_decay=0.01)


def adagrad(model):
    return optim.Adagrad(model.parameters(), lr=0.05, lr_decay=0.1)


CASES = {
    "perceptron adam": (perceptron, adam),
    "dropout nesterov": (
        lambda: perceptron(nn.Dropout(0.4), nn.Dropout(0.1)),
        nesterov,
    ),
    "pooled adamw groups": (pooled, in_groups),
    "overlapping sgd": (overlapping, sgd),
    "perceptron rmsprop": (perceptron, rmsprop),
    "pooled adagrad": (pooled, adagrad),
}


def batches(count=12, size=16):
    images = toy.images(count * size)
    loader = data.DataLoader(images, batch_size=size, shuffle=True, seed=0)
    return list(loader)


def loop(model, optimizer, x, y):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def state(model, optimizer):
    kept = [optimizer.state_dict()["state"][i] for i in range(len(model.state_dict()))]
    arrays = [value for one in kept for value in one.values()]
    arrays += [p.grad.data for p in model.parameters()]
    return [np.asarray(a).tobytes() for a in [*model.state_dict().values(), *arrays]]


@pytest.mark.parametrize("name", CASES)
def test_same_bits_as_a_loop(name):
    make, make_optimizer = CASES[name]
    tw.manual_seed(0)
    model = make()
    optimizer = make_optimizer(model)
    step = tw.compile_step(model, "cross_entropy", optimizer)
    losses, reasons, states = [], [], []
    for x, y in batches():
        losses.append(step(x, y).item())
        reasons.append(step.reason)
        states.append(state(model, optimizer))
    # The fourth call and those after it are replays.
    assert [reason is None for reason in reasons] == [False] * 3 + [True] * 9, reasons

    tw.manual_seed(0)
    model = make()
    optimizer = make_optimizer(model)
    for (x, y), loss, expected in zip(batches(), losses, states, strict=True):
        assert loop(model, optimizer, x, y).item() == loss
        assert state(model, optimizer) == expected


def test_trainer_gives_the_bits_of_a_loop_on_the_mnist_network():
    sample = data.mnist_sample()[0].subset(range(192))

    def fit(loss):
        tw.manual_seed(0)
        model = mnist_cnn()
        trainer = tw.Trainer(model, adam(model), loss)
        history = trainer.fit(sample, epochs=2, batch_size=32, verbose=False)
        return history.history, toy.weights(trainer), trainer

    replayed, weights, trainer = fit("cross_entropy")
    assert trainer._step.reason is None
    # A function of the user's own is run each time.
    calls = []

    def loss(outputs, targets):
        calls.append(1)
        return nn.functional.cross_entropy(outputs, targets)

    stepped, other, _ = fit(loss)
    assert len(calls) == 12
    assert (replayed, weights) == (stepped, other)


def settled(model, optimizer, x, y):
    step = tw.compile_step(model, "cross_entropy", optimizer)
    for _ in range(4):
        step(x, y)
    assert step.reason is None
    return step


@pytest.fixture
def case():
    tw.manual_seed(0)
    model = perceptron(nn.Dropout(0.2))
    optimizer = adam(model)
    x, y = batches(1)[0]
    return model, optimizer, x, y, settled(model, optimizer, x, y)


def twin(model, optimizer):
    """The same once more, in a loop."""
    other = perceptron(nn.Dropout(0.2))
    other.load_state_dict(model.state_dict())
    moved = adam(other)
    moved.load_state_dict(optimizer.state_dict())
    return other, moved


def assert_goes_on_alike(case, steps=4):
    model, optimizer, x, y, step = case
    other, moved = twin(model, optimizer)
    other.train(model.training)
    numbers = tw.random.get_state()
    ours = [step(x, y).item() for _ in range(steps)]
    tw.random.set_state(numbers)
    assert ours == [loop(other, moved, x, y).item() for _ in range(steps)]
    assert state(model, optimizer) == state(other, moved)


def test_learning_rate_may_change(case):
    _, optimizer, x, y, step = case
    optimizer.lr = 0.5
    step(x, y)
    assert step.reason is None
    optimizer.lr = 0.001
    assert_goes_on_alike(case)
    optimizer.param_groups[0]["lr"] = -1.0
    before = state(case[0], optimizer)
    with pytest.raises(ValueError, match="lr"):
        step(x, y)
    assert state(case[0], optimizer) == before


def test_momentum_may_change():
    def run(compiled):
        tw.manual_seed(0)
        model = perceptron()
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        step = tw.compile_step(model, "cross_entropy", optimizer)
        found, reasons = [], []
        for number, (x, y) in enumerate(batches()):
            # Without momentum there is nothing kept: that is another step.
            optimizer.param_groups[0]["momentum"] = 0.9 - 0.02 * number
            if number in (8, 9):
                optimizer.param_groups[0]["momentum"] = 0.0
            loss = step(x, y) if compiled else loop(model, optimizer, x, y)
            found.append(loss.item())
            reasons.append(step.reason)
        return found, reasons

    found, reasons = run(True)
    assert reasons[4:8] == [None] * 4
    assert "option" in reasons[8] or "recorded" in reasons[8]
    assert found == run(False)[0]


class SignDescent(ComposedOptimizer):
    """A user's own."""

    def state_names(self, group):
        return ()

    def check_options(self, group):
        pass

    def move(self, group, step, param, grad):
        param -= group["lr"] * np.sign(grad)


def test_optimizers_without_a_kernel_are_run():
    def run(compiled):
        tw.manual_seed(0)
        model = perceptron()
        optimizer = SignDescent(model.parameters(), {"lr": 0.01})
        step = tw.compile_step(model, "cross_entropy", optimizer)
        found = []
        for x, y in batches():
            loss = step(x, y) if compiled else loop(model, optimizer, x, y)
            found.append(loss.item())
        return found, step.reason

    found, reason = run(True)
    assert reason == "SignDescent is not one of the kernels"
    assert found == run(False)[0]


def test_evaluation_mode_is_recorded_anew(case):
    model, _, x, y, step = case
    model.eval()
    step(x, y)
    assert "changed" in step.reason or "recorded" in step.reason
    assert_goes_on_alike(case)
    assert step.reason is None


def test_a_visit_to_evaluation_mode_changes_nothing(case):
    model, _, x, y, step = case
    model.eval()
    model.train()
    step(x, y)
    assert step.reason is None
    assert_goes_on_alike(case)


def test_new_weights_and_state_are_followed(case):
    model, optimizer, x, y, step = case
    weights = {name: value * 0.5 for name, value in model.state_dict().items()}
    model.load_state_dict(weights)
    assert_goes_on_alike(case)
    optimizer.load_state_dict(optimizer.state_dict())
    assert_goes_on_alike(case)


def test_other_shapes_have_plans_of_their_own(case):
    model, _, x, y, step = case
    for _ in range(5):
        step(x[:7], y[:7])
    assert step.reason is None
    step(x, y)
    assert step.reason is None
    assert step.outputs.shape == (16, 4)


def test_labels_out_of_range_change_nothing(case):
    model, optimizer, x, y, step = case
    before = state(model, optimizer)
    wrong = y.copy()
    wrong[3] = 4
    with pytest.raises(ValueError, match=r"labels must be in \[0, 4\), got 4"):
        step(x, wrong)
    assert state(model, optimizer)[: len(before)] == before
    assert_goes_on_alike(case)


def test_strided_and_int32_inputs(case):
    model, optimizer, x, y, step = case
    padded = np.zeros((16, 8, 16, 1), np.float32)
    padded[:, :, ::2] = x
    assert step(padded[:, :, ::2], y.astype(np.int32)).shape == ()
    assert step.reason is None
    assert_goes_on_alike(case)


def test_results_outlive_the_next_step(case):
    _, _, x, y, step = case
    first = step(x, y)
    value = first.item()
    step(x, y)
    assert first.item() == value
    outputs = step.outputs
    del step
    assert np.isfinite(outputs).all()


def test_memory_is_shared_among_arrays_whose_lives_do_not_overlap(case):
    tw.manual_seed(0)
    model = mnist_cnn()
    x = np.random.default_rng(0).random((8, 28, 28, 1), np.float32)
    step = settled(model, adam(model), x, np.arange(8))
    (plan,) = step._known.values()
    assert plan._replay.arena_bytes < 0.8 * plan._replay.unshared_bytes


def test_a_steady_step_allocates_nothing(case):
    from tilewright import _cpu

    if _cpu.build_info()["sanitizers"]:
        pytest.skip("the sanitized build does not cache")
    _, _, x, y, step = case
    step(x, y)
    before = _cpu.allocator_stats()["system_allocations"]
    for _ in range(5):
        step(x, y)
    assert _cpu.allocator_stats()["system_allocations"] == before


class Squashed(nn.Module):
    """An operation that is no kernel."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return (self.inner(x).abs() + 1).log()


class Changed(nn.Module):
    """Changes an array behind the tape's back: only the check can tell."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        outputs = self.inner(x)
        outputs.data *= np.float32(0.5)
        return outputs


@pytest.mark.parametrize(
    ("wrapper", "reason"),
    [(Squashed, "Absolute is not one of the kernels"), (Changed, "gave other bits")],
)
def test_what_is_more_than_kernels_is_run(wrapper, reason):
    def losses(compiled):
        tw.manual_seed(0)
        model = wrapper(perceptron())
        optimizer = adam(model)
        step = tw.compile_step(model, "cross_entropy", optimizer)
        found = []
        for x, y in batches():
            loss = step(x, y) if compiled else loop(model, optimizer, x, y)
            found.append(loss.item())
        return found, step.reason

    found, why = losses(True)
    assert reason in why
    assert found == losses(False)[0]


def normalized(**options):
    """Batch normalization with and without ReLU after it, and once more at the end."""
    norm = nn.BatchNorm2d(6, **options)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), norm, nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(54, 8), nn.BatchNorm1d(8), nn.Linear(8, 4),
    )  # fmt: skip


def frozen():
    """One that keeps its running values, though the others train."""
    model = normalized()
    model[1].eval()
    return model


def train(make, compiled):
    """Losses, what the model holds in the end, and why steps were no replays."""
    tw.manual_seed(0)
    model = make()
    optimizer = adam(model)
    step = tw.compile_step(model, "cross_entropy", optimizer)
    losses, held, reasons = [], [], []
    for x, y in batches():
        loss = step(x, y) if compiled else loop(model, optimizer, x, y)
        losses.append(loss.item())
        held.append([array.tobytes() for array in model.state_dict().values()])
        reasons.append(step.reason)
    return losses, held, reasons


@pytest.mark.parametrize(
    "make",
    [
        normalized,
        frozen,
        lambda: normalized(affine=False),
        lambda: normalized(track_running_stats=False, momentum=0.4),
    ],
)
def test_batch_normalization_is_replayed(make):
    """Its running values move once a step, and batches are counted."""
    *ours, reasons = train(make, True)
    assert [reason is None for reason in reasons] == [False] * 3 + [True] * 9, reasons
    assert ours == list(train(make, False)[:2])


def test_batch_normalization_is_recorded_anew_in_evaluation():
    tw.manual_seed(0)
    model = normalized()
    step = tw.compile_step(model, "cross_entropy", adam(model))
    for x, y in batches(5):
        step(x, y)
    assert step.reason is None and int(model[1].num_batches_tracked) == 5
    kept = model[1].running_mean.copy()
    model.eval()
    for x, y in batches(5):
        step(x, y)
    assert step.reason is None and int(model[1].num_batches_tracked) == 5
    assert kept.tobytes() == model[1].running_mean.tobytes()


def test_batch_normalization_without_a_momentum_is_run():
    """Its share of the running values is another one at each step."""

    def make():
        return normalized(momentum=None)

    *ours, reasons = train(make, True)
    assert reasons[-1] == "BatchNorm2d without a momentum is not one of the kernels"
    assert ours == list(train(make, False)[:2])


def test_numpy_backend_and_float64_are_run():
    tw.manual_seed(0)
    model = perceptron()
    step = tw.compile_step(model, "cross_entropy", adam(model))
    x, y = batches(1)[0]
    with tw.backend("numpy"):
        for _ in range(4):
            step(x, y)
        assert "do not go to the C++ kernels" in step.reason
    for _ in range(3):
        step(x, y)
    assert step.reason is None


def test_profile_does_a_step_and_names_its_kernels(case):
    _, _, x, y, step = case
    times = step.profile(x, y)
    names = [time.kernel for time in times]
    assert names[0] == "gemm" and names[-1] == "adam_step"
    assert {"softmax_cross_entropy", "dropout", "bias_gradient"} < set(names)
    assert all(time.algorithm and time.seconds >= 0 for time in times)
    assert_goes_on_alike(case)
    # Nothing is known of a step that is not replayed.
    assert step.profile(x[:3], y[:3]) == []


def test_errors_name_the_argument():
    model = perceptron()
    with pytest.raises(ValueError, match="compile_step: unknown loss 'hinge'"):
        tw.compile_step(model, "hinge", adam(model))
    with pytest.raises(TypeError, match="loss must be a name or a function, got int"):
        tw.compile_step(model, 3, adam(model))
