"""Limits on gradients before each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.optim.clipping import Clipping
from tilewright.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from tilewright.train.run import Run


class GradientClipping(Callback):
    """Limits the gradients' common norm, or each of their elements.

    Parameters
    ----------
    norm : float, optional
        The largest norm of all gradients together.
    value : float, optional
        The largest magnitude of an element, before the norm is taken.
    each : bool, default False
        Limit the norm of each parameter's gradient by itself.

    Raises
    ------
    ValueError
        If neither is given.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> model = tw.nn.Linear(1, 1)
    >>> before = model.weight.data.copy()
    >>> trainer = tw.Trainer(
    ...     model, tw.optim.SGD(model.parameters(), lr=1.0), "mse_loss", metrics=[])
    >>> x = np.full((4, 1), 1000, np.float32)
    >>> _ = trainer.fit(
    ...     (x, x), verbose=False, callbacks=[tw.train.GradientClipping(norm=1.0)])
    >>> bool(abs(model.weight.data - before) < 1.0)
    True
    """

    def __init__(
        self,
        norm: float | None = None,
        value: float | None = None,
        *,
        each: bool = False,
    ) -> None:
        if norm is None and value is None:
            raise ValueError("GradientClipping: norm or value must be given")
        self.norm = norm
        self.value = value
        self.each = each

    @property
    def clipping(self) -> Clipping:
        """What is done at each step."""
        return Clipping(self.norm, self.value, self.each)

    def on_gradients(self, run: Run) -> bool | None:
        """Clip."""
        self.clipping.apply(run.model.parameters())
        return None
