"""Without the compiled extension NumPy serves everything, and says so."""

from __future__ import annotations

from processes import run_python

HIDE = "import sys; sys.modules['tilewright._cpu'] = None\n"
X = "x = np.ones((2, 3), np.float32)\n"


def run_without(code: str, **environment: str | None) -> str:
    return run_python(X + code, before=HIDE, **environment)


def test_numpy_serves_float32() -> None:
    run_without(
        """
assert kernels.gemm(x, x, transpose_b=True).tolist() == [[3, 3], [3, 3]]
assert tw.info()["backend"] == "numpy"
"""
    )


def test_one_warning_at_the_most() -> None:
    run_without(
        """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    kernels.gemm(x, x, transpose_b=True)
    kernels.softmax(x)
    tw.info()
assert len(caught) <= 1, [str(w.message) for w in caught]
"""
    )


def test_info_says_why() -> None:
    printed = run_without("print(tw.info()['backends']['cpu'])")
    assert "_cpu" in printed or "extension" in printed
    run_without("assert tw.info()['isa'] is None")


def test_cpu_by_name_is_refused() -> None:
    printed = run_without(
        """
from tilewright.errors import BackendUnavailableError
def refused(call):
    try:
        call()
    except BackendUnavailableError as error:
        print(error)
        return True
def in_context():
    with tw.backend("cpu"):
        kernels.softmax(x)
def process_wide():
    tw.use("cpu")
    kernels.softmax(x)
assert refused(in_context)
assert refused(process_wide)
"""
    )
    assert printed.count("cpu") >= 2


def test_cpu_by_environment_is_refused() -> None:
    run_without(
        """
from tilewright.errors import BackendUnavailableError
try:
    kernels.softmax(x)
except BackendUnavailableError:
    pass
else:
    raise AssertionError("NumPy answered for cpu")
""",
        TILEWRIGHT_BACKEND="cpu",
    )


def test_a_model_trains() -> None:
    run_without(
        """
from tilewright import nn, optim
tw.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
optimizer = optim.Adam(model.parameters(), lr=1e-2)
images = np.random.default_rng(0).random((6, 8, 8, 1), np.float32)
labels = np.arange(6) % 3
losses = []
for _ in range(20):
    loss = nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0] / 2, losses
"""
    )
