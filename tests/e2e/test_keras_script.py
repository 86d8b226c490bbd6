"""A script for tensorflow.keras with its import lines changed alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tilewright.data import mnist_folder

# As in TensorFlow's own guide; its first two lines were
#     import tensorflow as tf
#     from tensorflow.keras import layers, models
SCRIPT = """
import tilewright as tf
from tilewright.keras import layers, models

tf.random.set_seed(0)
(train_images, train_labels), (test_images, test_labels) = (
    tf.keras.datasets.mnist.load_data()
)
train_images = train_images.reshape((60000, 28, 28, 1)).astype("float32") / 255
test_images = test_images.reshape((10000, 28, 28, 1)).astype("float32") / 255

model = models.Sequential()
model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(64, (3, 3), activation="relu"))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(64, (3, 3), activation="relu"))
model.add(layers.Flatten())
model.add(layers.Dense(64, activation="relu"))
model.add(layers.Dense(10, activation="softmax"))
model.summary()

model.compile(
    optimizer="adam",
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(
    train_images, train_labels, epochs=5, batch_size=64, validation_split=0.1, verbose=2
)
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=2)
print("Test accuracy:", test_acc)
"""


def test_the_script_reaches_what_keras_does() -> None:
    if mnist_folder() is None:
        pytest.skip("MNIST is not on this machine (TILEWRIGHT_DATA_DIR)")
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "Total params: 93,322" in lines
    assert float(lines[-1].removeprefix("Test accuracy: ")) >= 0.985
