"""Keras's weight files, both ways, with Keras itself."""

import os

import numpy as np
import pytest
from networks import inputs, network, outputs

from tilewright import interop, nn

pytest.importorskip("h5py", reason="needs the extra 'keras-weights'")

# A layer of ours, and the one of Keras that is the same.
PAIRS = {
    "conv": (
        lambda: [
            nn.Conv2d(3, 4, 3, padding="same", stride=2),
            nn.ReLU(),
            nn.DepthwiseConv2d(4, 3, depth_multiplier=2),
            nn.BatchNorm2d(8, eps=1e-3),
            nn.Conv2d(8, 6, 2, groups=2, bias=False),
            nn.GlobalAvgPool2d(),
            nn.Linear(6, 5),
        ],
        lambda layers: [
            layers.Conv2D(4, 3, strides=2, padding="same"),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.BatchNormalization(),
            layers.Conv2D(6, 2, groups=2, use_bias=False),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ],
        (13, 11, 3),
    ),
    "many": (
        lambda: [nn.Linear(6, 6) for _ in range(12)],
        lambda layers: [layers.Dense(6) for _ in range(12)],
        (6,),
    ),
    "flat": (
        lambda: [
            nn.Conv2d(2, 3, 2),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Sequential(nn.Linear(12, 4), nn.Tanh(), nn.Linear(4, 4, bias=False)),
            nn.Linear(4, 2),
        ],
        lambda layers: [
            layers.Conv2D(3, 2),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.nested(
                [layers.Dense(4, activation="tanh"), layers.Dense(4, use_bias=False)]
            ),
            layers.Dense(2),
        ],
        (5, 6, 2),
    ),
}


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("torch", reason="Keras runs on PyTorch here")
    keras = pytest.importorskip("keras", reason="compares with Keras")
    keras.layers.nested = keras.Sequential
    return keras


def both(keras, name):
    ours, theirs, shape = PAIRS[name]
    model = nn.Sequential(*ours())
    other = keras.Sequential([keras.Input(shape), *theirs(keras.layers)])
    x = np.random.default_rng(0).normal(0, 1, (4, *shape)).astype(np.float32)
    return model.eval(), other, x


def draw(arrays, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.1, 1, a.shape).astype(np.float32) - 0.3 for a in arrays]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PAIRS)
def test_from_keras(keras, name, tmp_path):
    model, other, x = both(keras, name)
    weights = draw(other.get_weights())
    other.set_weights([np.abs(w) if w.ndim == 1 else w for w in weights])
    other.save_weights(tmp_path / "m.weights.h5")
    interop.keras.load_weights(model, tmp_path / "m.weights.h5")
    expected = other.predict(x, verbose=0)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs(model, x) / scale, expected / scale, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PAIRS)
def test_to_keras(keras, name, tmp_path):
    model, other, x = both(keras, name)
    if name == "conv":  # Keras's own name of a convolution with groups
        model[4] = nn.Conv2d(8, 6, 2, bias=False)
        other = keras.Sequential(
            [
                keras.Input(x.shape[1:]),
                *other.layers[:4],
                keras.layers.Conv2D(6, 2, use_bias=False),
                *other.layers[5:],
            ]
        )
    interop.keras.save_weights(model, tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    expected = outputs(model, x)
    np.testing.assert_allclose(other.predict(x, verbose=0), expected, atol=1e-5)


def test_there_and_back_without_keras(tmp_path):
    for name in ("mnist-cnn", "pooled"):
        model, other = network(name), network(name, seed=4)
        if name == "pooled":
            for row in (model, other):
                row[7] = nn.BatchNorm1d(5)
        interop.keras.save_weights(model, tmp_path / "m.weights.h5")
        interop.keras.load_weights(other, tmp_path / "m.weights.h5")
        x = inputs(name)
        np.testing.assert_array_equal(outputs(other, x), outputs(model, x))


def test_bad_files(tmp_path):
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    path = tmp_path / "m.weights.h5"
    with pytest.raises(FileNotFoundError, match="no such file"):
        interop.keras.load_weights(model, path)
    with pytest.raises(ValueError, match="path must end in .weights.h5, got m.h5"):
        interop.keras.save_weights(model, "m.h5")
    path.write_bytes(b"no file of HDF5")
    with pytest.raises(ValueError, match="damaged, or no weights of Keras"):
        interop.keras.load_weights(model, path)
    interop.keras.save_weights(model, path)
    before = model.state_dict()
    longer = nn.Sequential(*model, nn.Linear(1, 1))
    with pytest.raises(ValueError, match="fewer dense layers.* none for 3"):
        interop.keras.load_weights(longer, path)
    with pytest.raises(ValueError, match="layers that the model has not: /layers/den"):
        interop.keras.load_weights(nn.Sequential(nn.Linear(3, 2)), path)
    wider = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))
    with pytest.raises(ValueError, match=r"weight must have shape \(3, 5\), got \(3"):
        interop.keras.load_weights(wider, path)
    bare = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Linear(2, 1))
    with pytest.raises(ValueError, match="dense has 2 arrays, but 0 has weight"):
        interop.keras.load_weights(bare, path)
    damaged = bytearray(path.read_bytes())
    damaged[40:400] = bytes(360)
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="damaged, or no weights of Keras"):
        interop.keras.load_weights(model, path)
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


def test_hostile_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    model = nn.Sequential(nn.Linear(3, 2))
    secret, path = tmp_path / "secret.weights.h5", tmp_path / "m.weights.h5"
    interop.keras.save_weights(model, secret)
    with h5py.File(path, "w") as file:
        file["layers/dense"] = h5py.ExternalLink(str(secret), "/layers/dense")
    with pytest.raises(ValueError, match="dense is a link to elsewhere"):
        interop.keras.load_weights(model, path)
    with h5py.File(path, "w") as file:
        variables = file.create_group("layers/dense/vars")
        variables.create_dataset("1", data=np.zeros(2))
        # 4 TB that no byte was written of.
        variables.create_dataset("0", (10**6, 10**6), np.float32, chunks=(64, 64))
    with pytest.raises(ValueError, match=r"must have shape \(3, 2\), got \(1000"):
        interop.keras.load_weights(model, path)
    with h5py.File(path, "w") as file:
        loop = file.create_group("layers/dense")
        loop["layers"] = file["layers"]
    with pytest.raises(ValueError, match="damaged, or no weights of Keras"):
        interop.keras.load_weights(model, path)
