"""The page of expected speeds: its arithmetic, done again by hand."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tilewright.bench import select
from tilewright.bench.case import Case

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model() -> ModuleType:
    file = ROOT / "tools" / "cuda_expected.py"
    spec = importlib.util.spec_from_file_location("cuda_expected", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def figures(model: ModuleType) -> dict:
    return json.loads((model.FOLDER / "figures.json").read_text())


def case(family: str, begin: str) -> Case:
    return next(c for c in select([family]) if c.name.startswith(begin))


def test_the_page_is_of_these_figures(model: ModuleType, figures: dict) -> None:
    text = (model.FOLDER / "expected.md").read_text()
    assert text == model.page(figures), "run: python tools/cuda_expected.py"
    assert "an expectation" in text and "Nothing on this page has been measured" in text
    assert all(gpu.source in text for gpu in model.GPUS)


def test_every_case_is_there(model: ModuleType) -> None:
    text = (model.FOLDER / "expected.md").read_text()
    rows = re.findall(r"^\| (?!case )", text, re.MULTILINE)
    assert len(rows) == len(model.cases())
    names = {case.name for case, _ in model.cases()}
    for name in ("gemm", "conv2d", "pool2d", "adam", "elementwise"):
        assert {case.name for case in select([name])} <= names


def test_published_limits_agree_with_themselves(model: ModuleType) -> None:
    """Rates a second and a cycle make the same clock, near the published boost."""
    for gpu, clock in zip(model.GPUS, (1.41e9, 1.83e9), strict=True):
        for unit, rate in gpu.flops.items():
            implied = rate / gpu.multiprocessors / gpu.per_cycle[unit]
            assert implied == pytest.approx(clock, rel=0.09), (gpu.name, unit)


def test_memory(model: ModuleType, figures: dict) -> None:
    a100, h100 = model.GPUS
    adam = case("adam", "Adam 10 M, one array")
    assert model.expected(a100, figures, adam).seconds == 28e7 / 2.039e12
    assert model.expected(h100, figures, adam).seconds == 28e7 / 3.35e12
    assert model.expected(h100, figures, adam).bound == "memory"


def test_a_product(model: ModuleType) -> None:
    """1024^3: 64 tiles, the depth in 2 parts, 128 blocks, 2 at most on an SM."""
    a100 = model.GPUS[0]
    loop = {"main loop": {"all": 1500, "FFMA": 1024}}
    figures = {"sm_80": {"gemm_simt_kernel<128, 128, false, false, true>": loop}}
    found = model.expected(a100, figures, case("gemm", "(1024, 1024, 1024) square"))
    # An FFMA takes two cycles: 2,048 of them are more than 1,500 instructions.
    arithmetic = 2 * (2 * 128 * 128 * 512) / (19.5e12 / 108)
    added = 2 * 4 * 2 * 1024**2 / 2.039e12
    assert found.seconds == pytest.approx(arithmetic + added, rel=1e-12)
    assert found.bound == "arithmetic"


def test_instructions_take_turns(model: ModuleType) -> None:
    a100, h100 = model.GPUS
    assert model.share_of_peak(a100, (1500, 1024), "fp32") == 1
    assert model.share_of_peak(a100, (4096, 1024), "fp32") == 0.5
    assert model.share_of_peak(h100, (1280, 1024), "fp32") == 0.8
    # 32 of m16n8k8: eight cycles each on an A100, four on an H100.
    assert model.share_of_peak(a100, (320, 32), "tf32") == 0.8
    assert model.share_of_peak(h100, (320, 32), "tf32") == 0.4
    assert model.share_of_peak(a100, (160, 16), "bf16") == 0.8


def test_the_worst_form_counts_where_operands_are_unaligned(model: ModuleType) -> None:
    forms = {
        "conv2d_kernel<64, 64, 1, true>": {"main loop": {"all": 300, "FFMA": 256}},
        "conv2d_kernel<64, 64, 0, true>": {"main loop": {"all": 600, "FFMA": 256}},
        "conv2d_kernel<128, 64, 1, true>": {"main loop": {"all": 1100, "FFMA": 1024}},
    }
    aligned = model.Product("conv2d_kernel", 40, 32, 16)
    odd = model.Product("conv2d_kernel", 40, 31, 16)
    assert model.loop_of(forms, aligned, "fp32", (64, 64)) == (300, 256)
    assert model.loop_of(forms, odd, "fp32", (64, 64)) == (600, 256)


def test_cuts_are_those_of_the_kernels(model: ModuleType) -> None:
    """csrc/cuda/gemm/tiles.cuh and split.cuh have the same numbers."""
    folder = ROOT / "csrc/cuda/gemm"
    text = (folder / "split.cuh").read_text() + (folder / "tiles.cuh").read_text()
    for name, value in (
        ("kFew", model.FEW),
        ("kLeastDepthOfFew", model.LEAST_DEPTH_OF_FEW),
        ("kEnoughTiles", model.ENOUGH_TILES),
        ("kLeastDepth", model.LEAST_DEPTH),
        ("kMostSplits", model.MOST_SPLITS),
        ("kDepthStep", model.DEPTH_STEP),
    ):
        assert f"{name} = {value};" in text
    tile = 64, 64
    small = model.Product("gemm_simt_kernel", 64, 64, 64)
    assert small.tile("fp32") == tile and small.splits(tile) == (1, 64)
    deep = model.Product("gemm_simt_kernel", 64, 64, 20_000)
    assert deep.splits(tile) == (63, 320)
    assert model.Product("k", 64, 64, 1100).splits(tile) == (4, 288)


def test_tiles_are_those_of_the_kernels(model: ModuleType) -> None:
    """csrc/cuda/gemm/tiles.cuh, by hand."""

    def tile(kernel: str, *sizes: int) -> tuple[int, int]:
        found: tuple[int, int] = model.Product(kernel, *sizes).tile("fp32")
        return found

    assert tile("gemm_simt_kernel", 1024, 1024, 64) == (128, 128)
    assert tile("gemm_simt_kernel", 512, 512, 64) == (64, 64)
    assert tile("gemm_simt_kernel", 32, 10, 64) == (128, 16)
    assert tile("gemm_simt_kernel", 1, 1000, 2048) == (16, 128)
    assert tile("gemm_simt_kernel", 32, 33, 64) == (16, 128)
    # 256 blocks of 128 threads: by their number, or by a depth that can be cut.
    assert tile("conv2d_kernel", 255 * 128, 64, 64) == (64, 64)
    assert tile("conv2d_kernel", 255 * 128 + 1, 64, 64) == (128, 64)
    assert tile("conv2d_backward_weight_kernel", 385, 64, 64 * 256) == (128, 64)
    assert tile("conv2d_backward_weight_kernel", 384, 64, 64 * 256) == (64, 64)
    one = model.Product("gemm_simt_kernel", 1, 1000, 2048)
    assert one.splits((16, 128)) == (32, 64) and one.blocks((16, 128)) == 256


def test_two_warps_have_two_schedulers(model: ModuleType) -> None:
    a100 = model.GPUS[0]
    loop = {"main loop": {"all": 600, "FFMA": 512}}
    figures = {"gemm_simt_kernel<128, 16, false, false, true>": loop}
    product = model.Product("gemm_simt_kernel", 32, 10, 64)
    found = model.of_product(a100, figures, product, 0.0, "fp32")
    rate = 19.5e12 / 108 / 2
    assert found.seconds == pytest.approx(2 * 128 * 16 * 64 / rate, rel=1e-12)


def test_the_parts_of_a_convolution(model: ModuleType) -> None:
    whole = case("conv2d", "(32, 64, 56 -> 64, 3, 1, 1) all ResNet-50")
    products = model.products_of(whole)
    assert [p.kernel for p, _ in products] == [
        "conv2d_kernel",
        "conv2d_backward_input_kernel",
        "conv2d_backward_weight_kernel",
    ]
    flops = sum(2 * p.rows * p.columns * p.depth for p, _ in products)
    assert flops == whole.flops
    assert sum(moved for _, moved in products) == whole.bytes
    depthwise = case("conv2d", "(32, 144, 56 -> 144, 3, 1, 1, groups 144) forward")
    assert model.products_of(depthwise) == [(None, depthwise.bytes)]
    image = case("conv2d", "(32, 1, 28 -> 32, 3) pooled_all")
    assert len(model.products_of(image)) == 2


def test_a_product_by_wgmma(model: ModuleType) -> None:
    h100 = model.GPUS[1]
    figures = {"sm_90a": {"gemm_hopper_kernel<3, 256>": {}}}
    square = case("gemm", "(2048, 2048, 2048) square")
    found = model.expected(h100, figures, square, "bf16")
    # Both operands rounded, 4 bytes read and 2 written; then 128 tiles of 128 x 256,
    # less than one a multiprocessor.
    rounding = 6 * 2 * 2048**2 / 3.35e12
    arithmetic = 2 * 2048**3 / 989.5e12
    assert found.seconds == pytest.approx(rounding + arithmetic, rel=1e-12)
    small = model.Product("gemm_simt_kernel", 512, 512, 512)
    assert not model.on_hopper(figures["sm_90a"], small, "bf16")
    assert not model.on_hopper({}, small, "bf16")
