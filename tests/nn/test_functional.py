"""Every differentiable function: its gradient, its dtype, and its errors."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright.autograd import gradcheck
from tilewright.nn import functional

rng = np.random.default_rng(0)


def draw(*shape):
    """Values apart from each other and from 0, where relu and max have kinks."""
    size = int(np.prod(shape))
    values = (np.arange(size) - size / 2 + 0.3) / size * 3
    return rng.permutation(values).reshape(shape)


def probabilities(*shape):
    return rng.uniform(0.1, 0.9, shape)


LABELS = np.array([2, 0, 1, 2, 3])
SOFT = probabilities(5, 4)
MEAN, VARIANCE = draw(5), probabilities(5)
ACTIVATIONS = ("none", "relu", "sigmoid", "tanh", "gelu")

CASES = {
    "relu": (functional.relu, draw(3, 4)),
    "leaky_relu": (lambda x: functional.leaky_relu(x, 0.2), draw(3, 4)),
    "gelu": (functional.gelu, draw(3, 4)),
    "sigmoid": (functional.sigmoid, draw(3, 4)),
    "tanh": (functional.tanh, draw(3, 4)),
    "softmax": (functional.softmax, draw(3, 4)),
    "softmax axis": (lambda x: functional.softmax(x, 1), draw(2, 3, 4)),
    "log_softmax": (functional.log_softmax, draw(3, 4)),
    "log_softmax axis": (lambda x: functional.log_softmax(x, 0), draw(3, 4)),
    "max_pool2d": (lambda x: functional.max_pool2d(x, 2), draw(2, 4, 5, 3)),
    "max_pool2d padded": (
        lambda x: functional.max_pool2d(x, 3, stride=(1, 2), padding=1),
        draw(1, 4, 5, 2),
    ),
    "avg_pool2d": (lambda x: functional.avg_pool2d(x, (2, 3)), draw(2, 4, 6, 3)),
    "avg_pool2d padded": (
        lambda x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        draw(1, 4, 5, 2),
    ),
    "global_max_pool2d": (functional.global_max_pool2d, draw(2, 3, 4, 5)),
    "global_avg_pool2d": (functional.global_avg_pool2d, draw(2, 3, 4, 5)),
    "flatten": (lambda x: functional.flatten(x, 1, 2), draw(2, 3, 4, 5)),
    "elu": (lambda x: functional.elu(x, 0.7), draw(3, 4)),
    "selu": (functional.selu, draw(3, 4)),
    "silu": (functional.silu, draw(3, 4)),
    "softplus": (functional.softplus, draw(3, 4)),
    "softsign": (functional.softsign, draw(3, 4)),
    "relu6": (functional.relu6, 5 * draw(3, 4)),
    "hardsigmoid": (functional.hardsigmoid, 3 * draw(3, 4)),
    "batch_norm": (
        lambda x, w, b: functional.batch_norm(x, None, None, w, b, training=True),
        draw(2, 3, 4, 5),
        draw(5),
        draw(5),
    ),
    "batch_norm and relu": (
        lambda x, w, b: functional.batch_norm(
            x, None, None, w, b, training=True, activation="relu"
        ),
        draw(2, 3, 4, 5),
        draw(5),
        draw(5),
    ),
    "batch_norm plain": (
        lambda x: functional.batch_norm(x, None, None, training=True),
        draw(6, 3),
    ),
    "batch_norm in evaluation": (
        lambda x, w, b: functional.batch_norm(x, MEAN, VARIANCE, w, b),
        draw(2, 3, 5),
        draw(5),
        draw(5),
    ),
    "huber_loss": (
        lambda x, t: functional.huber_loss(x, t, delta=0.8),
        draw(3, 4),
        draw(3, 4) + 0.01,
    ),
    "cross_entropy of probabilities": (
        lambda x: functional.cross_entropy(x, SOFT, label_smoothing=0.1),
        draw(5, 4),
    ),
    "cross_entropy of probabilities, none": (
        lambda x: functional.cross_entropy(x, SOFT, reduction="none"),
        draw(5, 4),
    ),
    "mse_loss": (functional.mse_loss, draw(3, 4), draw(3, 4)),
    "mse_loss none": (
        lambda x, t: functional.mse_loss(x, t, "none"),
        draw(3, 4),
        draw(3, 4),
    ),
    "mse_loss sum": (
        lambda x, t: functional.mse_loss(x, t, "sum"),
        draw(3, 4),
        draw(3, 4),
    ),
    "l1_loss": (functional.l1_loss, draw(3, 4), draw(3, 4) + 0.01),
    "l1_loss none": (
        lambda x, t: functional.l1_loss(x, t, "none"),
        draw(3, 4),
        draw(3, 4) + 0.01,
    ),
    "binary_cross_entropy": (
        functional.binary_cross_entropy,
        probabilities(3, 4),
        probabilities(3, 4),
    ),
    "binary_cross_entropy_with_logits": (
        functional.binary_cross_entropy_with_logits,
        draw(3, 4),
        probabilities(3, 4),
    ),
    "binary_cross_entropy_with_logits sum": (
        lambda x, t: functional.binary_cross_entropy_with_logits(x, t, "sum"),
        draw(3, 4),
        probabilities(3, 4),
    ),
    "cross_entropy": (lambda x: functional.cross_entropy(x, LABELS), draw(5, 4)),
    "cross_entropy scaled": (
        lambda x: functional.cross_entropy(x, LABELS) * 3.0,
        draw(5, 4),
    ),
    "cross_entropy none": (
        lambda x: functional.cross_entropy(x, LABELS, reduction="none"),
        draw(5, 4),
    ),
    "cross_entropy all options": (
        lambda x: functional.cross_entropy(
            x,
            LABELS,
            np.array([0.5, 1.0, 2.0, 1.5], x.dtype),
            label_smoothing=0.1,
            ignore_index=0,
        ),
        draw(5, 4),
    ),
    "linear_cross_entropy": (
        lambda x, w, b: functional.linear_cross_entropy(x, w, LABELS, b, chunk_rows=2),
        draw(5, 3),
        draw(3, 4),
        draw(4),
    ),
    "linear_cross_entropy all options": (
        lambda x, w: (
            3.0
            * functional.linear_cross_entropy(
                x,
                w,
                LABELS,
                class_weight=np.array([0.5, 1.0, 2.0, 1.5], x.dtype),
                label_smoothing=0.1,
                ignore_index=0,
            )
        ),
        draw(5, 3),
        draw(3, 4),
    ),
    "linear_cross_entropy of sequences": (
        lambda x, w, b: functional.linear_cross_entropy(
            x, w, np.array([[0, 1, 2], [3, 2, 1]]), b, reduction="sum", chunk_rows=4
        ),
        draw(2, 3, 5),
        draw(5, 4),
        draw(4),
    ),
    "cross_entropy of sequences": (
        lambda x: functional.cross_entropy(
            x, np.array([[0, 1, 2], [3, 2, 1]]), reduction="none"
        ),
        draw(2, 3, 4),
    ),
}
for activation in ACTIVATIONS:
    CASES[f"linear {activation}"] = (
        lambda x, w, b, a=activation: functional.linear(x, w, b, a),
        draw(4, 3),
        draw(3, 5),
        draw(5),
    )
    CASES[f"conv2d {activation}"] = (
        lambda x, w, b, a=activation: functional.conv2d(
            x, w, b, (2, 1), "same", (1, 2), 2, a
        ),
        draw(2, 5, 6, 4),
        draw(3, 2, 2, 6),
        draw(6),
    )
    CASES[f"linear of sequences {activation}"] = (
        lambda x, w, b, a=activation: functional.linear(x, w, b, a),
        draw(2, 3, 4),
        draw(4, 2),
        draw(2),
    )
for activation in ("none", "relu"):
    CASES[f"conv2d_max_pool2d {activation}"] = (
        lambda x, w, b, a=activation: functional.conv2d_max_pool2d(
            x, w, 2, b, padding=1, activation=a
        ),
        draw(2, 5, 5, 2),
        draw(3, 3, 2, 3),
        draw(3),
    )
    CASES[f"conv2d_max_pool2d overlapping {activation}"] = (
        lambda x, w, b, a=activation: functional.conv2d_max_pool2d(
            x, w, (3, 2), b, stride=(1, 2), activation=a, pool_stride=1
        ),
        draw(1, 6, 9, 2),
        draw(2, 3, 2, 3),
        draw(3),
    )


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    function, *inputs = CASES[name]
    assert gradcheck(function, inputs)


def test_gradient_of_dropout():
    def dropped(x):
        tw.manual_seed(3)
        return functional.dropout(x, 0.4)

    assert gradcheck(dropped, draw(5, 7))


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32(name):
    function, *inputs = CASES[name]
    tensors = [tw.tensor(x.astype(np.float32), requires_grad=True) for x in inputs]
    y = function(*tensors)
    assert y.dtype == np.float32
    y.sum().backward()
    for tensor in tensors:
        assert tensor.grad.dtype == np.float32
        assert tensor.grad.shape == tensor.shape


@pytest.mark.parametrize("name", CASES)
def test_arrays_go_in_and_a_tensor_comes_out(name):
    function, *inputs = CASES[name]
    y = function(*inputs)
    assert isinstance(y, tw.Tensor) and not y.requires_grad
    again = function(*[tw.tensor(x, requires_grad=True) for x in inputs])
    assert again.requires_grad
    np.testing.assert_allclose(again.data, y.data, rtol=1e-12)


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1)])
@pytest.mark.parametrize(
    "name", ["linear relu", "conv2d gelu", "conv2d_max_pool2d relu"]
)
def test_only_the_gradients_asked_for(name, wanted, monkeypatch):
    from tilewright import kernels

    function, *inputs = CASES[name]
    everything = [tw.tensor(x, requires_grad=True) for x in inputs]
    function(*everything).sum().backward()
    called = []
    prefix = "conv2d_max_pool2d" if "pool" in name else "conv2d"
    for kernel in (f"{prefix}_backward_input", f"{prefix}_backward_weight"):
        original = getattr(kernels, kernel)

        def spy(*args, kernel=kernel, original=original, **options):
            called.append(kernel)
            return original(*args, **options)

        monkeypatch.setattr(kernels, kernel, spy)
    some = [tw.tensor(x, requires_grad=i in wanted) for i, x in enumerate(inputs)]
    function(*some).sum().backward()
    for position, (tensor, other) in enumerate(zip(some, everything, strict=True)):
        if position in wanted:
            np.testing.assert_allclose(tensor.grad.data, other.grad.data, rtol=1e-12)
        else:
            assert tensor.grad is None
    if name != "linear relu":
        assert (f"{prefix}_backward_input" in called) == (0 in wanted)
        # Under a pooling the bias's gradient comes with the weight's.
        weight = 1 in wanted or ("pool" in name and 2 in wanted)
        assert (f"{prefix}_backward_weight" in called) == weight


def test_second_backward_has_the_same_gradient():
    """What an operation keeps must not be written over by the pass before."""
    w = [tw.tensor(draw(*shape), requires_grad=True) for shape in [(6, 5), (5, 4)]]
    x = draw(5, 6)
    hidden = functional.linear(x, w[0], None, "relu")
    loss = functional.cross_entropy(functional.relu(hidden @ w[1]), LABELS)
    loss.backward(retain_graph=True)
    first = [t.grad.data.copy() for t in w]
    loss.backward()
    for tensor, grad in zip(w, first, strict=True):
        np.testing.assert_allclose(tensor.grad.data, 2 * grad, rtol=1e-13)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_change_in_place_of_what_was_saved_is_noticed(activation):
    x = tw.tensor(draw(2, 3), requires_grad=True)
    w = tw.tensor(draw(3, 3), requires_grad=True)
    y = functional.linear(x, w, None, activation)
    with tw.no_grad():
        w += 1.0
    with pytest.raises(RuntimeError, match="Linear needs .* modified in place"):
        y.sum().backward()


def test_change_in_place_of_a_saved_result_is_noticed():
    x = tw.tensor(draw(2, 3), requires_grad=True)
    y = functional.linear(x, draw(3, 3), None, "tanh")
    z = y.sum()
    with tw.no_grad():
        y += 1.0
    with pytest.raises(RuntimeError, match="modified in place"):
        z.backward()


def test_dropout_keeps_its_share_and_the_mean():
    tw.manual_seed(0)
    x = np.ones((100, 100), np.float32)
    y = functional.dropout(x, 0.25).data
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    assert (functional.dropout(x, 0.25).data != y).any()
    tw.manual_seed(0)
    assert (functional.dropout(x, 0.25).data == y).all()
    assert functional.dropout(x, 1.0).data.max() == 0
    t = tw.tensor(x)
    assert functional.dropout(t, 0.25, training=False) is t
    assert functional.dropout(t, 0.0) is t
    np.testing.assert_array_equal(functional.dropout(x, 0.5, False).data, x)


def test_losses_at_their_edges():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    loss = functional.cross_entropy(logits, np.array([0, 0]))
    assert loss.item() == 1e4
    x = tw.tensor(np.array([-1e4, 1e4], np.float32), requires_grad=True)
    loss = functional.binary_cross_entropy_with_logits(x, np.array([1, 1]))
    assert loss.item() == 5e3
    loss.backward()
    np.testing.assert_array_equal(x.grad.data, [-0.5, 0])
    x = tw.tensor(np.array([0, 1, 0.5], np.float32), requires_grad=True)
    loss = functional.binary_cross_entropy(x, np.array([1, 0, 1]))
    assert np.isclose(loss.item(), (200 + np.log(2)) / 3)
    loss.backward()
    assert np.isfinite(x.grad.data).all()
    assert np.isnan(functional.mse_loss(np.zeros(0), np.zeros(0)).item())


def test_targets_of_other_types():
    x = np.array([0.25, 0.75], np.float32)
    expected = functional.mse_loss(x, np.array([0, 1], np.float32)).item()
    for target in (
        np.array([0, 1]),
        np.array([False, True]),
        np.array([0, 1], np.float64),
        tw.tensor([0.0, 1.0]),
    ):
        loss = functional.mse_loss(x, target)
        assert loss.item() == expected and loss.dtype == np.float32
    labels = tw.tensor(np.array([1]))
    assert functional.cross_entropy(np.zeros((1, 2), np.float32), labels).shape == ()


X = np.zeros((2, 8, 8, 3), np.float32)
BAD = [
    (
        lambda: functional.cross_entropy(X[0, 0], np.zeros((8, 2))),
        ValueError,
        r"target must have input's shape \(8, 3\) where it is of probabilities",
    ),
    (
        lambda: functional.cross_entropy(
            X[0, 0], np.zeros((8, 3), np.float32), ignore_index=1
        ),
        ValueError,
        "ignore_index is for class numbers, the target is of float32",
    ),
    (
        lambda: functional.huber_loss(X, X, delta=0.0),
        ValueError,
        "huber_loss: delta must be above 0",
    ),
    (
        lambda: functional.batch_norm(X, None, None),
        ValueError,
        "batch_norm: evaluation needs running_mean",
    ),
    (
        lambda: functional.batch_norm(X[:1, :1, :1], None, None, training=True),
        ValueError,
        r"more than 1 value a channel in training, got shape \(1, 1, 1, 3\)",
    ),
    (
        lambda: functional.batch_norm(X, np.zeros(2), np.zeros(3)),
        ValueError,
        r"running_mean must have shape \(3,\), got \(2,\)",
    ),
    (
        lambda: functional.batch_norm(X, None, None, X[0, 0, 0, :2], training=True),
        ValueError,
        r"weight must have shape \(3,\), got \(2,\)",
    ),
    (
        lambda: functional.elu(X.astype(int)),
        TypeError,
        "elu: x must be float32",
    ),
    (
        lambda: functional.linear(X[0, 0], np.zeros((4, 2), np.float32)),
        ValueError,
        r"linear: x has 3 features but weight expects 4 \(x: \(8, 3\), weight: \(4, 2",
    ),
    (
        lambda: functional.linear(X, np.zeros((192, 2), np.float32)),
        ValueError,
        "flatten the images first",
    ),
    (
        lambda: functional.linear([[1.0]], np.zeros((1, 2), np.float32)),
        TypeError,
        "linear: x must be a Tensor or a NumPy array, got list",
    ),
    (
        lambda: functional.linear(X, np.zeros(3, np.float32)),
        ValueError,
        r"linear: weight must have 2 dimensions, \(in, out\), got 1",
    ),
    (
        lambda: functional.conv2d(X, np.zeros((3, 3, 4, 2), np.float32)),
        ValueError,
        "conv2d: x has 3 channels but weight expects 4",
    ),
    (
        lambda: functional.conv2d(X[0], np.zeros((3, 3, 3, 2), np.float32)),
        ValueError,
        "conv2d: x must have 4 dimensions, got 3",
    ),
    (
        lambda: functional.conv2d(X, np.zeros((3, 3, 3, 2)), activation="swish"),
        (TypeError, ValueError),
        "conv2d: ",
    ),
    (lambda: functional.relu([1.0]), TypeError, "activation: x must be a NumPy array"),
    (lambda: functional.flatten([1.0]), TypeError, "flatten: x must be a Tensor or"),
    (
        lambda: functional.flatten(X, 4),
        (ValueError, IndexError),
        "flatten: axis must be",
    ),
    (lambda: functional.dropout(X, 1.5), ValueError, r"dropout: p must be in \[0, 1\]"),
    (
        lambda: functional.dropout(X, -1, training=False),
        ValueError,
        r"dropout: p must be in \[0, 1\]",
    ),
    (
        lambda: functional.mse_loss(np.zeros((8, 1), np.float32), np.zeros(8)),
        ValueError,
        r"mse_loss: target must have x's shape \(8, 1\), got \(8,\)",
    ),
    (
        lambda: functional.mse_loss(np.zeros(1), np.zeros(1), "max"),
        ValueError,
        "mse_loss: reduction must be one of 'mean', 'sum', 'none', got 'max'",
    ),
    (
        lambda: functional.mse_loss(np.zeros(1), np.zeros(1, complex)),
        TypeError,
        "mse_loss: target must be of numbers or booleans, got complex128",
    ),
    (
        lambda: functional.l1_loss(
            np.zeros(1, np.float32), tw.tensor(np.zeros(1), requires_grad=True)
        ),
        TypeError,
        "target must be float32 like x where it requires a gradient, got float64",
    ),
    (
        lambda: functional.binary_cross_entropy(np.array([2.0]), np.array([1])),
        ValueError,
        r"probabilities in \[0, 1\], got values in \[2, 2\]; for logits there is",
    ),
    (
        lambda: functional.cross_entropy(X[0, 0], np.full(8, 3)),
        ValueError,
        r"labels must be in \[0, 3\), got 3 at position 0",
    ),
    (
        lambda: functional.cross_entropy(X[0], np.zeros((8, 7), int)),
        ValueError,
        r"cross_entropy: target must have shape \(8, 8\) for logits of shape \(8, 8, 3",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), BAD)
def test_errors_say_what_is_wrong(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
