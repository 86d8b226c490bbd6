"""Write down how fast the CUDA kernels ought to be on GPUs that nobody here has.

    python tools/cuda_expected.py [--check]

Each case of `tilewright bench` takes at least the time that its bytes need at the
published bandwidth, and its multiply-adds at the published rate, as far as the machine
code of the main loop (benchmarks/cuda/figures.json) and the number of tiles let it.
Writes benchmarks/cuda/expected.md; with ``--check`` it compares instead, and ends with
1 where the page is another.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tilewright.bench import conv2d, select
from tilewright.bench.case import Case, Parameters

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "cuda"
SCHEDULERS = 4  # of a multiprocessor, each an instruction a cycle for 32 threads
# The FLOP of one instruction of a warp: FFMA; mma.m16n8k8 and .m16n8k16.
INSTRUCTION = {"fp32": 64, "tf32": 2048, "3xtf32": 2048, "bf16": 4096}
PRECISIONS = tuple(INSTRUCTION)
PRODUCTS = {"3xtf32": 3}  # of tensor cores for one product
# Bytes that a number takes once it is rounded for wgmma (gemm/narrow.cu).
NARROW = {"tf32": 4, "3xtf32": 8, "bf16": 2}
# As csrc/cuda/gemm/tiles.cuh and split.cuh choose.
ENOUGH_TILES, LEAST_DEPTH, MOST_SPLITS, DEPTH_STEP = 128, 256, 64, 16
FEW, LEAST_DEPTH_OF_FEW = 32, 64
# Rows and columns of the ordinary units' tiles, and the threads of a block.
TILES = {(128, 128): 256, (128, 64): 128, (64, 64): 256, (128, 16): 64, (16, 128): 64}
Tile = tuple[int, int]
INTRODUCTION = """\
# How fast the CUDA kernels ought to be: an expectation

**Nothing on this page has been measured.** `tools/cuda_expected.py` computes it: the
least time of each case of `tilewright bench`, in microseconds, from published limits,
from the machine code of main loops ([sm_80](figures_sm_80.md),
[sm_90a](figures_sm_90a.md)) and from the number of tiles that multiprocessors share.
What it leaves out only adds time: starting a kernel (some microseconds), latencies that
too few threads hide, clocks below the published ones, memory below its peak, and that
`mma.sync` does not reach the published rate on Hopper, which `wgmma` does.

- *memory*: the least bytes, each input read and each output written once, at the
  published bandwidth. Small cases may stay in the L2 cache and take less.
- *arithmetic*: whole tiles on the multiprocessor that has the most of them, at the
  published rate times what the main loop lets through. A scheduler starts one
  instruction a cycle; an FFMA keeps the units of an A100 for two cycles and those of an
  H100 for one, an `mma.sync` for eight and four. `wgmma` leaves schedulers idle, and
  needs a pass before it that rounds the operands.
- Parts of a product that is cut along its depth are written and read again.
- %: of the limit alone, the larger of bytes at the bandwidth and of FLOP at the peak,
  without tiles and instructions.
"""


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True)
class Gpu:
    """What is published of a GPU.

    `flops` are without sparsity; `per_cycle` is FLOP of a multiprocessor a cycle.
    """

    name: str
    architecture: str
    multiprocessors: int
    bandwidth: float
    flops: dict[str, float]
    per_cycle: dict[str, int]
    source: str


GPUS = (
    Gpu(
        name="A100 SXM 80 GB",
        architecture="sm_80",
        multiprocessors=108,
        bandwidth=2.039e12,
        flops={"fp32": 19.5e12, "tf32": 156e12, "bf16": 312e12},
        per_cycle={"fp32": 128, "tf32": 1024, "bf16": 2048},
        source="NVIDIA A100 Tensor Core GPU data sheet (June 2021); multiprocessors "
        "and rates a cycle: NVIDIA A100 Tensor Core GPU Architecture (2020), table 1",
    ),
    Gpu(
        name="H100 SXM 80 GB",
        architecture="sm_90a",
        multiprocessors=132,
        bandwidth=3.35e12,
        flops={"fp32": 67e12, "tf32": 494.5e12, "bf16": 989.5e12},
        per_cycle={"fp32": 256, "tf32": 2048, "bf16": 4096},
        source="NVIDIA H100 Tensor Core GPU data sheet (2023; tensor rates are given "
        "there with sparsity, which doubles them); multiprocessors and rates a cycle: "
        "NVIDIA H100 Tensor Core GPU Architecture (2022), table 3",
    ),
)


@dataclass(frozen=True)
class Product:
    """A product (rows, depth) @ (depth, columns), once for each group."""

    kernel: str  # what its name begins with, in figures.json
    rows: int
    columns: int
    depth: int
    groups: int = 1

    @property
    def aligned(self) -> bool:
        """Whether operands can be read four numbers at a time.

        An operand of few rows or columns does not matter.
        """
        a = self.few and self.rows < self.columns or self.depth % 4 == 0
        b = self.few and self.columns <= self.rows or self.columns % 4 == 0
        return a and b

    @property
    def few(self) -> bool:
        """Whether it is a product of matrices with few rows or columns."""
        return self.kernel.startswith("gemm") and min(self.rows, self.columns) <= FEW

    @property
    def outputs(self) -> int:
        """Numbers of all groups' outputs."""
        return self.rows * self.columns * self.groups

    def tile(self, precision: str) -> Tile:
        """Rows and columns of the output that a block computes."""
        if precision != "fp32":
            return 128, 128
        if self.few:
            return (128, 16) if self.columns <= self.rows else (16, 128)
        if self.rows > 64 and self.columns > 64 and self._tiles((128, 128)) >= 64:
            return 128, 128
        most = min(max(1, self.depth // LEAST_DEPTH), MOST_SPLITS)
        blocks = self._tiles((128, 64)) * self.groups * most
        tall = self.rows > 64 and self.columns <= 64 and blocks >= 2 * ENOUGH_TILES
        return (128, 64) if tall else (64, 64)

    def splits(self, tile: Tile) -> tuple[int, int]:
        """Into how many parts the depth is cut, and how deep each is."""
        enough = ENOUGH_TILES * 256 // TILES[tile]
        wanted = ceil_div(enough, self._tiles(tile) * self.groups)
        least = LEAST_DEPTH_OF_FEW if 16 in tile else LEAST_DEPTH
        count = min(max(1, min(wanted, self.depth // least)), MOST_SPLITS)
        deep = ceil_div(ceil_div(self.depth, count), DEPTH_STEP) * DEPTH_STEP
        return ceil_div(self.depth, deep), deep

    def blocks(self, tile: Tile) -> int:
        """How many blocks a launch has."""
        return self._tiles(tile) * self.groups * self.splits(tile)[0]

    def _tiles(self, tile: Tile) -> int:
        return ceil_div(self.rows, tile[0]) * ceil_div(self.columns, tile[1])


@dataclass(frozen=True)
class Expected:
    """The least time of a case or of a part of it, and what decides it."""

    seconds: float
    bound: str


def loop_of(
    figures: dict[str, Any], product: Product, precision: str, tile: Tile
) -> tuple[int, int]:
    """Instructions of the main loop, and those of them that multiply.

    Of a kernel's forms the best where operands are aligned, else the worst.
    """
    numbers = {"tf32": "1", "3xtf32": "2", "bf16": "3"}
    prefix = f"{product.kernel}<{numbers.get(precision, f'{tile[0]}, {tile[1]}')},"
    math_name = "FFMA" if precision == "fp32" else "HMMA"
    loops = [
        (one["main loop"]["all"], one["main loop"][math_name])
        for name, one in figures.items()
        if name.startswith(prefix)
    ]
    pick = min if product.aligned else max
    return pick(loops, key=lambda loop: loop[0] / loop[1])


def share_of_peak(gpu: Gpu, loop: tuple[int, int], precision: str) -> float:
    """How much of the peak a main loop can reach: its instructions take turns.

    A scheduler starts one instruction a cycle, and its units take some cycles for one
    that multiplies; the longer of the two decides.
    """
    unit = "tf32" if precision == "3xtf32" else precision
    cycles = SCHEDULERS * INSTRUCTION[precision] / gpu.per_cycle[unit]
    every, multiplying = loop
    return multiplying * cycles / max(multiplying * cycles, every)


def of_product(
    gpu: Gpu, figures: dict[str, Any], product: Product, moved: float, precision: str
) -> Expected:
    """The least time of a product that moves so many bytes."""
    tile = product.tile(precision)
    splits, deep = product.splits(tile)
    unit = "tf32" if precision == "3xtf32" else precision
    loop = loop_of(figures, product, precision, tile)
    rate = gpu.flops[unit] / gpu.multiprocessors * share_of_peak(gpu, loop, precision)
    # The multiprocessor with the most blocks, whose tiles are computed whole.
    most = ceil_div(product.blocks(tile), gpu.multiprocessors)
    work = 2.0 * tile[0] * tile[1] * deep * PRODUCTS.get(precision, 1)
    # A block of two warps has work for two schedulers.
    busy = min(1, most * TILES[tile] / 32 / SCHEDULERS)
    arithmetic = most * work / (rate * busy)
    memory = moved / gpu.bandwidth
    added = 0.0
    if splits > 1:  # the parts are written, and read to be added
        added = 2 * 4.0 * splits * product.outputs / gpu.bandwidth
    bound = "arithmetic" if arithmetic > memory else "memory"
    return Expected(max(arithmetic, memory) + added, bound)


def on_hopper(figures: dict[str, Any], product: Product, precision: str) -> bool:
    """Whether wgmma computes a product of matrices: see gemm/hopper.cu."""
    there = any(name.startswith("gemm_hopper_kernel") for name in figures)
    m, n = product.rows, product.columns
    return there and precision != "fp32" and m * n >= 512 * (m + n)


def of_hopper_product(gpu: Gpu, product: Product, precision: str) -> Expected:
    """The least time of a product by wgmma: a pass that rounds, then the product.

    One instruction of a warpgroup multiplies for many cycles, so that the main loop
    lets the units' whole rate through.
    """
    m, n, depth = product.rows, product.columns, product.depth
    columns = 256 if ceil_div(m, 128) * ceil_div(n, 256) >= ENOUGH_TILES else 128
    numbers, narrow = m * depth + depth * n, NARROW[precision]
    rounding = (4 + narrow) * numbers / gpu.bandwidth
    tiles = ceil_div(m, 128) * ceil_div(n, columns)
    unit = "tf32" if precision == "3xtf32" else precision
    # Where there are few tiles, pieces of their depth share out what is idle.
    few = tiles < gpu.multiprocessors
    most = tiles / gpu.multiprocessors if few else ceil_div(tiles, gpu.multiprocessors)
    work = 2.0 * 128 * columns * depth * PRODUCTS.get(precision, 1)
    arithmetic = most * work / (gpu.flops[unit] / gpu.multiprocessors)
    memory = (narrow * numbers + 4.0 * m * n) / gpu.bandwidth
    bound = "arithmetic" if arithmetic > memory else "memory"
    return Expected(rounding + max(arithmetic, memory), bound)


def conv_products(p: Parameters) -> Iterator[tuple[Product | None, float]]:
    """The products of a convolution's case and what each moves; None: depthwise."""
    N, C, H, K, R, groups = (p[name] for name in ("N", "C", "H", "K", "R", "groups"))
    P = conv2d.output_size(p)
    inner, outer = C // groups, K // groups
    operation = p["operation"]
    forward = "conv2d_max_pool2d" if operation.startswith("pooled") else "conv2d"
    products = {
        "forward": Product(
            f"{forward}_kernel", N * P * P, outer, R * R * inner, groups
        ),
        "backward_input": Product(
            "conv2d_backward_input_kernel", N * H * H, inner, R * R * outer, groups
        ),
        "backward_weight": Product(
            "conv2d_backward_weight_kernel", R * R * inner, outer, N * P * P, groups
        ),
    }
    passes = {
        "all": ("forward", "backward_input", "backward_weight"),
        "pooled": ("forward",),
        "pooled_all": ("forward", "backward_weight")
        + (() if p["layer"] == "image" else ("backward_input",)),
    }.get(operation, (operation,))
    whole = conv2d.make(p).bytes
    first = {"all": "forward", "pooled_all": "pooled"}.get(operation, operation)
    of_first = conv2d.make({**p, "operation": first}).bytes
    for name in passes:
        rest = (whole - of_first) / max(1, len(passes) - 1)
        depthwise = groups == C == K and groups > 1
        moved = of_first if name == passes[0] else rest
        yield None if depthwise else products[name], moved


def products_of(case: Case) -> list[tuple[Product | None, float]]:
    """The kernels that a case runs: products, or None for what only moves memory."""
    p = case.parameters
    if case.family == "gemm":
        return [(Product("gemm_simt_kernel", p["m"], p["n"], p["k"]), case.bytes)]
    if case.family == "conv2d":
        return list(conv_products(p))
    return [(None, case.bytes)]


def expected(
    gpu: Gpu, figures: dict[str, dict[str, Any]], case: Case, precision: str = "fp32"
) -> Expected:
    """The least time of a case, and what decides the most of it."""
    parts = []
    for product, moved in products_of(case):
        if product is None:
            parts.append(Expected(moved / gpu.bandwidth, "memory"))
            continue
        known = figures[gpu.architecture]
        if on_hopper(known, product, precision):
            parts.append(of_hopper_product(gpu, product, precision))
            continue
        if precision != "fp32":
            product = replace(product, kernel="gemm_tensor_core_kernel")
        parts.append(of_product(gpu, known, product, moved, precision))
    longest = max(parts, key=lambda part: part.seconds)
    return Expected(sum(part.seconds for part in parts), longest.bound)


def cases() -> list[tuple[Case, str]]:
    """All cases of families with CUDA kernels; `gemm` at each precision."""
    here = [
        case for case in select() if (ROOT / "csrc" / "cuda" / case.family).is_dir()
    ]
    return [
        (case, precision)
        for case in here
        for precision in (PRECISIONS if case.family == "gemm" else PRECISIONS[:1])
    ]


def _digits(value: float) -> str:
    places = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:.{places}f}"


def page(figures: dict[str, dict[str, Any]]) -> str:
    """The whole page."""
    lines = [
        INTRODUCTION,
        *(f"- {gpu.name}: {_limits(gpu)}. {gpu.source}." for gpu in GPUS),
    ]
    family = ""
    for case, precision in cases():
        if case.family != family:
            family = case.family
            names = [f"{gpu.name.split()[0]}" for gpu in GPUS]
            heads = " | ".join(f"{name} us | bound | %" for name in names)
            lines += ["", f"## {family}", "", f"| case | MFLOP | MB | {heads} |"]
            lines.append("|---|---:|---:|" + "---:|---|---:|" * len(GPUS))
        name = case.name if precision == "fp32" else f"{case.name}, {precision}"
        cells = [_digits(case.flops / 1e6) if case.flops else ""]
        cells.append(_digits(case.bytes / 1e6))
        for gpu in GPUS:
            found = expected(gpu, figures, case, precision)
            share = limit(gpu, case, precision) / found.seconds
            cells += [_digits(found.seconds * 1e6), found.bound, f"{100 * share:.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def limit(gpu: Gpu, case: Case, precision: str) -> float:
    """The seconds of bytes or FLOP alone, at what is published."""
    unit = "tf32" if precision == "3xtf32" else precision
    flops = case.flops * PRODUCTS.get(precision, 1)
    return max(case.bytes / gpu.bandwidth, flops / gpu.flops[unit])


def _limits(gpu: Gpu) -> str:
    rates = ", ".join(f"{k} {v / 1e12:g} TFLOP/s" for k, v in gpu.flops.items())
    bandwidth = f"{gpu.bandwidth / 1e9:.0f} GB/s"
    return f"{gpu.multiprocessors} multiprocessors, {bandwidth}, {rates}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = page(json.loads((FOLDER / "figures.json").read_text()))
    file = FOLDER / "expected.md"
    if options.check:
        same = file.is_file() and file.read_text() == text
        print(
            "the page is up to date" if same else "run: python tools/cuda_expected.py"
        )
        return int(not same)
    file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
