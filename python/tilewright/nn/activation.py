"""Activations as layers; after Conv2d or Linear, Sequential fuses most of them."""

from __future__ import annotations

from tilewright.autograd import Tensor
from tilewright.kernels import checks
from tilewright.nn import functional
from tilewright.nn.module import Module
from tilewright.nn.types import TensorLike


class ReLU(Module):
    """``max(x, 0)``; the gradient at 0 is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.ReLU()(np.array([-1, 2], np.float32))
    tensor([0., 2.])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.relu(x)


class LeakyReLU(Module):
    """``x`` where it is positive, else ``negative_slope * x``.

    Parameters
    ----------
    negative_slope : float, default 0.01

    Raises
    ------
    ValueError
        If the slope is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.LeakyReLU(0.5)(np.array([-2, 2], np.float32))
    tensor([-1.,  2.])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        checks.number("LeakyReLU", "negative_slope", negative_slope)
        self.negative_slope = negative_slope

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class GELU(Module):
    """``x`` times the normal distribution function of x.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.GELU()(np.zeros(2, np.float32))
    tensor([0., 0.])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.gelu(x)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.Sigmoid()(np.zeros(1, np.float32))
    tensor([0.5000])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.sigmoid(x)


class Tanh(Module):
    """Hyperbolic tangent.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.Tanh()(np.zeros(1, np.float32))
    tensor([0.])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.tanh(x)


class ELU(Module):
    """``x`` where it is positive, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    alpha : float, default 1.0

    Raises
    ------
    ValueError
        If alpha is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.ELU()(np.array([-1, 2], np.float32))
    tensor([-0.6321,  2.0000])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = checks.number("ELU", "alpha", alpha)

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """The factor."""
        return f"alpha={self.alpha}"


class SELU(Module):
    """ELU scaled so that layers keep mean 0 and variance 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.SELU()(np.array([-1, 2], np.float32))
    tensor([-1.1113,  2.1014])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.selu(x)


class SiLU(Module):
    """``x * sigmoid(x)``, also called swish.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.SiLU()(np.array([-1, 2], np.float32))
    tensor([-0.2689,  1.7616])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.silu(x)


class Softplus(Module):
    """``log(1 + exp(x))``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.Softplus()(np.array([0], np.float32))
    tensor([0.6931])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.softplus(x)


class Softsign(Module):
    """``x / (1 + abs(x))``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.Softsign()(np.array([-1, 3], np.float32))
    tensor([-0.5000,  0.7500])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.softsign(x)


class ReLU6(Module):
    """``min(max(x, 0), 6)``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.ReLU6()(np.array([-1, 3, 8], np.float32))
    tensor([0., 3., 6.])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.relu6(x)


class Hardsigmoid(Module):
    """``relu6(x + 3) / 6``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.Hardsigmoid()(np.array([-3, 0, 5], np.float32))
    tensor([0.0000, 0.5000, 1.0000])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Apply to each element."""
        return functional.hardsigmoid(x)


class Softmax(Module):
    """``exp(x) / sum(exp(x))`` along an axis; CrossEntropyLoss has it inside.

    Parameters
    ----------
    axis : int, default -1

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.Softmax()(np.zeros((1, 2), np.float32))
    tensor([[0.5000, 0.5000]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: TensorLike) -> Tensor:
        """Apply along the axis."""
        return functional.softmax(x, self.axis)

    def extra_repr(self) -> str:
        """The axis."""
        return f"axis={self.axis}"


class LogSoftmax(Module):
    """``x - log(sum(exp(x)))`` along an axis.

    Parameters
    ----------
    axis : int, default -1

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.LogSoftmax()(np.zeros((1, 2), np.float32))
    tensor([[-0.6931, -0.6931]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: TensorLike) -> Tensor:
        """Apply along the axis."""
        return functional.log_softmax(x, self.axis)

    def extra_repr(self) -> str:
        """The axis."""
        return f"axis={self.axis}"
