"""Layers that prepare images: rescaling, and augmentation in training.

They compute on arrays, and belong before the first layer with weights: there they are
not part of the step that is differentiated and compiled. Random numbers come from
`tw.manual_seed`, so that a run can be repeated.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn, random
from tilewright.autograd import Tensor
from tilewright.data.augmentation.sampling import INTERPOLATIONS, warp
from tilewright.keras.layers.layer import Layer, Shape
from tilewright.kernels import devices

Array = NDArray[Any]

FILL_MODES = ("reflect", "constant", "wrap", "nearest")  # the default first


class PreparationLayer(Layer):
    """Base of layers that compute on arrays."""

    def transform(self, x: Array, training: bool) -> Array:
        """Prepare a batch of float32.

        Parameters
        ----------
        x : ndarray, shape (N, ...)
        training : bool

        Returns
        -------
        ndarray, of x's shape
        """
        raise NotImplementedError

    def front(self) -> list[Any]:
        """The layer itself."""
        return [self]

    def make(self, shape: Shape) -> list[nn.Module]:
        """A module that stands for the layer where it is not at the front."""
        return [_Prepared(self)]


class _Prepared(nn.Module):
    def __init__(self, layer: PreparationLayer) -> None:
        self.layer = layer

    def forward(self, x: Any) -> Tensor:
        """Prepare a batch; a gradient passes through a scale alone."""
        tensor = x if isinstance(x, Tensor) else Tensor(x)
        if isinstance(self.layer, Rescaling):
            scale, offset = self.layer.scale, self.layer.offset
            scaled = tensor * scale if scale != 1 else tensor
            return scaled + offset if offset else scaled
        if tensor.requires_grad:
            raise ValueError(
                f"{self.layer.name}: must come before the first layer with weights"
            )
        # In evaluation images are what they are, and may stay on a GPU.
        if not self.training:
            return tensor
        changed = self.layer.transform(devices.to_host(tensor.data), True)
        return Tensor(devices.moved(changed, tensor.device))


class Rescaling(PreparationLayer):
    """``x * scale + offset``.

    Parameters
    ----------
    scale : float
    offset : float, default 0.0
    name, input_shape, trainable
        As in :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.keras import layers
    >>> layers.Rescaling(1 / 255)(np.array([[255.0, 0.0]]))
    tensor([[1., 0.]])
    """

    def __init__(self, scale: float, offset: float = 0.0, **general: Any) -> None:
        super().__init__(**general)
        self.scale = float(scale)
        self.offset = float(offset)

    def transform(self, x: Array, training: bool) -> Array:
        """Scale."""
        scaled = x * np.float32(self.scale)
        return scaled + np.float32(self.offset) if self.offset else scaled

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}


class _Augmentation(PreparationLayer):
    """Changes images in training, and nothing in evaluation."""

    def transform(self, x: Array, training: bool) -> Array:
        """Change each image by numbers of its own."""
        if not training:
            return x
        if x.ndim != 4:
            raise ValueError(
                f"{self.name}: expected images (N, H, W, C), got shape {x.shape}"
            )
        return self.change(x)

    def change(self, x: Array) -> Array:
        """Change images (N, H, W, C)."""
        raise NotImplementedError


class RandomFlip(_Augmentation):
    """Images mirrored at random.

    Parameters
    ----------
    mode : {"horizontal_and_vertical", "horizontal", "vertical"}
    seed : int, optional
        Of no effect: the numbers come from `tw.manual_seed`.
    name, input_shape, trainable
        As in :class:`Layer`.

    Raises
    ------
    ValueError
        If there is no such mode.
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        if mode not in ("horizontal_and_vertical", "horizontal", "vertical"):
            raise ValueError(f"RandomFlip: unknown mode {mode!r}")
        self.mode = mode

    def change(self, x: Array) -> Array:
        """Mirror about half of the images."""
        y = x.copy()
        flips = random.generator().random((len(x), 2)) < 0.5
        if "horizontal" in self.mode:
            y[flips[:, 0]] = y[flips[:, 0], :, ::-1]
        if "vertical" in self.mode:
            y[flips[:, 1]] = y[flips[:, 1], ::-1]
        return y

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "mode": self.mode}


class _Warp(_Augmentation):
    """An affine map of the pixels."""

    def __init__(
        self,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        name = type(self).__name__
        if fill_mode not in FILL_MODES:
            raise ValueError(
                f"{name}: fill_mode must be one of {', '.join(FILL_MODES)}, got "
                f"{fill_mode!r}"
            )
        if interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"{name}: interpolation must be one of {', '.join(INTERPOLATIONS)}, "
                f"got {interpolation!r}"
            )
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        self.fill_value = fill_value

    def change(self, x: Array) -> Array:
        """Sample the images where the map sends the pixels."""
        matrix, offset = self.maps(x.shape)
        return warp(
            x, matrix, offset, self.fill_mode, self.fill_value, self.interpolation
        )

    def maps(self, shape: Shape) -> tuple[Array, Array]:
        """Matrices (N, 2, 2) and offsets (N, 2) around the centres of the images."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        own = ("fill_mode", "interpolation", "fill_value")
        return {**super().get_config(), **{name: vars(self)[name] for name in own}}


class RandomRotation(_Warp):
    """Images turned around their centre.

    Parameters
    ----------
    factor : float or pair of float
        Range of the angle in full turns; a number f stands for ``(-f, f)``.
    fill_mode : {"reflect", "constant", "wrap", "nearest"}, default "reflect"
    interpolation : {"bilinear", "nearest"}, default "bilinear"
    seed : int, optional
        Of no effect: the numbers come from `tw.manual_seed`.
    fill_value : float, default 0.0
    name, input_shape, trainable
        As in :class:`Layer`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(self, factor: Any, *options: Any, **general: Any) -> None:
        super().__init__(*options, **general)
        self.factor = _range("RandomRotation", "factor", factor)

    def maps(self, shape: Shape) -> tuple[Array, Array]:
        """A rotation for each image."""
        angle = _drawn(self.factor, shape[0]) * 2 * math.pi
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix = np.stack([cosine, sine, -sine, cosine], axis=1).reshape(-1, 2, 2)
        return matrix, np.zeros((shape[0], 2))

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "factor": list(self.factor)}


class RandomTranslation(_Warp):
    """Images moved.

    Parameters
    ----------
    height_factor, width_factor : float or pair of float
        Range of the shift down and to the right, in heights and widths; a number f
        stands for ``(-f, f)``.
    fill_mode, interpolation, seed, fill_value, name, input_shape, trainable
        As in :class:`RandomRotation`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(
        self, height_factor: Any, width_factor: Any, *options: Any, **general: Any
    ) -> None:
        super().__init__(*options, **general)
        name = "RandomTranslation"
        self.height_factor = _range(name, "height_factor", height_factor)
        self.width_factor = _range(name, "width_factor", width_factor)

    def maps(self, shape: Shape) -> tuple[Array, Array]:
        """A shift for each image."""
        N, H, W = shape[:3]
        down = _drawn(self.height_factor, N) * H
        right = _drawn(self.width_factor, N) * W
        matrix = np.broadcast_to(np.eye(2), (N, 2, 2))
        return matrix, -np.stack([down, right], axis=1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        own = {
            "height_factor": list(self.height_factor),
            "width_factor": list(self.width_factor),
        }
        return {**super().get_config(), **own}


class RandomZoom(_Warp):
    """Images made smaller or larger around their centre.

    Parameters
    ----------
    height_factor : float or pair of float
        Range of how much more is seen: 0.2 shows 1.2 times the height. A number f
        stands for ``(-f, f)``.
    width_factor : float or pair of float, optional
        By default what is drawn for the height.
    fill_mode, interpolation, seed, fill_value, name, input_shape, trainable
        As in :class:`RandomRotation`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        *options: Any,
        **general: Any,
    ) -> None:
        super().__init__(*options, **general)
        name = "RandomZoom"
        self.height_factor = _range(name, "height_factor", height_factor)
        self.width_factor = None
        if width_factor is not None:
            self.width_factor = _range(name, "width_factor", width_factor)

    def maps(self, shape: Shape) -> tuple[Array, Array]:
        """A scaling for each image."""
        rows = columns = 1 + _drawn(self.height_factor, shape[0])
        if self.width_factor is not None:
            columns = 1 + _drawn(self.width_factor, shape[0])
        matrix = np.zeros((shape[0], 2, 2))
        matrix[:, 0, 0], matrix[:, 1, 1] = rows, columns
        return matrix, np.zeros((shape[0], 2))

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        width = self.width_factor
        own = {
            "height_factor": list(self.height_factor),
            "width_factor": None if width is None else list(width),
        }
        return {**super().get_config(), **own}


def _range(layer: str, name: str, factor: Any) -> tuple[float, float]:
    """A number or a pair as a range within [-1, 1]."""
    if isinstance(factor, tuple | list):
        low, high = (float(bound) for bound in factor)
    else:
        low, high = -float(factor), float(factor)
    if not -1 <= low <= high <= 1:
        raise ValueError(
            f"{layer}: {name} must be a number in [0, 1] or a range within [-1, 1], "
            f"got {factor!r}"
        )
    return low, high


def _drawn(bounds: tuple[float, float], size: int) -> NDArray[np.float64]:
    return random.generator().uniform(bounds[0], bounds[1], size)
