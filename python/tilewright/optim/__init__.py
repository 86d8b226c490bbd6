"""Optimizers, schedules of their learning rates, and limits on gradients.

    opt = optim.Adam(model.parameters(), lr=1e-3)
    loss = nn.functional.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()

Names and behaviour are PyTorch's, and so is the state dict. Each runs a kernel that
moves all parameters in one call.
"""

from tilewright.optim import lr_scheduler
from tilewright.optim.adagrad import Adagrad
from tilewright.optim.adam import Adam, AdamW
from tilewright.optim.clipping import Clipping, clip_grad_norm_, clip_grad_value_
from tilewright.optim.optimizer import Optimizer
from tilewright.optim.rmsprop import RMSprop
from tilewright.optim.sgd import SGD, Momentum, Nesterov

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Clipping",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "RMSprop",
    "clip_grad_norm_",
    "clip_grad_value_",
    "lr_scheduler",
]
