"""Optimizers: each a thin holder of state around one kernel.

    opt = optim.Adam(model.parameters(), lr=1e-3)
    loss = nn.functional.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()

Names and behaviour are PyTorch's, and so is the state dict.
"""

from tilewright.optim.adam import Adam, AdamW
from tilewright.optim.optimizer import Optimizer
from tilewright.optim.sgd import SGD, Momentum, Nesterov

__all__ = ["SGD", "Adam", "AdamW", "Momentum", "Nesterov", "Optimizer"]
