"""Fragment layouts against a second description: the layouts published with CUTLASS.

CuTe (include/cute/atom/mma_traits_sm80.hpp of NVIDIA's CUTLASS) writes down where a
lane's registers lie in a matrix as shapes and strides over (lane, register); our
simulator was written from the tables of the PTX ISA. Matrices are put into fragments
by the former, multiplied by the latter, and compared with NumPy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from simulator import Planted


@pytest.fixture(params=["planted", "planted_ptx"])
def planted(request: pytest.FixtureRequest) -> Planted:
    """Same-source kernels call the simulator's functions, PTX has instructions."""
    found: Planted = request.getfixturevalue(request.param)
    return found


class Layout(NamedTuple):
    """Strides of a lane's two digits (radix 4) and of its registers' (radix 2).

    Offsets count in column-major order: the row first, then the depth (or column).
    """

    rows: int
    lane: tuple[int, int]
    registers: tuple[int, ...]

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Return row and column of ``[lane, register]``."""
        lane = np.arange(32)
        offset = (lane % 4 * self.lane[0] + lane // 4 * self.lane[1])[:, None]
        register = np.arange(2 ** len(self.registers))
        offset = offset + sum(
            (register >> digit & 1) * stride
            for digit, stride in enumerate(self.registers)
        )
        return offset % self.rows, offset // self.rows


RESULT = Layout(16, (32, 1), (16, 8))
TF32 = Layout(16, (16, 1), (8, 64)), Layout(8, (8, 1), (32,))
BF16 = Layout(16, (32, 1), (16, 8, 128)), Layout(8, (16, 1), (8, 64))


def fragments(layout: Layout, matrix: np.ndarray) -> np.ndarray:
    """Return ``[lane, register]`` of a matrix ``(rows, depth)``."""
    return matrix[layout.places()]


def as_bf16_pairs(values: np.ndarray) -> np.ndarray:
    """Return pairs of neighbouring registers as one float of two bfloat16."""
    bits = (values.astype(np.float32).view(np.uint32) >> 16).reshape(32, -1, 2)
    return (bits[..., 0] | bits[..., 1] << 16).astype(np.uint32).view(np.float32)


def product(planted: Planted, name: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    tf32 = "tf32" in name
    left, right = TF32 if tf32 else BF16
    parts = [fragments(left, a), fragments(right, b)]
    if not tf32:
        parts = [as_bf16_pairs(part) for part in parts]
    source = np.concatenate([part.astype(np.float32).ravel() for part in parts])
    d = planted.run(name, source, 128, threads=32).reshape(32, 4)
    result = np.full((16, 8), np.nan)
    result[RESULT.places()] = d
    return result


@pytest.fixture(params=["tf32", "bf16"])
def operands(request: pytest.FixtureRequest) -> tuple[str, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    depth = 8 if request.param == "tf32" else 16
    a, b = rng.integers(-9, 10, (16, depth)), rng.integers(-9, 10, (8, depth))
    return request.param, a.astype(np.float32), b.astype(np.float32)


def test_products_agree(
    planted: Planted, operands: tuple[str, np.ndarray, np.ndarray]
) -> None:
    precision, a, b = operands
    assert np.array_equal(product(planted, f"multiply_{precision}", a, b), a @ b.T)


def test_a_wrong_layout_is_seen(
    planted: Planted, operands: tuple[str, np.ndarray, np.ndarray]
) -> None:
    precision, a, b = operands
    got = product(planted, f"multiply_{precision}_swapped", a, b)
    assert not np.array_equal(got, a @ b.T)


@pytest.mark.parametrize("transposed", [False, True])
def test_ldmatrix_loads_fragments(planted: Planted, transposed: bool) -> None:
    # Four 8 x 8 matrices make up a of m16n8k16: (rows 0-7, 8-15) x (depth 0-7, 8-15).
    a = np.arange(256, dtype=np.float32).reshape(16, 16)
    quarters = [a[i : i + 8, j : j + 8] for j in (0, 8) for i in (0, 8)]
    stored = np.concatenate([q.T if transposed else q for q in quarters])
    halves = (stored.ravel().view(np.uint32) >> 16).astype(np.uint16)
    name = "load_matrices_transposed" if transposed else "load_matrices"
    got = planted.run(name, halves.view(np.float32), 128, threads=32)
    expected = as_bf16_pairs(fragments(BF16[0], a))
    assert np.array_equal(got.view(np.uint32), expected.view(np.uint32).ravel())


def test_rounding_to_tf32(planted: Planted) -> None:
    step = np.float32(2**-10)
    half = np.float32(2**-11)
    source = np.array(
        [1, 1 + half, 1 + 3 * half, -1 - half, 1 + half / 2, np.inf, 0, 1e-40],
        np.float32,
    )
    got = planted.run("rounded", source, 8, threads=8)
    # To nearest, ties away from zero.
    expected = [1, 1 + step, 1 + 2 * step, -1 - step, 1, np.inf, 0]
    assert got[:7].tolist() == [float(value) for value in expected]
    assert abs(got[7] - 1e-40) < 1e-41
    nan = np.full(1, np.nan, np.float32)
    assert np.isnan(planted.run("rounded", nan, 1, threads=1)).all()
