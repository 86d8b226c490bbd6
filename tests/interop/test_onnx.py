"""ONNX files: checked, run by onnxruntime, and read again."""

import numpy as np
import pytest
from networks import NETWORKS, inputs, network, outputs

from tilewright import interop, nn
from tilewright.nn.module import Module

onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")


def run(path, x):
    runtime = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_onnxruntime_gives_the_same(name, tmp_path):
    model = network(name).train()
    path = tmp_path / "m.onnx"
    interop.onnx.export(model, path, NETWORKS[name][1])
    assert all(module.training for module in model.modules())
    onnx.checker.check_model(str(path), full_check=True)
    for size in (1, 5):
        x = inputs(name, size)
        expected = outputs(model.eval(), x)
        assert np.abs(expected).max() > 0.05
        np.testing.assert_allclose(run(path, x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_reads_what_it_wrote(name, tmp_path):
    model = network(name)
    interop.onnx.export(model, tmp_path / "m.onnx", NETWORKS[name][1])
    again = interop.onnx.load(tmp_path / "m.onnx")
    x = inputs(name)
    np.testing.assert_allclose(outputs(again, x), outputs(model, x), atol=1e-6)
    kinds = [type(layer).__name__.replace("Depthwise", "") for layer in again]
    plain = [m for m in model.modules() if not list(m.children())]
    assert kinds == [type(m).__name__.replace("Depthwise", "") for m in plain]


def test_every_layer_is_exported_and_tested():
    layers = {
        value
        for value in vars(nn).values()
        if isinstance(value, type) and issubclass(value, Module)
    }
    containers = {nn.Module, nn.Sequential, nn.ModuleList}
    losses = {kind for kind in layers if kind.__name__.endswith("Loss")}
    expected = layers - containers - losses
    from tilewright.interop.onnx.operators import LAYERS

    assert expected - set(LAYERS) == set()
    used = {type(m) for name in NETWORKS for m in network(name).modules()}
    assert expected - used == set()


@pytest.mark.parametrize("axes", [(1, 2), (2, 3), (-2, -1)])
def test_flatten_of_some_axes(axes, tmp_path):
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(*axes), nn.Tanh())
    x = np.random.default_rng(0).normal(0, 1, (4, 6, 5, 2)).astype(np.float32)
    interop.onnx.export(model, tmp_path / "m.onnx", (6, 5, 2))
    expected = outputs(model, x)
    np.testing.assert_allclose(run(tmp_path / "m.onnx", x), expected, atol=1e-6)
    again = interop.onnx.load(tmp_path / "m.onnx")
    np.testing.assert_array_equal(outputs(again, x), expected)


def write(path, nodes, weights=(), shape=(None, 2, 6, 6), opset=20):
    """A file as another program would write it, channels first."""
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("in", kind, shape)],
        [onnx.helper.make_tensor_value_info("out", kind, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights],
    )
    opsets = [onnx.helper.make_opsetid("", opset)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.save(model, path)


def node(kind, *inputs, out="out", **options):
    return onnx.helper.make_node(kind, list(inputs), [out], **options)


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("form", ["flatten", "reshape", "global", "same"])
def test_channels_first_files_of_others(form, tmp_path):
    path = tmp_path / "m.onnx"
    pads = {"auto_pad": "SAME_UPPER"} if form == "same" else {"pads": [1, 0, 1, 0]}
    nodes = [
        node("Conv", "in", "w", "b", out="c", **pads),
        node("Relu", "c", out="r"),
    ]
    size = 4 * 6 * (6 if form == "same" else 5)
    if form == "reshape":
        nodes.append(node("Reshape", "r", "rows", out="f"))
    elif form == "global":
        size = 4
        nodes.append(node("GlobalAveragePool", "r", out="p"))
        nodes.append(node("Squeeze", "p", "axes", out="f"))
    else:
        nodes.append(node("Flatten", "r", out="f"))
    nodes.append(node("Gemm", "f", "m", "n", transB=1))
    weights = [
        ("w", random(4, 2, 3, 2)),
        ("b", random(4)),
        ("rows", np.array([0, -1])),
        ("axes", np.array([2, 3])),
        ("m", random(3, size)),
        ("n", random(1, 3)),
    ]
    used = {name for item in nodes for name in item.input}
    write(path, nodes, [pair for pair in weights if pair[0] in used])
    model = interop.onnx.load(path)
    x = random(5, 6, 6, 2)
    expected = run(path, np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(outputs(model, x), expected, atol=1e-5, rtol=1e-5)


def test_matmul_and_add_are_one_layer(tmp_path):
    path = tmp_path / "m.onnx"
    nodes = [
        node("MatMul", "in", "m", out="a"),
        node("Add", "n", "a", out="s"),
        node("Clip", "s", "zero"),
    ]
    weights = [("m", random(4, 3)), ("n", random(3)), ("zero", np.float32(0))]
    write(path, nodes, weights, (None, 7, 4))
    model = interop.onnx.load(path)
    assert [type(layer) for layer in model] == [nn.Linear, nn.ReLU]
    x = random(2, 7, 4)
    np.testing.assert_allclose(outputs(model, x), run(path, x), atol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "weights", "message"),
    [
        ([("Cos", ["in"], {})], {}, r"node 'out' \(Cos\): the operator has no counter"),
        (
            [("AveragePool", ["in"], {"kernel_shape": [2, 2], "pads": [0, 0, 1, 0]})],
            {},
            "pads differ from side to side",
        ),
        (
            [
                (
                    "MaxPool",
                    ["in"],
                    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
                )
            ],
            {},
            "ceil_mode must be 0, got 1",
        ),
        ([("Flatten", ["in"], {"axis": 2})], {}, "axis must be 1, got 2"),
        ([("Conv", ["in", "in"], {})], {}, "must be a constant|damaged"),
        ([("Gemm", ["in", "w"], {})], {"w": (72, 3)}, "damaged"),
        ([("Add", ["w", "w"], {})], {"w": (1, 2, 6, 6)}, "takes constants alone"),
    ],
)
def test_what_has_no_counterpart_is_named(nodes, weights, message, tmp_path):
    made = [node(kind, *names, **options) for kind, names, options in nodes]
    arrays = [(name, random(*shape)) for name, shape in weights.items()]
    write(tmp_path / "m.onnx", made, arrays)
    with pytest.raises(ValueError, match=message):
        interop.onnx.load(tmp_path / "m.onnx")


def test_damaged_files(tmp_path):
    path = tmp_path / "m.onnx"
    with pytest.raises(FileNotFoundError, match="load: no such file"):
        interop.onnx.load(path)
    interop.onnx.export(network("rows"), path, (10,))
    content = path.read_bytes()
    for damaged in (b"text", content[: len(content) // 2], content[::-1], b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"load: {path}: "):
            interop.onnx.load(path)


def test_no_change_of_a_byte_gets_past_the_checks(tmp_path):
    path = tmp_path / "m.onnx"
    interop.onnx.export(network("same"), path, NETWORKS["same"][1])
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        changed = bytearray(content)
        for at in rng.integers(0, len(content), 3):
            changed[at] = rng.integers(0, 256)
        path.write_bytes(changed)
        try:
            assert isinstance(interop.onnx.load(path), nn.Module)
        except ValueError as error:
            assert str(error).startswith(f"load: {path}: ")
            refused += 1
    assert refused > 50


def test_weights_in_other_files_are_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(48))
    array = onnx.numpy_helper.from_array(random(4, 3), "m")
    model_path = tmp_path / "m.onnx"
    write(model_path, [node("MatMul", "in", "m")], [("m", random(4, 3))], (None, 4))
    model = onnx.load(model_path)
    onnx.external_data_helper.set_external_data(array, "secret")
    array.ClearField("raw_data")
    model.graph.initializer[0].CopyFrom(array)
    model_path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"load: .*m\.onnx: "):
        interop.onnx.load(model_path)


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (nn.Linear(3, 2), (4,), "export: linear: x has 4 features"),
        (
            nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(3, 2)),
            (4,),
            r"export: linear: x has 4 features .* \(after 1\)",
        ),
        (nn.ReLU(), (), r"input_shape must be of one sample and positive, got \(\)"),
        (nn.Flatten(0), (3,), "Flatten from axis 0 joins samples"),
        (
            nn.BatchNorm1d(3, track_running_stats=False),
            (4, 3),
            "without running values depends on the batch",
        ),
    ],
)
def test_what_cannot_be_exported(model, shape, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        interop.onnx.export(model, tmp_path / "m.onnx", shape)
    assert not (tmp_path / "m.onnx").exists()
