"""ONNX files of networks that branch: written, run by onnxruntime, and read again."""

import copy
import pickle

import numpy as np
import pytest
from branching import BRANCHING, branching, results, samples

import tilewright as tw
from tilewright import interop, keras, nn
from tilewright.autograd import concatenate
from tilewright.nn import functional as F

onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")


def run(path, inputs):
    runtime = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


@pytest.mark.parametrize("name", BRANCHING)
def test_onnxruntime_gives_the_same(name, tmp_path):
    model, path = branching(name).train(), tmp_path / "m.onnx"
    before = {key: array.tobytes() for key, array in model.state_dict().items()}
    interop.onnx.export(model, path, BRANCHING[name][1])
    assert all(module.training for module in model.modules())
    assert all(not module._hooks for module in model.modules())
    after = {key: array.tobytes() for key, array in model.state_dict().items()}
    assert after == before
    onnx.checker.check_model(str(path), full_check=True)
    model.eval()
    for size in (1, 5):
        inputs = samples(name, size)
        given, expected = run(path, inputs), results(model, inputs)
        assert len(given) == len(expected)
        for y, wanted in zip(given, expected, strict=True):
            assert np.abs(wanted).max() > 0.05
            np.testing.assert_allclose(y, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", BRANCHING)
def test_reads_what_it_wrote_and_writes_what_it_read(name, tmp_path):
    model, inputs = branching(name), samples(name, 4)
    expected = results(model, inputs)
    for _ in range(2):
        interop.onnx.export(model, tmp_path / "m.onnx", BRANCHING[name][1])
        model = interop.onnx.load(tmp_path / "m.onnx")
        assert not model.training
        for y, wanted in zip(results(model, inputs), expected, strict=True):
            np.testing.assert_allclose(y, wanted, atol=1e-6, rtol=1e-6)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        for y, wanted in zip(results(again, inputs), expected, strict=True):
            np.testing.assert_allclose(y, wanted, atol=1e-6, rtol=1e-6)


def test_names_of_inputs_and_outputs(tmp_path):
    for name, inputs, outputs in (
        ("residual", ["x"], ["y"]),
        ("shared", ["x0", "x1"], ["y0", "y1"]),
        ("named", ["x"], ["features", "logits"]),
    ):
        interop.onnx.export(branching(name), tmp_path / "m.onnx", BRANCHING[name][1])
        graph = onnx.load(tmp_path / "m.onnx").graph
        assert [item.name for item in graph.input] == inputs
        assert [item.name for item in graph.output] == outputs
        again = interop.onnx.load(tmp_path / "m.onnx")
        y = again(*samples(name))
        if name == "named":
            assert list(y) == outputs
        elif name == "shared":
            assert isinstance(y, tuple)
        if name == "shared":
            with pytest.raises(ValueError, match="expected 2 inputs, got 1"):
                again(samples(name)[0])


def test_inputs_are_named(tmp_path):
    path, shapes = tmp_path / "m.onnx", [(3,), (3,)]
    interop.onnx.export(Pair(), path, shapes, input_names=["v0", "c"])
    graph = onnx.load(path).graph
    assert [item.name for item in graph.input] == ["v0", "c"]
    x = [random(2, 3), random(2, 3) + 1]
    np.testing.assert_allclose(run(path, x)[0], x[0] * 2 + x[1], rtol=1e-6)
    for names in (["a"], ["a", "a"], ["a", ""]):
        with pytest.raises(ValueError, match="input_names must be 2 different names"):
            interop.onnx.export(Pair(), path, shapes, input_names=names)
    with pytest.raises(ValueError, match="must have different names"):
        interop.onnx.export(Pair(), path, shapes, input_names=["a", "y"])


def test_a_shared_layer_is_kept_once_and_stays_one(tmp_path):
    model = branching("shared")
    interop.onnx.export(model, tmp_path / "m.onnx", [(5,), (5,)])
    weights = [i.name for i in onnx.load(tmp_path / "m.onnx").graph.initializer]
    assert weights.count("embed.0.weight") == 1
    assert not [name for name in weights if name.startswith("embed.0.weight_")]


def functional(kind):
    layers = keras.layers
    inputs = keras.Input((9, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    if kind == "residual":
        y = layers.BatchNormalization(scale=False)(x)
        y = layers.DepthwiseConv2D(3, padding="same")(y)
        x = layers.Activation("tanh")(layers.Add()([x, y]))
        x = layers.GlobalAveragePooling2D()(x)
    elif kind == "inception":
        pooled = layers.MaxPooling2D(3, strides=1, padding="same")(x)
        mean = layers.AveragePooling2D(3, strides=1, padding="same")(x)
        strided = layers.Conv2D(2, 3, padding="same", dilation_rate=2)(x)
        x = layers.Concatenate()([pooled, mean, strided, x])
        x = layers.Dropout(0.4)(layers.Flatten()(x))
    else:
        x = layers.Reshape((36, 8))(x)
        dense = layers.Dense(8, activation="relu")
        x = layers.Flatten()(layers.Add()([dense(x), dense(dense(x))]))
    outputs = layers.Dense(5, activation="softmax")(x)
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("kind", ["residual", "inception", "shared"])
def test_functional_models_of_the_keras_spelling(kind, tmp_path):
    tw.manual_seed(3)
    model = functional(kind)
    x = np.random.default_rng(0).normal(0, 1, (5, 9, 8, 3)).astype(np.float32)
    expected = model.predict(x, verbose=0)
    interop.onnx.export(model.network.whole, tmp_path / "m.onnx", (9, 8, 3))
    (given,) = run(tmp_path / "m.onnx", [x])
    np.testing.assert_allclose(given, expected, atol=1e-5)
    again = interop.onnx.load(tmp_path / "m.onnx")
    np.testing.assert_allclose(results(again, [x])[0], expected, atol=1e-6)


class Pair(nn.Module):
    """Both inputs in one argument, as models in the Keras spelling have them."""

    def forward(self, pair):
        return pair[0] * 2.0 + pair[1]


def test_several_inputs_in_one_argument(tmp_path):
    interop.onnx.export(Pair(), tmp_path / "m.onnx", [(3,), (3,)])
    x = [random(2, 3), random(2, 3) + 1]
    (y,) = run(tmp_path / "m.onnx", x)
    np.testing.assert_allclose(y, x[0] * 2 + x[1], rtol=1e-6)


class OwnLinear(nn.Linear):
    pass


class OwnNorm(nn.BatchNorm2d):
    pass


class Subclasses(nn.Module):
    """Layers of classes of one's own, and ones with hooks, are seen as functions."""

    def __init__(self):
        self.conv, self.norm = nn.Conv2d(2, 3, 2), OwnNorm(3)
        self.pool, self.fc = nn.AvgPool2d(2, padding=1), OwnLinear(18, 4)
        self.pool.register_forward_hook(lambda module, args, y: y * 2.0)

    def forward(self, x):
        x = self.pool(F.leaky_relu(self.norm(self.conv(x)), 0.3))
        return F.log_softmax(F.elu(self.fc(F.flatten(x, 1)), 0.4))


def test_layers_of_other_classes(tmp_path):
    tw.manual_seed(0)
    model = Subclasses().eval()
    model.norm.running_mean[...] = [0.1, -0.2, 0.3]
    model.norm.running_var[...] = [0.5, 2, 1]
    x = random(4, 5, 4, 2)
    expected = results(model, [x])[0]
    interop.onnx.export(model, tmp_path / "m.onnx", (5, 4, 2))
    assert len(model.pool._hooks) == 1
    names = [i.name for i in onnx.load(tmp_path / "m.onnx").graph.initializer]
    assert {"conv.weight", "norm.weight", "fc.weight", "fc.bias"} <= set(names)
    np.testing.assert_allclose(run(tmp_path / "m.onnx", [x])[0], expected, atol=1e-5)
    again = interop.onnx.load(tmp_path / "m.onnx")
    np.testing.assert_allclose(results(again, [x])[0], expected, atol=1e-5)


class Looks(nn.Module):
    def forward(self, x):
        return x * float(np.mean(x.data if isinstance(x, tw.Tensor) else x))


class Branches(nn.Module):
    def forward(self, x):
        x = x if isinstance(x, tw.Tensor) else tw.Tensor(x)
        return x * 2.0 if len(x) > 2 else x + 1.0


class InPlace(nn.Module):
    def forward(self, x):
        y = F.relu(x)
        y += 1.0
        return y


class Guess(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5)


class Unknown(tw.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 3

    @staticmethod
    def backward(ctx, dy):
        return dy * 3


class OwnFunction(nn.Module):
    def forward(self, x):
        return Unknown.apply(x)


class Array(nn.Module):
    def forward(self, x):
        return np.ones((len(x), 2))


class Joined(nn.Module):
    def forward(self, x):
        edge = np.linspace(0, 1, 3, dtype=np.float32)[None].repeat(len(x), 0)
        return concatenate([edge, x if isinstance(x, tw.Tensor) else tw.Tensor(x)], 1)


class SameName(nn.Module):
    def forward(self, x):
        return {"x": F.relu(x)}


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (Looks(), ValueError, "Looks gives something else for other inputs than"),
        (Branches(), ValueError, "Branches gives something else"),
        (InPlace(), ValueError, "InPlace gives something else"),
        (Guess(), ValueError, "Guess gives something else|the function Dropout"),
        (OwnFunction(), ValueError, "the function Unknown has no counterpart"),
        (Array(), TypeError, "forward must return Tensors, got ndarray"),
        (Joined(), ValueError, "Concatenate with constants has no counterpart"),
        (SameName(), ValueError, "must have different names, got .'x'. and .'x'"),
        (nn.CrossEntropyLoss(), ValueError, "export: "),
        ("text", TypeError, "export: model must be a Module, got str"),
    ],
)
def test_what_no_steps_stand_for_is_refused(model, error, message, tmp_path):
    with pytest.raises(error, match=message):
        interop.onnx.export(model, tmp_path / "m.onnx", (4,))
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("shape", ["abc", [(3,), "x"], 5, [2.5], [[2.5]]])
def test_bad_input_shapes(shape, tmp_path):
    with pytest.raises(TypeError, match="export: input_shape must be of integers"):
        interop.onnx.export(nn.ReLU(), tmp_path / "m.onnx", shape)


def node(kind, *inputs, out="out", **options):
    return onnx.helper.make_node(kind, list(inputs), [out], **options)


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(0, 1, shape).astype(np.float32)


def check_as_others_write(path, nodes, weights, shape=(None, 2, 6, 6), outputs=1):
    """Write a file, channels first, and compare what it becomes with onnxruntime."""
    kind = onnx.TensorProto.FLOAT
    names = ["out", "more"][:outputs]
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("in", kind, shape)],
        [onnx.helper.make_tensor_value_info(name, kind, None) for name in names],
        [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in weights.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    x = random(3, *(size for size in shape[1:]))
    model = interop.onnx.load(path)
    ours = np.moveaxis(x, 1, -1).copy() if x.ndim == 4 else x
    for y, expected in zip(results(model, [ours]), run(path, [x]), strict=True):
        if expected.ndim == 4:
            expected = np.moveaxis(expected, 1, -1)
        np.testing.assert_allclose(y, expected, atol=1e-5, rtol=1e-5)
    return model


CONV = [node("Conv", "in", "w", "b", out="c")]
WEIGHTS = {"w": random(4, 2, 3, 3), "b": random(4)}


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        (  # padding that differs from side to side
            [node("Conv", "in", "w", "b", pads=[0, 1, 2, 1])],
            WEIGHTS,
        ),
        (
            [node("MaxPool", "in", kernel_shape=[2, 2], pads=[0, 0, 1, 1])],
            {},
        ),
        (
            [
                node(
                    "AveragePool",
                    "in",
                    kernel_shape=[2, 3],
                    pads=[1, 0, 0, 1],
                    count_include_pad=1,
                )
            ],
            {},
        ),
        (  # rounding up that changes nothing
            [node("MaxPool", "in", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)],
            {},
        ),
        *(
            ([node(kind, "in", *names, auto_pad=pad, strides=[2, 1], **more)], weights)
            for pad in ("SAME_UPPER", "SAME_LOWER", "VALID")
            for kind, names, weights, more in (
                ("Conv", ["w", "b"], WEIGHTS, {"dilations": [1, 1]}),
                ("MaxPool", [], {}, {"kernel_shape": [3, 2]}),
                (
                    "AveragePool",
                    [],
                    {},
                    {"kernel_shape": [3, 2], "count_include_pad": 1},
                ),
            )
        ),
        ([node("Flatten", "in")], {}),  # ends with features of channels first
        ([*CONV, node("GlobalAveragePool", "c")], WEIGHTS),
        (
            [
                node("Transpose", "in", perm=[0, 2, 3, 1], out="t"),
                node("Abs", "t", out="a"),
                node("Transpose", "a", perm=[0, 3, 1, 2]),
            ],
            {},
        ),
        ([node("Add", "in", "in")], {}),
        (
            [
                *CONV,
                node("GlobalAveragePool", "c", out="p"),
                node("Mul", "p", "s", out="q"),
                node("Add", "c", "q"),
            ],
            {**WEIGHTS, "s": random(1, 4, 1, 1)},
        ),
        (  # two flattened values joined, and a constant over the features
            [
                *CONV,
                node("Flatten", "in", out="f"),
                node("Flatten", "c", out="g"),
                node("Mul", "g", "s", out="h"),
                node("Concat", "f", "h", out="j", axis=1),
                node("Gemm", "j", "m"),
            ],
            {**WEIGHTS, "s": random(64), "m": random(72 + 64, 3)},
        ),
        (
            [
                node("ReduceMean", "in", "axes", out="a", keepdims=0),
                node("Unsqueeze", "a", "axes", out="b"),
                node("Sub", "in", "b", out="c"),
                node("Pow", "c", "two", out="d"),
                node("ReduceSum", "d", "one", keepdims=1),
            ],
            {
                "axes": np.array([2, 3]),
                "one": np.array([1]),
                "two": np.array(2, np.float32),
            },
        ),
        (
            [
                node("Slice", "in", "start", "end", "axes", "steps", out="a"),
                node("Pad", "a", "pads", "half", out="b"),
                node("Gather", "b", "which", axis=1, out="c"),
                node("Max", "c", "c", "half", out="d"),
                node("Div", "d", "shift", out="e"),
                node("Concat", "e", "d", axis=2),
            ],
            {
                "start": np.array([5, 1]),
                "end": np.array([-(2**63), 5]),
                "axes": np.array([3, 2]),
                "steps": np.array([-2, 1]),
                "pads": np.array([0, 0, 1, 0, 0, 0, 0, 2]),
                "half": np.array(0.5, np.float32),
                "which": np.array([1, 0, 1]),
                "shift": np.abs(random(3, 1, 1)) + 1,
            },
        ),
        (  # a product of two values
            [
                node("Reshape", "in", "rows", out="a"),
                node("Transpose", "a", out="b", perm=[0, 2, 1]),
                node("MatMul", "a", "b", out="c"),
                node("Softmax", "c", out="d", axis=-1),
                node("MatMul", "d", "a"),
            ],
            {"rows": np.array([0, 2, 36])},
        ),
        (
            [
                node("Softmax", "in", out="a", axis=1),
                node("Neg", "a", out="b"),
                node("Exp", "b", out="c"),
                node("Clip", "c", "low", "high", out="d"),
                node("Expand", "d", "wide"),
            ],
            {
                "low": np.array(0.5, np.float32),
                "high": np.array(0.7, np.float32),
                "wide": np.array([1, 2, 6, 6]),
            },
        ),
    ],
)
def test_files_of_others(nodes, weights, tmp_path):
    check_as_others_write(tmp_path / "m.onnx", nodes, weights)


def test_axes_that_no_layout_exchanges(tmp_path):
    nodes = [node("Transpose", "in", perm=[2, 0, 1])]
    check_as_others_write(tmp_path / "m.onnx", nodes, {}, (None, 4, 5))


def test_a_value_that_is_an_output_and_goes_on(tmp_path):
    nodes = [node("Sigmoid", "in"), node("Mul", "in", "out", out="more")]
    model = check_as_others_write(tmp_path / "m.onnx", nodes, {}, (None, 7), 2)
    assert any(isinstance(layer, nn.Sigmoid) for layer in model.layers)


@pytest.mark.filterwarnings("ignore")
def test_residual_network_exported_by_torch(tmp_path):
    torch = pytest.importorskip("torch", reason="writes the file")
    tnn = torch.nn

    class Net(tnn.Module):
        def __init__(self):
            super().__init__()
            self.stem = tnn.Conv2d(3, 4, 7, 2, 3)
            self.norm = tnn.BatchNorm2d(4)
            self.pool = tnn.AdaptiveAvgPool2d(1)
            self.squeeze, self.excite = tnn.Conv2d(4, 2, 1), tnn.Conv2d(2, 4, 1)
            self.fc = tnn.Linear(4 + 4 * 8 * 7, 5)

        def forward(self, x):
            x = torch.relu(self.stem(x))
            gate = self.excite(tnn.functional.silu(self.squeeze(self.pool(x))))
            y = x + self.norm(x) * torch.sigmoid(gate)
            rows = [torch.flatten(self.pool(y), 1), torch.flatten(y, 1)]
            return self.fc(torch.cat(rows, 1))

    torch.manual_seed(0)
    net, x = Net().eval(), torch.randn(2, 3, 15, 13)
    path = tmp_path / "m.onnx"
    try:
        torch.onnx.export(
            net,
            (x,),
            path,
            dynamo=False,
            dynamic_axes={"x": {0: "N"}},
            input_names=["x"],
        )
    except (ImportError, torch.onnx.errors.OnnxExporterError) as error:
        pytest.skip(f"this PyTorch writes no ONNX file: {error}")
    model = interop.onnx.load(path)
    with torch.no_grad():
        expected = net(x).numpy()
    given = results(model, [x.permute(0, 2, 3, 1).contiguous().numpy()])[0]
    np.testing.assert_allclose(given, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["gated", "dense", "own", "picked"])
def test_no_change_of_a_file_gets_past_the_checks(name, tmp_path):
    path = tmp_path / "m.onnx"
    interop.onnx.export(branching(name), path, BRANCHING[name][1])
    content, rng = path.read_bytes(), np.random.default_rng(0)
    # Where names, operators and options are; most of the rest is weights.
    places = [i for i in range(len(content)) if content[i : i + 1].isascii()]
    refused = 0
    for _ in range(150):
        changed = bytearray(content)
        for at in rng.choice(places, 2):
            changed[at] = rng.integers(0, 256)
        path.write_bytes(changed)
        try:
            assert isinstance(interop.onnx.load(path), nn.Module)
        except ValueError as error:
            assert str(error).startswith(f"load: {path}: ")
            refused += 1
    assert refused > 10


def test_operators_with_options_of_any_kind(tmp_path):
    """Axes, pads and shapes that no value has: an error that names the node."""
    rng = np.random.default_rng(1)
    path, kind = tmp_path / "m.onnx", onnx.TensorProto.FLOAT
    operators = {
        "Concat": (1, ["axis"]),
        "Gather": (1, ["axis"]),
        "Pad": (1, []),
        "ReduceMean": (1, ["keepdims"]),
        "Reshape": (1, ["allowzero"]),
        "Slice": (4, []),
        "Softmax": (0, ["axis"]),
        "Squeeze": (1, []),
        "Transpose": (0, ["perm"]),
        "Unsqueeze": (1, []),
        "Expand": (1, []),
    }
    refused = read = 0
    for _ in range(600):
        name = str(rng.choice(list(operators)))
        count, options = operators[name]
        arrays = {
            f"c{k}": rng.integers(-5, 9, rng.integers(0, 10)) for k in range(count)
        }
        chosen = {
            key: rng.permutation(4).tolist()
            if key == "perm"
            else int(rng.integers(-6, 6))
            for key in options
        }
        made = onnx.helper.make_graph(
            [node("Relu", "in", out="r"), node(name, "r", *arrays, **chosen)],
            "g",
            [onnx.helper.make_tensor_value_info("in", kind, (None, 2, 4, 3))],
            [onnx.helper.make_tensor_value_info("out", kind, None)],
            [onnx.numpy_helper.from_array(a, key) for key, a in arrays.items()],
        )
        opsets = [onnx.helper.make_opsetid("", 20)]
        model = onnx.helper.make_model(made, opset_imports=opsets, ir_version=9)
        path.write_bytes(model.SerializeToString())
        try:
            assert isinstance(interop.onnx.load(path), nn.Module)
            read += 1
        except ValueError as error:
            assert str(error).startswith(f"load: {path}: ")
            refused += 1
    assert refused > 100 and read > 50
