"""Batch normalization layers."""

from __future__ import annotations

import numpy as np

from tilewright.autograd import Tensor, watch
from tilewright.kernels import checks
from tilewright.nn import functional, init, sizes
from tilewright.nn.module import Module
from tilewright.nn.parameter import Parameter
from tilewright.nn.types import Array, TensorLike


class _BatchNorm(Module):
    """What the two layers have in common: all but the number of dimensions."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Array | None
    running_var: Array | None
    num_batches_tracked: Array | None

    # Numbers of dimensions that x may have, and how that is said.
    _dimensions: tuple[int, ...] = ()
    _layout = ""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        name = type(self).__name__
        self.num_features = sizes.positive(name, "num_features", num_features)
        self.eps = checks.number(name, "eps", eps)
        self.momentum = momentum
        if momentum is not None:
            checks.number(name, "momentum", momentum, 0.0, 1.0)
        ones, zeros = np.ones(num_features, np.float32), np.zeros(num_features, "f4")
        self.weight = Parameter(ones) if affine else None
        self.bias = Parameter(zeros) if affine else None
        self.track_running_stats = track_running_stats
        if track_running_stats:
            self.register_buffer("running_mean", zeros.copy())
            self.register_buffer("running_var", ones.copy())
            self.register_buffer("num_batches_tracked", np.zeros((), np.int64))
        else:
            self.running_mean = self.running_var = self.num_batches_tracked = None

    def reset_running_stats(self) -> None:
        """Forget what the layer knows of the data."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean[...] = 0
            self.running_var[...] = 1
        if self.num_batches_tracked is not None:
            self.num_batches_tracked[...] = 0

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and no knowledge of the data."""
        self.reset_running_stats()
        if self.weight is not None and self.bias is not None:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def forward(self, x: TensorLike) -> Tensor:
        """Normalize by the batch in training, by the running values in evaluation."""
        return self.activated(x, "none")

    def activated(self, x: TensorLike, activation: str) -> Tensor:
        """What `forward` returns, after an activation: "none" or "relu"."""
        shape: tuple[int, ...] = getattr(x, "shape", ())
        if len(shape) not in self._dimensions or shape[-1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: x must have shape {self._layout} with C = "
                f"{self.num_features}, got {shape or type(x).__name__}"
            )
        momentum = self.momentum
        tracked = self.num_batches_tracked
        if self.training and tracked is not None:
            watch.count(tracked)
            if momentum is None:  # the mean over all batches so far
                momentum = 1 / int(tracked)
                watch.report(f"{type(self).__name__} without a momentum")
        return functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum or 0.0,
            self.eps,
            unbiased=self.unbiased,
            activation=activation,
        )

    # Of the running variance; Keras's is the batch's own.
    unbiased: bool = True

    def extra_repr(self) -> str:
        """All options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.weight is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Each feature of rows or of sequences with mean 0 and variance 1.

    Parameters
    ----------
    num_features : int
        C.
    eps : float, default 1e-5
        Added to the variance.
    momentum : float or None, default 0.1
        How far the running values move to the batch's; None keeps their mean over
        all batches.
    affine : bool, default True
        Whether there are a weight and a bias.
    track_running_stats : bool, default True
        If False, evaluation takes the batch's values too.

    Attributes
    ----------
    weight, bias : Parameter, shape (C,), or None
    running_mean, running_var : ndarray, shape (C,), or None
    num_batches_tracked : ndarray of int64, shape (), or None

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If a number is none.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch Normalization", 2015,
    https://arxiv.org/abs/1502.03167.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> layer = nn.BatchNorm1d(2)
    >>> layer(np.array([[0, 1], [2, 3]], np.float32)).data.round(2)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> layer.running_mean
    array([0.1, 0.2], dtype=float32)
    """

    _dimensions = (2, 3)
    _layout = "(N, C) or (N, T, C)"


class BatchNorm2d(_BatchNorm):
    """Each channel of images with mean 0 and variance 1.

    Parameters
    ----------
    num_features : int
        C.
    eps : float, default 1e-5
        Added to the variance.
    momentum : float or None, default 0.1
        How far the running values move to the batch's; None keeps their mean over
        all batches.
    affine : bool, default True
        Whether there are a weight and a bias.
    track_running_stats : bool, default True
        If False, evaluation takes the batch's values too.

    Attributes
    ----------
    weight, bias : Parameter, shape (C,), or None
    running_mean, running_var : ndarray, shape (C,), or None
    num_batches_tracked : ndarray of int64, shape (), or None

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If a number is none.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch Normalization", 2015,
    https://arxiv.org/abs/1502.03167.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> layer = nn.BatchNorm2d(3)
    >>> layer(np.ones((2, 4, 4, 3), np.float32)).shape
    (2, 4, 4, 3)
    >>> layer.eval()(np.ones((1, 1, 1, 3), np.float32)).shape
    (1, 1, 1, 3)
    """

    _dimensions = (4,)
    _layout = "(N, H, W, C)"
