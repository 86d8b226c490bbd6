"""Opcodes by themselves, from nvcc's PTX, beside NumPy's integers and doubles."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from simulator import Floats, Planted

RNG = np.random.default_rng(0)
EDGES = [
    0,
    -0.0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    1e-40,
    -1e-45,
    1e38,
    -3e38,
    16777217,
]
EDGES += [2**31 - 1, -(2.0**31), 2.0**32, 2.0**63, -(2.0**70), np.inf, -np.inf, np.nan]
VALUES = np.array(EDGES + [0] * (64 - len(EDGES)), np.float32)
VALUES[len(EDGES) :] = RNG.standard_normal(64 - len(EDGES)) * 100
FINITE = np.where(np.isfinite(VALUES), VALUES, np.float32(0.3))


def run(opcodes: Planted, name: str, *inputs: np.ndarray, results: int) -> np.ndarray:
    """Return the bits of ``[result, thread]``."""
    source = np.concatenate([part.view(np.float32) for part in inputs])
    out = opcodes.run(name, source, 64 * results, n=64)
    return out.view(np.uint32).reshape(results, 64)


def wide(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return low.astype(np.uint64) | high.astype(np.uint64) << np.uint64(32)


def directed(exact: Fraction, mode: str) -> np.float32:
    """Return the float that a fraction is rounded to: n, z, d(own) or u(p)."""
    nearest = np.float32(float(exact))  # off by one rounding at most
    below = nearest
    while np.isinf(below) or Fraction(float(below)) > exact:
        below = np.nextafter(below, np.float32(-np.inf))
    above = np.nextafter(below, np.float32(np.inf))
    if Fraction(float(below)) == exact:
        return below
    if mode == "n":
        if np.isinf(above):
            return nearest
        gaps = exact - Fraction(float(below)), Fraction(float(above)) - exact
        if gaps[0] != gaps[1]:
            return below if gaps[0] < gaps[1] else above
        return below if below.view(np.uint32) % 2 == 0 else above
    if mode == "z":
        mode = "d" if exact > 0 else "u"
    return below if mode == "d" else above


def to_integer(mode: str, low: int, high: int, nan: int) -> list[int]:
    rounding = {"n": round, "z": math.trunc, "d": math.floor, "u": math.ceil}[mode]
    found = []
    for value in VALUES.tolist():
        if math.isnan(value):
            found.append(nan)
        elif math.isinf(value):
            found.append(high if value > 0 else low)
        else:
            found.append(min(max(rounding(value), low), high))
    return found


def test_floats_to_integers(opcodes: Planted) -> None:
    got = run(opcodes, "float_to_integer", VALUES, results=11)
    for row, mode in enumerate("nzdu"):
        expected = to_integer(mode, -(2**31), 2**31 - 1, 0)
        assert got[row].view(np.int32).tolist() == expected
    assert got[4].tolist() == to_integer("n", 0, 2**32 - 1, 0)
    least = -(2**63)
    wides = [wide(got[i], got[i + 1]) for i in (5, 7, 9)]
    assert wides[0].view(np.int64).tolist() == to_integer("z", least, 2**63 - 1, least)
    assert wides[1].tolist() == to_integer("d", 0, 2**64 - 1, 2**63)
    assert wides[2].view(np.int64).tolist() == to_integer("n", least, 2**63 - 1, least)


def same(got: np.ndarray, expected: list[np.float32]) -> None:
    """Equal bits, and any NaN like any other."""
    want = np.array(expected, np.float32)
    got = got.view(np.float32)
    assert np.array_equal(np.isnan(got), np.isnan(want))
    numbers = ~np.isnan(want)
    assert (
        got[numbers].view(np.uint32).tolist() == want[numbers].view(np.uint32).tolist()
    )


def test_to_floats_in_every_rounding_mode(opcodes: Planted) -> None:
    got = run(opcodes, "to_float", FINITE, results=16)
    between = [Fraction(float(np.float64(x) * (1 + 2.0**-30))) for x in FINITE]
    bits = [Fraction(int(x)) for x in FINITE.view(np.int32)]
    for row, mode in enumerate("nzdu"):
        zero = FINITE == 0  # whose sign is no fraction's
        expected = [directed(exact, mode) for exact in between]
        same(got[row][~zero], np.array(expected)[~zero].tolist())
        same(got[4 + row], [directed(exact, mode) for exact in bits])
    same(got[8], [directed(Fraction(int(x)), "n") for x in FINITE.view(np.uint32)])
    same(got[9], [directed(exact * 2**21, "n") for exact in bits])
    for row, function in enumerate((np.rint, np.floor, np.ceil, np.trunc)):
        same(got[10 + row], function(FINITE).tolist())
    same(got[14], [np.float32(min(x, 1) if x > 0 else 0) for x in FINITE])
    # bfloat16, to nearest, ties to even.
    upper = FINITE.view(np.uint32).astype(np.uint64)
    rounded = upper + 0x7FFF + (upper >> np.uint64(16) & np.uint64(1))
    assert got[15].tolist() == (rounded >> np.uint64(16)).tolist()


def test_arithmetic(opcodes: Planted) -> None:
    a, b, c = (RNG.permutation(FINITE) for _ in range(3))
    a, b, c = (np.clip(values, -1e18, 1e18) for values in (a, b, c))
    # Sums of which little is left.
    c[:32] = -a[:32] * b[:32]
    got = run(opcodes, "arithmetic", a, b, c, results=14)
    exact = [
        Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        for x, y, z in zip(a, b, c, strict=True)
    ]
    some = np.array([value != 0 for value in exact])
    for row, mode in enumerate("nzdu"):
        same(
            got[row][some], np.array([directed(v, mode) for v in exact])[some].tolist()
        )
    with np.errstate(all="ignore"):
        same(got[4], (a / b).tolist())
        same(got[5], (np.float32(1) / a).tolist())
        same(got[6], np.sqrt(a).tolist())
        same(got[9], np.copysign(a, b).tolist())
        precise = a.astype(np.float64)
        flushed = np.where(np.abs(a) < 2.0**-126, np.copysign(0, a), precise)
        same(got[10], np.exp2(precise).astype(np.float32).tolist())
        same(got[11], np.log2(precise).astype(np.float32).tolist())
        reciprocal = (1 / flushed).astype(np.float32)
        tiny = np.abs(reciprocal) < 2.0**-126
        same(got[12], np.where(tiny, np.copysign(0, reciprocal), reciprocal).tolist())
        same(got[13], np.sqrt(flushed).astype(np.float32).tolist())
    # Of zeros the negative one is smaller.
    signed = [(float(x), math.copysign(1, x)) for x in (*a, *b)]
    pairs = list(zip(signed[:64], signed[64:], strict=True))
    same(got[7], [np.float32(min(pair)[0]) for pair in pairs])
    same(got[8], [np.float32(max(pair)[0]) for pair in pairs])


def test_a_number_wins_against_nan(opcodes: Planted) -> None:
    a, b = np.full(64, np.nan, np.float32), FINITE
    for pair in ((a, b), (b, a)):
        got = run(opcodes, "arithmetic", *pair, b, results=14)
        same(got[7], b.tolist())
        same(got[8], b.tolist())


def test_comparisons(opcodes: Planted) -> None:
    a, b = VALUES, RNG.permutation(VALUES)
    b[:8] = a[:8]
    got = run(opcodes, "comparisons", a, b, results=7)
    expected = [a < b, a <= b, a == b, a != b, ~(a < b), ~(a >= b), np.isnan(a)]
    assert got.tolist() == np.array(expected).astype(int).tolist()


def fields(a: int, position: int, length: int, signed: bool) -> int:
    position, length = position & 255, length & 255
    last = min(31, max(position + length - 1, 0))
    sign = a >> last & 1 if signed and length else 0
    digits = [
        a >> (position + i) & 1 if i < length and position + i < 32 else sign
        for i in range(32)
    ]
    return sum(digit << i for i, digit in enumerate(digits))


def permuted(a: int, b: int, selector: int) -> int:
    source = (b << 32 | a).to_bytes(8, "little")
    result = []
    for i in range(4):
        byte = source[selector >> 4 * i & 7]
        replicate = selector >> 4 * i & 8
        result.append((255 if byte > 127 else 0) if replicate else byte)
    return int.from_bytes(bytes(result), "little")


def test_integers(opcodes: Planted) -> None:
    draws = RNG.integers(0, 2**32, (3, 64), dtype=np.uint32)
    # Positions, lengths and shifts within the width and beyond it.
    draws[1, ::2] %= 40
    draws[2, ::2] %= 40
    draws[0, :4] = [0x80000000, 0, 1, 0xFFFFFFFF]
    got = run(opcodes, "integers", *draws, results=18)
    a, b, c = (row.tolist() for row in draws)
    sa, sb = (row.view(np.int32).tolist() for row in draws[:2])
    m = 2**32 - 1

    def check(row: int, expected: list[int]) -> None:
        assert got[row].tolist() == [value & m for value in expected], row

    at = range(64)
    # __byte_perm keeps to the eight bytes.
    check(0, [permuted(a[i], b[i], c[i] & 0x7777) for i in at])
    check(1, [fields(a[i], b[i], c[i], False) for i in at])
    check(2, [fields(a[i], b[i], c[i], True) for i in at])
    check(3, [(b[i] & ~(511 << 7)) | (a[i] & 511) << 7 for i in at])
    check(4, [(a[i] & b[i]) | (~a[i] & c[i]) for i in at])
    check(5, [a[i] << b[i] if b[i] < 32 else 0 for i in at])
    check(6, [a[i] >> min(b[i], 32) for i in at])
    check(7, [sa[i] >> min(b[i], 32) for i in at])
    check(8, [a[i] * b[i] >> 32 for i in at])
    check(9, [sa[i] * sb[i] >> 32 for i in at])
    products = [(sa[i] * sb[i] + sa[i]) & (2**64 - 1) for i in at]
    assert wide(got[10], got[11]).tolist() == products
    check(12, [a[i] // (b[i] | 1) for i in at])
    check(13, [int(math.fmod(sa[i], sb[i] | 1)) for i in at])
    check(14, [min(sa[i], sb[i]) for i in at])
    check(15, [max(a[i], b[i]) for i in at])
    check(16, [(a[i] & 255) - 256 * (a[i] >> 7 & 1) for i in at])
    check(17, [b[i] & 0xFFFF for i in at])


TABLE = np.array([3, 1, 4, 1, 5, 9, 2, 6], np.float32)


def test_state_spaces(opcodes: Planted) -> None:
    source = np.arange(64, dtype=np.float32)
    fixed, dynamic = opcodes.run("spaces", source, 128).reshape(2, 64)
    thread = np.arange(64)
    assert np.array_equal(fixed, TABLE[thread % 8][::-1])
    assert np.array_equal(dynamic, (thread + thread % 16)[::-1])


def test_shuffles_of_each_lane(opcodes: Planted) -> None:
    source = np.arange(64, dtype=np.float32)
    lane = np.arange(32)
    expected = [
        (7 * lane + 3) % 32,
        lane // 8 * 8 + (lane // 2) % 8,
        lane ^ 5,
        np.where(lane % 16 >= 2, lane - 2, lane),
        np.where(lane + 9 < 32, lane + 9, lane),
    ]
    got = run(opcodes, "lanes", source, results=5).view(np.float32)
    for row, lanes in zip(got, expected, strict=True):
        assert np.array_equal(row, np.concatenate([lanes, 32 + lanes]))


def test_atomics(opcodes: Planted) -> None:
    source = np.arange(1, 65, dtype=np.float32)
    values = np.arange(1, 65)
    got = opcodes.run("atomics", source, 8).view(np.uint32).tolist()
    everything = np.bitwise_or.reduce(values)
    assert got[:3] == [values.sum(), 64, 1]
    assert got[3:6] == [2**32 - 1 - everything, everything, 64]
    assert got[6:] == [77, 1]


@pytest.mark.parametrize(
    ("name", "n", "message"),
    [
        ("beyond_dynamic", 64, r"access of 4 bytes outside of the 384 bytes of shared"),
        (
            "beyond_local",
            16,
            r"read of 4 bytes outside of the 64 bytes of local memory",
        ),
        ("beyond_constants", 8, r"read of 4 bytes outside of every constant"),
        ("division_by_zero", 64, r"division by zero at opcodes\.cu:\d+, opcodes\.ptx"),
        ("bounded", 64, r"block of 64 threads, compiled for 32"),
        ("trapped", 64, r"1 fault\n.*thread 5: trap at opcodes\.cu"),
    ],
)
def test_what_must_not_be_is_reported(
    opcodes: Planted, name: str, n: int, message: str
) -> None:
    source: Floats = np.arange(64, dtype=np.float32)
    with pytest.raises(RuntimeError, match=message):
        opcodes.run(name, source, 128, n=n)
