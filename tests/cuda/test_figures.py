"""The kernels as nvcc compiles them: no figure of the table may become worse."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    file = ROOT / "tools" / "cuda_figures.py"
    spec = importlib.util.spec_from_file_location("cuda_figures", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def known(figures: ModuleType) -> dict:
    return json.loads((figures.FOLDER / "figures.json").read_text())


def test_the_pages_are_of_these_figures(figures: ModuleType, known: dict) -> None:
    for architecture, kernels in known.items():
        page = (figures.FOLDER / f"figures_{architecture}.md").read_text()
        assert page == figures.page(architecture, kernels)


def test_nothing_spills(known: dict) -> None:
    spilling = [
        (architecture, name)
        for architecture, kernels in known.items()
        for name, one in kernels.items()
        if one["spilled bytes"]
    ]
    assert spilling == []


def test_large_aligned_products_are_arithmetic(known: dict) -> None:
    for kernels in known.values():
        names = [n for n in kernels if n.startswith("gemm_simt_kernel<128, 128")]
        aligned = [n for n in names if n.endswith("true>")]
        assert len(aligned) == 4
        for name in aligned:
            loop = kernels[name]["main loop"]
            assert kernels[name]["arithmetic share"] >= 0.85, name
            assert loop["LDG.128"] and "LDG" not in loop, name
            assert "LDS" not in loop and "local" not in loop, name


def test_few_rows_or_columns_are_read_by_quads(known: dict) -> None:
    """Of the large operand; eight blocks of 64 threads on a multiprocessor."""
    for kernels in known.values():
        for tile in ("16, 128", "128, 16"):
            names = [n for n in kernels if n.startswith(f"gemm_simt_kernel<{tile}")]
            assert len(names) == 8
            for name in (n for n in names if n.endswith("true>")):
                assert kernels[name]["main loop"]["LDG.128"] == 8, name
                assert kernels[name]["threads of an SM"] == 512, name


CONVOLUTIONS = (
    "conv2d_kernel<128, {}, 2, true>",
    "conv2d_max_pool2d_kernel<128, {}, 2, true>",
    "conv2d_backward_input_kernel<128, {}, 2>",
    "conv2d_backward_weight_kernel<128, {}, true, true>",
)


@pytest.mark.parametrize("columns", [64, 128])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_large_aligned_convolutions_are_arithmetic(
    known: dict, name: str, columns: int
) -> None:
    name = name.format(columns)
    for kernels in known.values():
        loop = kernels[name]["main loop"]
        assert kernels[name]["arithmetic share"] >= 0.85
        assert loop["LDG.128"] and "LDG" not in loop
        assert "LDS" not in loop and "local" not in loop


# A warp's 64 x 32 x 16 takes 32 products of m16n8k8, 16 of m16n8k16.
PRODUCTS = {1: 32, 2: 96, 3: 16}


def test_tensor_core_loops_are_what_the_tiles_say(known: dict) -> None:
    for kernels in known.values():
        for precision, count in PRODUCTS.items():
            prefix = f"gemm_tensor_core_kernel<{precision},"
            names = [n for n in kernels if n.startswith(prefix)]
            assert len(names) == 8
            for name in names:
                loop = kernels[name]["main loop"]
                assert loop["HMMA"] % count == 0, name
                assert ("LDGSTS.128" in loop) == name.endswith("true>"), name


def test_hopper_loops_do_little_but_multiply(known: dict) -> None:
    names = [n for n in known["sm_90a"] if n.startswith("gemm_hopper_kernel<")]
    assert len(names) == 6
    assert not any(n.startswith("gemm_hopper") for n in known["sm_80"])
    for name in names:
        one = known["sm_90a"][name]
        loop = one["main loop"]
        # 128 bytes of depth, 32 at once; each takes 64 or 128 cycles.
        assert loop["HGMMA"] == 4, name
        assert loop["all"] <= 4 * 20, name
        assert not {"LDS", "LDS.128", "LDG", "local", "BAR"} & loop.keys(), name
        # What setmaxnreg deals out anew: 3 x 128 threads.
        assert one["registers"] == 168, name


@pytest.mark.parametrize(
    ("kernel", "kinds"),
    [
        ("conv2d", 3),
        ("conv2d_max_pool2d", 3),
        ("conv2d_backward_input", 3),
        ("conv2d_backward_weight", 2),
    ],
)
def test_tensor_core_loops_of_convolutions(
    known: dict, kernel: str, kinds: int
) -> None:
    for kernels in known.values():
        for precision, count in PRODUCTS.items():
            for columns in (64, 128):
                prefix = f"{kernel}_tensor_core_kernel<{precision}, {columns},"
                names = [n for n in kernels if n.startswith(prefix)]
                assert len(names) == kinds
                for name in names:
                    loop = kernels[name]["main loop"]
                    assert loop["HMMA"] % (count * columns // 128) == 0, name
                    scalars = name.endswith((" 0>", " false>"))
                    assert ("LDGSTS.128" in loop) != scalars, name


@pytest.mark.parametrize(
    ("source", "architecture", "count"),
    [
        ("gemm/gemm.cu", "sm_80", 40),
        ("gemm/tensor_core.cu", "sm_80", 24),
        ("gemm/hopper.cu", "sm_90a", 6),
        ("conv2d/conv2d_backward_input.cu", "sm_80", 18),
    ],
)
def test_no_figure_is_worse(
    figures: ModuleType, known: dict, source: str, architecture: str, count: int
) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("nvcc is not here")
    if figures.nvdisasm() is None:
        pytest.skip("nvdisasm is not here: pip install nvidia-cuda-nvdisasm")
    now = figures.figures_of(ROOT / "csrc/cuda" / source, architecture)
    assert len(now) >= count
    for name, one in now.items():
        assert figures.worse(one, known[architecture][name]) == [], name
