"""Which backend a call goes to: with, use, the environment, auto."""

from __future__ import annotations

import contextvars
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from kernel_backends import HAS_EXTENSION, needs_extension

import tilewright as tw
from tilewright import kernels
from tilewright.errors import BackendUnavailableError
from tilewright.kernels import dispatch

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
BEST = "cpu" if HAS_EXTENSION else "numpy"


def serving(dtype: np.dtype = FLOAT32) -> str:
    return dispatch.for_dtype("op", dtype).name


@pytest.fixture
def a_third() -> str:
    """A backend of its own, so that precedence shows without the extension."""
    name, module = "third", "tilewright.kernels.backends.numpy"
    dispatch.register(name, module)
    yield name
    for known in (dispatch._modules, dispatch._loaded, dispatch._reasons):
        known.pop(name, None)
    dispatch._routes.clear()


@pytest.fixture
def missing() -> str:
    name = "missing"
    dispatch.register(name, "tilewright.kernels.backends.no_such_module")
    yield name
    for known in (dispatch._modules, dispatch._loaded, dispatch._reasons):
        known.pop(name, None)
    dispatch._routes.clear()


def test_auto() -> None:
    kernels.use("auto")
    assert kernels.chosen() == "auto"
    assert serving(FLOAT32) == BEST
    assert serving(FLOAT64) == "numpy"


def test_with_goes_before_use(a_third: str) -> None:
    kernels.use("numpy")
    assert kernels.chosen() == "numpy"
    with kernels.backend(a_third):
        assert kernels.chosen() == a_third
        with kernels.backend("auto"):
            assert kernels.chosen() == "auto" and serving() == BEST
        assert kernels.chosen() == a_third
    assert kernels.chosen() == "numpy" == serving()


def test_with_is_undone_by_an_error() -> None:
    kernels.use("auto")
    with pytest.raises(KeyError), kernels.backend("numpy"):
        raise KeyError
    assert kernels.chosen() == "auto"


def test_the_package_has_the_same_two() -> None:
    assert tw.use is kernels.use and tw.backend is kernels.backend


def test_with_holds_for_its_thread_alone() -> None:
    kernels.use("auto")
    both = Barrier(2, timeout=20)

    def inside() -> list[str]:
        with kernels.backend("numpy"):
            both.wait()
            seen = kernels.chosen()
            both.wait()
        return [seen, kernels.chosen()]

    def outside() -> list[str]:
        both.wait()
        seen = kernels.chosen()
        both.wait()
        return [seen, kernels.chosen()]

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(inside), pool.submit(outside)
    assert one.result() == ["numpy", "auto"]
    assert other.result() == ["auto", "auto"]


def test_with_goes_along_in_a_copied_context() -> None:
    kernels.use("auto")
    with kernels.backend("numpy"):
        context = contextvars.copy_context()
    assert kernels.chosen() == "auto"
    assert context.run(kernels.chosen) == "numpy"


@pytest.mark.parametrize("choose", [kernels.use, lambda name: kernels.backend(name)])
def test_unknown_names(choose) -> None:
    kernels.use("auto")
    for name in ("tpu", "", "CPU"):
        message = "^backend: name must be 'numpy', 'cpu' or 'auto', got"
        with pytest.raises(ValueError, match=message):
            with_or_not = choose(name)
            with_or_not.__enter__()
    assert kernels.chosen() == "auto"


def test_a_backend_by_name_is_never_replaced(missing: str) -> None:
    kernels.use("numpy")
    message = f"^backend '{missing}' is not available: No module named"
    for _ in range(2):  # a failure is remembered, not forgotten
        with pytest.raises(BackendUnavailableError, match=message):
            kernels.use(missing)
        with pytest.raises(BackendUnavailableError), kernels.backend(missing):
            pass
    assert kernels.chosen() == "numpy"
    assert missing not in kernels.available()
    assert "No module named" in dispatch.unavailable_reason(missing)


@needs_extension
def test_float64_is_refused_by_cpu_and_not_passed_on() -> None:
    x = np.ones((2, 2))
    kernels.use("cpu")
    message = (
        "^gemm: backend 'cpu' computes in float32, got float64; convert with "
        r"astype\(np.float32\), or choose tw.backend\('numpy'\)"
    )
    with pytest.raises(TypeError, match=message):
        kernels.gemm(x, x)
    with kernels.backend("numpy"):
        assert kernels.gemm(x, x).dtype == np.float64


def test_results_keep_their_dtype() -> None:
    for dtype in (FLOAT32, FLOAT64):
        x = np.ones((3, 3), dtype)
        assert kernels.gemm(x, x).dtype == dtype
        with kernels.backend("numpy"):
            assert kernels.gemm(x, x).dtype == dtype


def test_available() -> None:
    assert kernels.available() == (["numpy", "cpu"] if HAS_EXTENSION else ["numpy"])
    assert dispatch.names()[:2] == ["numpy", "cpu"]
    assert dispatch.unavailable_reason("numpy") is None


def run(code: str, **environment: str) -> str:
    variables = {**os.environ, **environment}
    result = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True
    )
    return result.stdout + result.stderr


WHICH = "from tilewright import kernels; print(kernels.chosen()); "
LOAD = (
    "import numpy as np; from tilewright.kernels import dispatch;"
    "print(dispatch.for_dtype('op', np.dtype(np.float32)).name)"
)


@pytest.mark.parametrize(
    ("value", "chosen", "serves"),
    [("numpy", "numpy", "numpy"), ("", "auto", BEST), ("auto", "auto", BEST)],
)
def test_environment(value: str, chosen: str, serves: str) -> None:
    printed = run(WHICH + LOAD, TILEWRIGHT_BACKEND=value)
    assert printed.split() == [chosen, serves]


def test_use_goes_before_the_environment() -> None:
    code = "import tilewright as tw; tw.use('auto');" + WHICH
    assert run(code, TILEWRIGHT_BACKEND="numpy").split() == ["auto"]
    code = WHICH + "kernels.use('auto'); print(kernels.chosen())"
    assert run(code, TILEWRIGHT_BACKEND="numpy").split() == ["numpy", "auto"]


def test_a_wrong_environment_is_an_error_at_first_use() -> None:
    printed = run("import tilewright.kernels", TILEWRIGHT_BACKEND="gpu")
    assert printed == ""
    printed = run(WHICH, TILEWRIGHT_BACKEND="gpu")
    assert "ValueError: TILEWRIGHT_BACKEND: must be 'numpy', 'cpu' or 'auto'" in printed


def test_importing_loads_no_backend() -> None:
    code = (
        "import sys, tilewright.kernels as k;"
        "print([m for m in sys.modules if m.startswith('tilewright')"
        " and ('_cpu' in m or 'backends.numpy' in m or 'conformance' in m)])"
    )
    assert run(code).strip() == "[]"
