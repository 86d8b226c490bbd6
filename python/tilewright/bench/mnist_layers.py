"""Real data for the layers of the MNIST network.

How much a kernel gains from zeros depends on where they are. Random pixels leave
almost no pooled pixel of the second layer alive and flatter a kernel that skips the
dead ones; so these layers are timed on digits, taken from the sample in the
package, and on what the layers before them make of those.
"""

from __future__ import annotations

import numpy as np

from tilewright.bench.arrays import filters, normal
from tilewright.bench.case import Array

# What the layer that takes (C, H) sees.
MNIST_LAYERS = {(1, 28): "image", (32, 13): "pool1", (64, 5): "pool2"}


def mnist_input(layer: str, N: int, H: int, rng: np.random.Generator) -> Array:
    """Input of one of the network's convolutions, for digits.

    Parameters
    ----------
    layer : str
        "image"; "pool1" or "pool2", behind the first or second pooling.
    N : int
        Images.
    H : int
        Rows and columns of "image" that are kept: the middle ones.
    rng : numpy.random.Generator
        Draws the images and the weights before the layer.

    Returns
    -------
    ndarray of float32
        (N, H, H, C)
    """
    from tilewright import kernels
    from tilewright.data import mnist_sample

    images = mnist_sample()[0].x
    x: Array = np.asarray(images[rng.permutation(len(images))[:N]], np.float32)
    if layer == "image":
        first = (x.shape[1] - H) // 2
        return np.ascontiguousarray(x[:, first : first + H, first : first + H])
    with kernels.backend("numpy"):
        for C, K in ((1, 32), (32, 64))[: 1 if layer == "pool1" else 2]:
            x, _ = kernels.conv2d_max_pool2d(
                x,
                filters(rng, 3, 3, C, K),
                2,
                bias=normal(rng, K, scale=0.05),
                activation="relu",
            )
    # Where an image is blank all pixels are alike, and which of four equal sums is
    # the greatest depends on their rounding: two right gradients would then differ.
    # Zeros stay where they are.
    x *= rng.uniform(0.5, 1.5, x.shape).astype(np.float32)
    return x
