"""Finding the compiled kernels: each thing that can be missing is said in words."""

from __future__ import annotations

import importlib.machinery
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tilewright as tw
from tilewright.kernels import cuda_extension, dispatch

ROOT = Path(__file__).resolve().parents[2]
WHEEL = f"install the wheel tilewright-cuda=={tw.__version__}"
BACKEND = "tilewright.kernels.backends.cuda"
Install = Callable[..., ModuleType]


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """No extension, whatever this machine has, and no memory of one."""
    monkeypatch.setattr(cuda_extension, "HOMES", ("tilewright_cuda._cuda",))
    for name in ("tilewright_cuda", "tilewright_cuda._cuda"):
        monkeypatch.setitem(sys.modules, name, None)
    for known in ("_loaded", "_reasons"):
        before = getattr(dispatch, known).items()
        others = {name: value for name, value in before if name != "cuda"}
        monkeypatch.setattr(dispatch, known, others)
    sys.modules.pop(BACKEND, None)
    yield monkeypatch
    sys.modules.pop(BACKEND, None)


@pytest.fixture
def install(nothing: pytest.MonkeyPatch) -> Install:
    """Make an extension appear; what is given replaces what is right."""

    def appear(**wrong: Any) -> ModuleType:
        package = ModuleType("tilewright_cuda")
        extension = ModuleType("tilewright_cuda._cuda")
        for module in (package, extension):
            spec = importlib.machinery.ModuleSpec(module.__name__, None)
            module.__spec__ = spec
            nothing.setitem(sys.modules, module.__name__, module)
        right: dict[str, Any] = {
            "version": tw.__version__,
            "abi": cuda_extension.ABI,
            "architectures": "80-real 90a-real 90-virtual",
            "unavailable_reason": lambda: "",
            "runtime_text": lambda: "CUDA 13.0, driver for 13.0, 1 GPU",
            "gpus": lambda: [("A GPU", (8, 6))],
        }
        vars(extension).update({**right, **wrong})
        nothing.setitem(sys.modules, "cupy", ModuleType("cupy"))
        return extension

    return appear


def reason() -> str:
    found = tw.info()["backends"]["cuda"]
    assert isinstance(found, str)
    return found


def test_no_extension(nothing: pytest.MonkeyPatch) -> None:
    assert reason() == (
        f"the CUDA kernels are not installed: {WHEEL}, or install tilewright from "
        "source, where nvcc is, with -Ccmake.define.TILEWRIGHT_CUDA=ON"
    )
    assert tw.info()["cuda"] is None


def test_all_is_there(install: Install) -> None:
    extension = install()
    assert cuda_extension.load() is extension
    assert cuda_extension.missing(extension) == []
    about = tw.info()["cuda"]
    assert about["extension"] == "tilewright_cuda._cuda"
    assert about["architectures"] == ["80-real", "90a-real", "90-virtual"]
    assert about["gpus"] == ["A GPU (8.6)"]
    assert about["runtime"] == "CUDA 13.0, driver for 13.0, 1 GPU"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"version": "0.0.9"},
            "tilewright_cuda._cuda is of version 0.0.9 and tilewright of "
            f"{tw.__version__}: {WHEEL}",
        ),
        (
            {"abi": 999},
            "tilewright_cuda._cuda has the interface 999 and tilewright calls the "
            f"interface {cuda_extension.ABI}: {WHEEL}, built from the same sources",
        ),
        # As those of before the version was compiled in.
        ({"version": None}, f"is of version None and tilewright of {tw.__version__}"),
    ],
)
def test_what_does_not_fit_is_refused(
    install: Install, wrong: dict[str, Any], message: str
) -> None:
    install(**wrong)
    assert message in reason()
    assert tw.info()["cuda"] is None
    # The rest goes on.
    assert dispatch.unavailable_reason("numpy") is None
    with pytest.raises(tw.errors.BackendUnavailableError, match=re.escape(message)):
        dispatch.load("cuda")


@pytest.mark.parametrize(
    "text",
    [
        "there is no NVIDIA driver on this machine",
        "the NVIDIA driver supports CUDA 12.4, and 13.0 or newer is needed: update the "
        "driver",
        "there is no NVIDIA GPU on this machine",
    ],
)
def test_what_the_machine_lacks(install: Install, text: str) -> None:
    install(unavailable_reason=lambda: text, runtime_text=lambda: text)
    assert reason() == text
    assert tw.info()["cuda"]["runtime"] == text


def test_a_gpu_that_nothing_was_compiled_for(install: Install) -> None:
    install(gpus=lambda: [("Old GPU", (7, 0))])
    assert reason() == (
        "the kernels are compiled for 80-real 90a-real 90-virtual, and no GPU here is "
        "one of these or newer: Old GPU (7.0)"
    )


def test_no_cupy(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    monkeypatch.setitem(sys.modules, "cupy", None)
    extra = "this needs the package 'cupy'; install it with: pip install "
    assert reason() == f"{extra}'tilewright[cuda]'"
    # Two things at once are said at once.
    for known in (dispatch._loaded, dispatch._reasons):
        known.pop("cuda", None)
    install(unavailable_reason=lambda: "there is no driver")
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert reason() == f"there is no driver; {extra}'tilewright[cuda]'"


def test_an_extension_that_does_not_load(
    nothing: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "tilewright_cuda"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "_cuda.so").write_bytes(b"cut short")
    for name in ("tilewright_cuda", "tilewright_cuda._cuda"):
        nothing.delitem(sys.modules, name)
    nothing.syspath_prepend(str(tmp_path))
    assert reason().startswith("tilewright_cuda._cuda does not load (")
    assert reason().endswith(f"): {WHEEL}")
    sys.modules.pop("tilewright_cuda", None)


@pytest.mark.parametrize(
    ("architecture", "capability", "runs"),
    [
        ("75-real", (7, 5), True),
        ("75-real", (7, 0), False),
        ("80-real", (8, 9), True),
        ("86-real", (8, 0), False),
        ("90a-real", (9, 0), True),
        ("90a-real", (10, 0), False),
        ("90-virtual", (12, 0), True),
        ("90-virtual", (8, 9), False),
        ("100-real", (10, 3), True),
        ("120-real", (12, 1), True),
        ("80", (9, 0), True),
        ("80", (7, 5), False),
    ],
)
def test_which_code_runs_where(
    architecture: str, capability: tuple[int, int], runs: bool
) -> None:
    assert cuda_extension.runs_on(architecture, capability) is runs


def test_both_sides_name_one_interface(extension: ModuleType) -> None:
    assert extension.abi == cuda_extension.ABI
