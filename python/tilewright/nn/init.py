"""Initial values of parameters, written in place.

All draw from the generator that :func:`tilewright.manual_seed` sets, in float32, so
that a float32 and a float64 model start from the very same numbers. The names are
PyTorch's; ``glorot_*`` and ``he_*`` are the same functions under the names of their
inventors.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from tilewright.autograd import Tensor
from tilewright.kernels import checks, devices
from tilewright.nn.types import Array, TensorLike
from tilewright.random import generator

_Target = TypeVar("_Target", bound=TensorLike)
_MODES = ("fan_in", "fan_out")
_GAINS = {
    "linear": 1.0,
    "conv2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
}
_NONLINEARITIES = (*_GAINS, "leaky_relu")


def fans(weight: TensorLike) -> tuple[int, int]:
    """Number of inputs that one output of a layer sees, and the converse.

    Parameters
    ----------
    weight : Tensor or ndarray, shape (in, out) or (R, S, C / groups, K)

    Returns
    -------
    fan_in, fan_out : int
        ``(in, out)``, or ``(R S C / groups, R S K)``.

    Raises
    ------
    ValueError
        If it has fewer than 2 dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import init
    >>> init.fans(np.empty((3, 3, 16, 32), np.float32))
    (144, 288)
    """
    shape = weight.shape
    if len(shape) < 2:
        raise ValueError(
            f"init: weight must have at least 2 dimensions to have fans, got {shape}"
        )
    taps = math.prod(shape[:-2])
    return taps * shape[-2], taps * shape[-1]


def calculate_gain(nonlinearity: str, negative_slope: float = 0.01) -> float:
    """Factor that keeps the variance through an activation.

    Parameters
    ----------
    nonlinearity : str
        ``"linear"``, ``"conv2d"``, ``"sigmoid"``, ``"tanh"``, ``"relu"`` or
        ``"leaky_relu"``.
    negative_slope : float, default 0.01
        Of ``"leaky_relu"``.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there is no such activation.

    Examples
    --------
    >>> from tilewright.nn import init
    >>> init.calculate_gain("tanh")
    1.6666666666666667
    """
    checks.choice("calculate_gain", "nonlinearity", nonlinearity, _NONLINEARITIES)
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + negative_slope**2))
    return _GAINS[nonlinearity]


def uniform_(target: _Target, low: float = 0.0, high: float = 1.0) -> _Target:
    """Draw from the uniform distribution between `low` and `high`.

    Parameters
    ----------
    target : Tensor or ndarray
        Overwritten and returned.
    low, high : float, default 0 and 1

    Raises
    ------
    ValueError
        If low is above high.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import init
    >>> init.uniform_(np.empty(3, np.float32), 2, 2)
    array([2., 2., 2.], dtype=float32)
    """
    if not low <= high:
        raise ValueError(f"uniform_: low must be at most high, got {low} and {high}")
    return _write(target, _uniform(low, high, target.shape))


def normal_(target: _Target, mean: float = 0.0, std: float = 1.0) -> _Target:
    """Draw from the normal distribution.

    Parameters
    ----------
    target : Tensor or ndarray
        Overwritten and returned.
    mean, std : float, default 0 and 1

    Raises
    ------
    ValueError
        If std is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import init
    >>> init.normal_(np.empty(2, np.float32), mean=3, std=0)
    array([3., 3.], dtype=float32)
    """
    if not std >= 0:
        raise ValueError(f"normal_: std must be at least 0, got {std}")
    return _write(target, _normal(mean, std, target.shape))


def constant_(target: _Target, value: float) -> _Target:
    """Set all elements to a number.

    Parameters
    ----------
    target : Tensor or ndarray
        Overwritten and returned.
    value : float

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import init
    >>> init.constant_(np.empty(2, np.float32), 7)
    array([7., 7.], dtype=float32)
    """
    return _write(target, np.asarray(value))


def zeros_(target: _Target) -> _Target:
    """Set all elements to 0; see :func:`constant_`."""
    return constant_(target, 0.0)


def ones_(target: _Target) -> _Target:
    """Set all elements to 1; see :func:`constant_`."""
    return constant_(target, 1.0)


def xavier_uniform_(target: _Target, gain: float = 1.0) -> _Target:
    """Draw from U(-b, b) with ``b = gain sqrt(6 / (fan_in + fan_out))``.

    Parameters
    ----------
    target : Tensor or ndarray, shape (in, out) or (R, S, C / groups, K)
        Overwritten and returned.
    gain : float, default 1.0
        See :func:`calculate_gain`.

    Raises
    ------
    ValueError
        If the target has fewer than 2 dimensions.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", AISTATS 2010, equation 16.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import init
    >>> weight = init.xavier_uniform_(np.empty((2, 4), np.float32))
    >>> bool((abs(weight) <= 1).all())
    True
    """
    fan_in, fan_out = fans(target)
    bound = gain * math.sqrt(6 / max(fan_in + fan_out, 1))
    return _write(target, _uniform(-bound, bound, target.shape))


def xavier_normal_(target: _Target, gain: float = 1.0) -> _Target:
    """Draw from the normal distribution, ``std = gain sqrt(2 / (fan_in + fan_out))``.

    Parameters
    ----------
    target : Tensor or ndarray, shape (in, out) or (R, S, C / groups, K)
        Overwritten and returned.
    gain : float, default 1.0
        See :func:`calculate_gain`.

    Raises
    ------
    ValueError
        If the target has fewer than 2 dimensions.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", AISTATS 2010, equation 12.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import init
    >>> init.xavier_normal_(np.empty((2, 4), np.float32)).shape
    (2, 4)
    """
    fan_in, fan_out = fans(target)
    std = gain * math.sqrt(2 / max(fan_in + fan_out, 1))
    return _write(target, _normal(0.0, std, target.shape))


def kaiming_uniform_(
    target: _Target,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
) -> _Target:
    """Draw from U(-b, b) with ``b = gain sqrt(3 / fan)``.

    Parameters
    ----------
    target : Tensor or ndarray, shape (in, out) or (R, S, C / groups, K)
        Overwritten and returned.
    a : float, default 0.0
        Negative slope of the leaky_relu that follows; 0 is relu.
    mode : {"fan_in", "fan_out"}, default "fan_in"
        Whether the variance is kept forward or backward.
    nonlinearity : str, default "leaky_relu"
        Decides the gain: see :func:`calculate_gain`.

    Raises
    ------
    ValueError
        If the target has fewer than 2 dimensions, or an option is unknown.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Delving Deep into Rectifiers", ICCV 2015,
    https://arxiv.org/abs/1502.01852, equations 10 and 14.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import init
    >>> weight = init.kaiming_uniform_(np.empty((6, 4), np.float32))
    >>> bool((abs(weight) <= 1).all())
    True
    """
    std = _kaiming_std("kaiming_uniform_", target, a, mode, nonlinearity)
    bound = math.sqrt(3) * std
    return _write(target, _uniform(-bound, bound, target.shape))


def kaiming_normal_(
    target: _Target,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
) -> _Target:
    """Draw from the normal distribution with ``std = gain / sqrt(fan)``.

    Parameters
    ----------
    target : Tensor or ndarray, shape (in, out) or (R, S, C / groups, K)
        Overwritten and returned.
    a, mode, nonlinearity
        As in :func:`kaiming_uniform_`.

    Raises
    ------
    ValueError
        If the target has fewer than 2 dimensions, or an option is unknown.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Delving Deep into Rectifiers", ICCV 2015,
    https://arxiv.org/abs/1502.01852, equations 10 and 14.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import init
    >>> init.kaiming_normal_(np.empty((6, 4), np.float32)).shape
    (6, 4)
    """
    std = _kaiming_std("kaiming_normal_", target, a, mode, nonlinearity)
    return _write(target, _normal(0.0, std, target.shape))


glorot_uniform_ = xavier_uniform_
glorot_normal_ = xavier_normal_
he_uniform_ = kaiming_uniform_
he_normal_ = kaiming_normal_


def _kaiming_std(
    op: str, target: TensorLike, a: float, mode: str, nonlinearity: str
) -> float:
    checks.choice(op, "mode", mode, _MODES)
    fan = fans(target)[_MODES.index(mode)]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def _uniform(low: float, high: float, shape: tuple[int, ...]) -> Array:
    values = np.asarray(generator().random(shape, dtype=np.float32))
    values *= np.float32(high - low)
    values += np.float32(low)
    return values


def _normal(mean: float, std: float, shape: tuple[int, ...]) -> Array:
    values = np.asarray(generator().standard_normal(shape, dtype=np.float32))
    values *= np.float32(std)
    values += np.float32(mean)
    return values


def _write(target: _Target, values: Array) -> _Target:
    """Overwrite, and let a graph that has saved the old values know."""
    if isinstance(target, Tensor):
        devices.assign(target.data, values)
        target._version.number += 1
    else:
        devices.assign(target, values)
    return target
