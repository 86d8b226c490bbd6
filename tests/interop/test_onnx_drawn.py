"""ONNX graphs drawn at random: what they become gives what onnxruntime gives."""

from __future__ import annotations

import numpy as np
import pytest
from branching import results

from tilewright import interop

onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
runtime = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")

INPUT = (2, 4, 3)  # channels first, without the batch


class Drawing:
    """A graph that grows; every value can be taken again."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.shapes = {"in": [3, *INPUT]}
        self.nodes, self.constants = [], {}

    def constant(self, array):
        name = f"c{len(self.constants)}"
        floating = np.asarray(array).dtype.kind == "f"
        self.constants[name] = np.asarray(array, np.float32 if floating else np.int64)
        return name

    def normal(self, *shape):
        return self.constant(self.rng.normal(0, 1, shape))

    def add(self, operator, inputs, shape, **options):
        out = f"v{len(self.nodes)}"
        node = onnx.helper.make_node(operator, inputs, [out], **options)
        self.nodes.append(node)
        self.shapes[out] = [int(size) for size in shape]

    def grow(self):
        x = str(self.rng.choice(list(self.shapes)))
        shape = self.shapes[x]
        possible = [
            operator
            for operator, (ranks, _) in OPERATORS.items()
            if len(shape) in ranks
        ]
        OPERATORS[str(self.rng.choice(possible))][1](self, x, shape)

    def axis(self, shape):
        return int(self.rng.integers(1, len(shape)))

    def write(self, path):
        last = self.nodes[-1].output[0]
        make, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            self.nodes,
            "drawn",
            [make("in", kind, ["N", *INPUT])],
            [make(last, kind, None)],
            [onnx.numpy_helper.from_array(a, k) for k, a in self.constants.items()],
        )
        opsets = [onnx.helper.make_opsetid("", 20)]
        onnx.save(
            onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9), path
        )


def conv(g, x, s):
    if min(s[2:]) >= 2:
        pads = [1, 0, 1, 1]
        shape = [s[0], 5, s[2], s[3] - 1]
        g.add("Conv", [x, g.normal(5, s[1], 3, 3)], shape, pads=pads)


def max_pool(g, x, s):
    if min(s[2:]) >= 2:
        shape = [s[0], s[1], s[2], (s[3] - 1) // 2 + 1]
        options = {"kernel_shape": [2, 2], "strides": [1, 2], "pads": [0, 1, 1, 0]}
        g.add("MaxPool", [x], shape, **options)


def batch_norm(g, x, s):
    arrays = [g.normal(s[1]) for _ in range(3)]
    spread = g.constant(g.rng.uniform(0.5, 2, s[1]))
    g.add("BatchNormalization", [x, *arrays, spread], s)


def joined(g, x, s):
    other = str(g.rng.choice(list(g.shapes)))
    try:
        shape = np.broadcast_shapes(s, g.shapes[other])
    except ValueError:
        return
    g.add(str(g.rng.choice(["Add", "Sub", "Max"])), [x, other], shape)


def scaled(g, x, s):
    count = int(g.rng.integers(0, len(s)))
    g.add("Mul", [x, g.normal(*s[len(s) - count :])], s)


def concatenated(g, x, s):
    other, axis = str(g.rng.choice(list(g.shapes))), g.axis(s)
    t = g.shapes[other]
    rest = [size for a, size in enumerate(s) if a != axis]
    if len(t) == len(s) and rest == [size for a, size in enumerate(t) if a != axis]:
        shape = [*s[:axis], s[axis] + t[axis], *s[axis + 1 :]]
        g.add("Concat", [x, other], shape, axis=axis)


def transposed(g, x, s):
    order = [0, *(1 + g.rng.permutation(len(s) - 1)).tolist()]
    # A file that begins by turning its input says that this is channels last.
    if x != "in":
        g.add("Transpose", [x], [s[a] for a in order], perm=order)


def reduced(g, x, s):
    axes = sorted(
        g.rng.choice(np.arange(1, len(s)), len(s) - 2, replace=False).tolist()
    )
    keep = int(g.rng.integers(0, 2))
    shape = [1 if a in axes else n for a, n in enumerate(s) if keep or a not in axes]
    operator = str(g.rng.choice(["ReduceMean", "ReduceMax", "ReduceSum"]))
    g.add(operator, [x, g.constant(axes)], shape, keepdims=keep)


def sliced(g, x, s):
    axis = g.axis(s)
    if s[axis] > 1:
        parts = [g.constant([value]) for value in (1, s[axis], axis, 1)]
        g.add("Slice", [x, *parts], [n - (a == axis) for a, n in enumerate(s)])


def padded(g, x, s):
    axis, pads = g.axis(s), [0] * (2 * len(s))
    pads[axis], pads[len(s) + axis] = 1, 2
    shape = [n + 3 * (a == axis) for a, n in enumerate(s)]
    g.add("Pad", [x, g.constant(pads)], shape)


def gathered(g, x, s):
    axis = g.axis(s)
    shape = [2 if a == axis else n for a, n in enumerate(s)]
    g.add("Gather", [x, g.constant([s[axis] - 1, 0])], shape, axis=axis)


def reshaped(g, x, s):
    last = s[-1] if g.rng.integers(2) else s[1]
    wanted = g.constant([0, -1, last])
    g.add("Reshape", [x, wanted], [s[0], np.prod(s[1:]) // last, last])


def extended(g, x, s):
    axis = int(g.rng.integers(1, len(s) + 1))
    g.add("Unsqueeze", [x, g.constant([axis])], [*s[:axis], 1, *s[axis:]])


OPERATORS = {
    "Conv": ({4}, conv),
    "MaxPool": ({4}, max_pool),
    "GlobalAveragePool": (
        {4},
        lambda g, x, s: g.add("GlobalAveragePool", [x], [*s[:2], 1, 1]),
    ),
    "BatchNormalization": ({2, 4}, batch_norm),
    "Relu": ({2, 3, 4}, lambda g, x, s: g.add("Relu", [x], s)),
    "Softmax": (
        {2, 3, 4},
        lambda g, x, s: g.add("Softmax", [x], s, axis=g.axis(s)),
    ),
    "Flatten": (
        {2, 3, 4},
        lambda g, x, s: g.add("Flatten", [x], [s[0], np.prod(s[1:])]),
    ),
    "Gemm": ({2}, lambda g, x, s: g.add("Gemm", [x, g.normal(s[1], 4)], [s[0], 4])),
    "MatMul": (
        {2, 3, 4},
        lambda g, x, s: g.add("MatMul", [x, g.normal(s[-1], 3)], [*s[:-1], 3]),
    ),
    "joined": ({2, 3, 4}, joined),
    "scaled": ({2, 3, 4}, scaled),
    "Concat": ({2, 3, 4}, concatenated),
    "Transpose": ({3, 4}, transposed),
    "reduced": ({3, 4}, reduced),
    "Slice": ({2, 3, 4}, sliced),
    "Pad": ({2, 3, 4}, padded),
    "Gather": ({2, 3, 4}, gathered),
    "Reshape": ({3, 4}, reshaped),
    "Unsqueeze": ({2, 3}, extended),
}


def run(path, x):
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("seed", range(80))
def test_drawn_graphs(seed, tmp_path):
    graph = Drawing(seed)
    while len(graph.nodes) < 2 + seed % 5:
        graph.grow()
    graph.write(tmp_path / "m.onnx")
    x = graph.rng.normal(0, 1, (3, *INPUT)).astype(np.float32)
    ours = np.moveaxis(x, 1, -1).copy()
    expected = run(tmp_path / "m.onnx", x)
    model = interop.onnx.load(tmp_path / "m.onnx")
    y = results(model, [ours])[0]
    if expected.ndim == 4 and not close(y, expected):
        expected = np.moveaxis(expected, 1, -1)  # images, channels last here
    assert close(y, expected)
    # And out again: the layout is ours now.
    interop.onnx.export(model, tmp_path / "again.onnx", (*INPUT[1:], INPUT[0]))
    assert close(run(tmp_path / "again.onnx", ours), y)
    again = interop.onnx.load(tmp_path / "again.onnx")
    assert close(results(again, [ours])[0], y)


def close(a, b):
    scale = max(float(np.abs(b).max(initial=0)), 1.0)
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-5, atol=1e-5 * scale)
