"""The numpy backend and the C++ kernels train alike."""

import numpy as np
import pytest
from command_line import HAS_EXTENSION, NO_EXTENSION

import tilewright as tw
from tilewright.data import mnist_sample
from tilewright.models import mnist_cnn
from tilewright.nn import functional


def first_losses(backend: str, steps: int) -> np.ndarray:
    losses = []

    def loss(outputs, targets):
        value = functional.cross_entropy(outputs, targets)
        losses.append(value.item())
        return value

    train, _ = mnist_sample()
    with tw.backend(backend):
        # Not any seed: where rounding makes another pixel win a max-pool, Adam
        # amplifies the difference (docs/reproducibility.md).
        tw.manual_seed(2)
        model = mnist_cnn()
        trainer = tw.Trainer(model, tw.optim.Adam(model.parameters(), lr=1e-3), loss)
        part = train.subset(range(steps * 32))
        trainer.fit(part, batch_size=32, verbose=False)
    return np.array(losses)


@pytest.mark.skipif(not HAS_EXTENSION, reason=NO_EXTENSION)
def test_first_fifty_losses():
    ours, reference = first_losses("cpu", 50), first_losses("numpy", 50)
    assert len(ours) == 50
    assert ours[-10:].mean() < 0.5 * ours[:3].mean()
    difference = np.abs(ours - reference) / reference
    print(f"largest relative difference of 50 losses: {difference.max():.1e}")
    assert difference.max() < 1e-4
