"""A dense and a convolutional autoencoder of digits."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers, regularizers

keras.utils.set_random_seed(0)
(x_train, _), (x_test, _) = keras.datasets.mnist.load_data()
x_train = x_train[:1000].astype("float32") / 255.0
x_test = x_test[:200].astype("float32") / 255.0
x_train = x_train.reshape((len(x_train), np.prod(x_train.shape[1:])))
x_test = x_test.reshape((len(x_test), np.prod(x_test.shape[1:])))

encoding_dim = 32
input_img = keras.Input(shape=(784,))
encoded = layers.Dense(
    encoding_dim, activation="relu", activity_regularizer=regularizers.l1(1e-6)
)(input_img)
decoded = layers.Dense(784, activation="sigmoid")(encoded)
autoencoder = keras.Model(input_img, decoded)
encoder = keras.Model(input_img, encoded)
encoded_input = keras.Input(shape=(encoding_dim,))
decoder_layer = autoencoder.layers[-1]
decoder = keras.Model(encoded_input, decoder_layer(encoded_input))
autoencoder.compile(optimizer="adam", loss="binary_crossentropy")
history = autoencoder.fit(
    x_train,
    x_train,
    epochs=4,
    batch_size=128,
    shuffle=True,
    validation_data=(x_test, x_test),
)
assert history.history["val_loss"][-1] < history.history["val_loss"][0]
decoded_imgs = decoder.predict(encoder.predict(x_test))
assert np.allclose(decoded_imgs, autoencoder.predict(x_test), atol=1e-5)

input_img = keras.Input(shape=(28, 28, 1))
x = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(input_img)
x = layers.MaxPooling2D((2, 2), padding="same")(x)
x = layers.Conv2D(4, (3, 3), activation="relu", padding="same")(x)
encoded = layers.MaxPooling2D((2, 2), padding="same")(x)
x = layers.Conv2D(4, (3, 3), activation="relu", padding="same")(encoded)
x = layers.UpSampling2D((2, 2))(x)
x = layers.Conv2DTranspose(8, (3, 3), strides=2, activation="relu", padding="same")(x)
decoded = layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x)
autoencoder = keras.Model(input_img, decoded)
autoencoder.compile(optimizer="adam", loss="mse")
x_train = np.reshape(x_train, (len(x_train), 28, 28, 1))
x_test = np.reshape(x_test, (len(x_test), 28, 28, 1))
before = autoencoder.evaluate(x_test, x_test, verbose=0)
autoencoder.fit(x_train, x_train, epochs=3, batch_size=64)
error = autoencoder.evaluate(x_test, x_test, verbose=0)
print("Test error:", error)
assert error < 0.95 * before
