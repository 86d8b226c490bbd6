"""Frozen layers, callbacks and schedules of one's own, a loop by train_on_batch."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

keras.utils.set_random_seed(0)


class LossHistory(keras.callbacks.Callback):
    """The loss of each batch."""

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs.get("loss"))


class EarlyStoppingAtMinLoss(keras.callbacks.Callback):
    """An end when the loss is at its least, as Keras's guide has it."""

    def __init__(self, patience=0):
        super().__init__()
        self.patience = patience
        self.best_weights = None

    def on_train_begin(self, logs=None):
        self.wait = 0
        self.best = np.inf

    def on_epoch_end(self, epoch, logs=None):
        current = logs.get("loss")
        if np.less(current, self.best):
            self.best = current
            self.wait = 0
            self.best_weights = self.model.get_weights()
        else:
            self.wait += 1
            if self.wait >= self.patience:
                self.model.stop_training = True
                self.model.set_weights(self.best_weights)


data_augmentation = keras.Sequential(
    [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)]
)
base_model = keras.Sequential(
    [
        layers.Input(shape=(16, 16, 3)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Conv2D(8, 3, activation="relu"),
    ],
    name="base",
)
base_model.trainable = False
inputs = keras.Input(shape=(16, 16, 3))
x = data_augmentation(inputs)
x = layers.Rescaling(scale=1 / 127.5, offset=-1)(x)
x = base_model(x, training=False)
x = layers.GlobalAveragePooling2D()(x)
x = layers.Dropout(0.2)(x)
outputs = layers.Dense(1)(x)
model = keras.Model(inputs, outputs)
model.summary(show_trainable=True)
assert len(model.trainable_weights) == 2 and len(model.non_trainable_weights) >= 8

x_train = np.random.randint(255, size=(128, 16, 16, 3)).astype("uint8")
y_train = np.random.randint(2, size=(128, 1))
loss = keras.losses.BinaryCrossentropy(from_logits=True)
model.compile(
    optimizer=keras.optimizers.Adam(),
    loss=loss,
    metrics=[keras.metrics.BinaryAccuracy()],
)
before = [w.copy() for w in base_model.get_weights()]
history = LossHistory()
model.fit(
    x_train,
    y_train,
    epochs=2,
    validation_split=0.25,
    callbacks=[history, EarlyStoppingAtMinLoss()],
)
assert len(history.losses) == 6
for old, new in zip(before, base_model.get_weights(), strict=True):
    assert (old == new).all()

base_model.trainable = True
for layer in base_model.layers[:2]:
    layer.trainable = False
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
model.fit(x_train, y_train, epochs=1)
changed = [
    (old != new).any()
    for old, new in zip(before, base_model.get_weights(), strict=True)
]
assert changed == [False] * 6 + [True] * 2

lr_schedule = keras.optimizers.schedules.ExponentialDecay(
    0.1, decay_steps=2, decay_rate=0.96, staircase=True
)
model.compile(optimizer=keras.optimizers.SGD(learning_rate=lr_schedule), loss=loss)
model.fit(x_train, y_train, epochs=2, verbose=0)


def scheduler(epoch, lr):
    """The rate of an epoch."""
    return lr if epoch < 1 else lr * float(np.exp(-0.1))


model.compile(keras.optimizers.SGD(), loss=loss)
callback = keras.callbacks.LearningRateScheduler(scheduler, verbose=1)
model.fit(x_train, y_train, epochs=2, callbacks=[callback], verbose=0)
assert round(float(model.optimizer.learning_rate), 5) == 0.00905

model.compile(
    optimizer="adam", loss=loss, metrics=[keras.metrics.BinaryAccuracy(name="acc")]
)
train_loss = keras.metrics.Mean()
for epoch in range(2):
    for start in range(0, len(x_train), 32):
        batch = slice(start, start + 32)
        logs = model.train_on_batch(x_train[batch], y_train[batch], return_dict=True)
        train_loss.update_state(logs["loss"])
    print(f"Epoch {epoch + 1}: loss {float(train_loss.result()):.4f}")
    train_loss.reset_state()
copied = keras.models.clone_model(model)
copied.set_weights(model.get_weights())
assert np.allclose(copied.predict(x_train), model.predict(x_train), atol=1e-5)
