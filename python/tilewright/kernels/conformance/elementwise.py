"""Cases of activations, dropout, the four operations, sums and copies."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from tilewright.kernels import dispatch
from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.conformance.arrays import (
    LAYOUTS,
    LENGTHS,
    Layout,
    normal,
    with_nan,
)
from tilewright.kernels.conformance.case import Arguments, Case
from tilewright.kernels.elementwise import KINDS, OPERATIONS, activation

SHAPES: tuple[tuple[int, ...], ...] = (
    (),
    (0,),
    (3, 0, 2),
    (2, 3, 5, 7),
    (1000,),
    *((length,) for length in LENGTHS),
)
LARGE = np.array(
    [
        -np.inf,
        -1e30,
        -200,
        -100,
        -20,
        -9,
        -5,
        -1e-3,
        -0.0,
        0,
        1e-3,
        5,
        9,
        20,
        100,
        1e30,
    ],
    np.float32,
)
SLOPES = (0.0, 0.01, 1.0, 1.5)


def saved_for(x: Array, kind: str, slope: float = 0.01) -> Array:
    """Return what the backward pass of an activation takes."""
    if kind == "gelu":
        return x
    with dispatch.backend("numpy"):
        return activation(x, kind, negative_slope=slope)


def _activations(kind: str) -> Iterator[Case]:
    for shape in SHAPES:

        def forward(
            rng: np.random.Generator, shape: tuple[int, ...] = shape
        ) -> Arguments:
            return Arguments((np.asarray(3 * normal(rng, *shape)), kind))

        def backward(
            rng: np.random.Generator, shape: tuple[int, ...] = shape
        ) -> Arguments:
            saved = saved_for(np.asarray(normal(rng, *shape)), kind)
            return Arguments((normal(rng, *shape), saved, kind))

        yield Case("activation", f"{kind} of {shape}", forward)
        yield Case("activation_backward", f"{kind} of {shape}", backward)

    def large(rng: np.random.Generator) -> Arguments:
        # 0 times infinity is NaN, and so are gelu and a slope of 0 at -infinity.
        return Arguments((LARGE[1:] if kind == "gelu" else LARGE.copy(), kind))

    def nan(rng: np.random.Generator) -> Arguments:
        return Arguments((with_nan(normal(rng, 100), 0.1, rng), kind))

    def nan_backward(rng: np.random.Generator) -> Arguments:
        dy = with_nan(1 + np.abs(normal(rng, 100)), 0.1, rng)
        saved = saved_for(np.full(100, 0.5, np.float32), kind)
        return Arguments((dy, saved, kind))

    def into_out(rng: np.random.Generator) -> Arguments:
        out = np.full((5, 7), np.nan, np.float32)
        return Arguments((normal(rng, 5, 7), kind), {"out": out})

    def backward_into_out(rng: np.random.Generator) -> Arguments:
        out = np.full((5, 7), np.nan, np.float32)
        saved = saved_for(normal(rng, 5, 7), kind)
        return Arguments((normal(rng, 5, 7), saved, kind), {"out": out})

    def backward_into_dy(rng: np.random.Generator) -> Arguments:
        dy = normal(rng, 5, 7)
        return Arguments((dy, saved_for(normal(rng, 5, 7), kind), kind), {"out": dy})

    yield Case("activation", f"{kind} of large numbers", large)
    yield Case("activation", f"{kind} of NaN", nan)
    yield Case("activation_backward", f"{kind} of NaN", nan_backward)
    yield Case("activation", f"{kind} into out", into_out)
    yield Case("activation_backward", f"{kind} into out", backward_into_out)
    yield Case("activation_backward", f"{kind} into dy itself", backward_into_dy)


def _slopes() -> Iterator[Case]:
    for slope in SLOPES:

        def forward(rng: np.random.Generator, slope: float = slope) -> Arguments:
            return Arguments((normal(rng, 67), "leaky_relu"), {"negative_slope": slope})

        def backward(rng: np.random.Generator, slope: float = slope) -> Arguments:
            saved = saved_for(normal(rng, 67), "leaky_relu", slope)
            return Arguments(
                (normal(rng, 67), saved, "leaky_relu"), {"negative_slope": slope}
            )

        yield Case("activation", f"leaky_relu of slope {slope}", forward)
        yield Case("activation_backward", f"leaky_relu of slope {slope}", backward)


def _dropout() -> Iterator[Case]:
    for shape in SHAPES:

        def usual(
            rng: np.random.Generator, shape: tuple[int, ...] = shape
        ) -> Arguments:
            return Arguments((normal(rng, *shape), 0.3), {"seed": 11, "offset": 5})

        yield Case("dropout", f"{shape}", usual)
    for p in (0.0, 0.5, 0.999, 1.0):

        def shares(rng: np.random.Generator, p: float = p) -> Arguments:
            return Arguments((normal(rng, 33, 31), p), {"seed": 2**63 + 12345})

        yield Case("dropout", f"p {p}", shares)
    # The counter's carry into its upper word, and round.
    for seed, offset in ((0, 2**32 - 3), (2**64 - 1, 2**64 - 3), (2**32, 2**33)):

        def counters(
            rng: np.random.Generator, seed: int = seed, offset: int = offset
        ) -> Arguments:
            return Arguments((normal(rng, 45), 0.5), {"seed": seed, "offset": offset})

        yield Case("dropout", f"seed {seed}, offset {offset}", counters)

    def nan(rng: np.random.Generator) -> Arguments:
        return Arguments((np.full(99, np.nan, np.float32), 0.5), {"seed": 1})

    yield Case("dropout", "what is dropped is 0, even NaN", nan)


def _bias_gradient() -> Iterator[Case]:
    rows = ((1,), (0, 4), (1, 4), (5, 0), (2, 3, 4), (700, 10), (2, 3, 3, 17), (9, 129))
    for shape in (*rows, *((13, length) for length in LENGTHS)):

        def build(
            rng: np.random.Generator, shape: tuple[int, ...] = shape
        ) -> Arguments:
            return Arguments((normal(rng, *shape),))

        yield Case("bias_gradient", f"{shape}", build)

    def long_sum(rng: np.random.Generator) -> Arguments:
        return Arguments((np.float32(1) + normal(rng, 20_000, 3),))

    def one_column(rng: np.random.Generator) -> Arguments:
        # Equal numbers: their roundings all go the same way.
        return Arguments((np.full((40_000, 1), 0.1, np.float32),))

    def nan(rng: np.random.Generator) -> Arguments:
        dy = normal(rng, 30, 20)
        dy[3, 2] = np.nan
        return Arguments((dy,))

    yield Case("bias_gradient", "many rows", long_sum)
    yield Case("bias_gradient", "many rows of one column", one_column)
    yield Case("bias_gradient", "NaN stays in its column", nan)


# Of both operands: equal, a bias, a number a row, both repeated, nothing, an axis
# too long for one block.
PAIRS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((), ()),
    ((5,), ()),
    ((), (3, 4)),
    ((2, 3, 5, 7), (2, 3, 5, 7)),
    ((2, 3, 5, 7), (7,)),
    ((4, 33), (4, 1)),
    ((6, 1, 5), (3, 1)),
    ((2, 1, 4, 1, 3), (5, 1, 2, 1)),
    ((0, 3), (1, 3)),
    ((2, 40_000), (40_000,)),
    *(((3, length), (length,)) for length in LENGTHS),
)


def _arithmetic(kind: str) -> Iterator[Case]:
    for a, b in PAIRS:

        def arrays(
            rng: np.random.Generator,
            a: tuple[int, ...] = a,
            b: tuple[int, ...] = b,
        ) -> Arguments:
            divisor = np.asarray(2 + np.abs(normal(rng, *b)))
            return Arguments((np.asarray(normal(rng, *a)), divisor, kind))

        yield Case("arithmetic", f"{kind} of {a} and {b}", arrays)

    def numbers(rng: np.random.Generator) -> Arguments:
        return Arguments((normal(rng, 3, 21), 0.375, kind))

    def from_number(rng: np.random.Generator) -> Arguments:
        return Arguments((-3, 1 + np.abs(normal(rng, 50)), kind))

    def special(rng: np.random.Generator) -> Arguments:
        a, b = zip(
            *itertools.product((0, 1, -2, np.inf, np.nan), repeat=2), strict=True
        )
        return Arguments((np.array(a, np.float32), np.array(b, np.float32), kind))

    def into_out(rng: np.random.Generator) -> Arguments:
        out = np.full((5, 7), np.nan, np.float32)
        return Arguments((normal(rng, 5, 7), 3 + normal(rng, 7), kind), {"out": out})

    def into_itself(rng: np.random.Generator) -> Arguments:
        a = normal(rng, 5, 7)
        return Arguments((a, 3 + np.abs(normal(rng, 5, 1)), kind), {"out": a})

    yield Case("arithmetic", f"{kind} with a number", numbers)
    yield Case("arithmetic", f"{kind} from a number", from_number)
    yield Case("arithmetic", f"{kind} of zero, infinity, NaN", special)
    yield Case("arithmetic", f"{kind} into out", into_out)
    yield Case("arithmetic", f"{kind} into an operand", into_itself)


def _axis_sum() -> Iterator[Case]:
    given = (
        ((4,), 0),
        ((), ()),
        ((2, 3), ()),
        ((2, 3, 4), 1),
        ((2, 3, 4), (0, 2)),
        ((2, 3, 4), (0, 1, 2)),
        ((5, 0, 3), 1),
        ((3, 700, 10), -2),
        ((2, 70_000), 1),
        ((3, 300, 130), 1),
        ((9, 5, 1, 3), (1, 2)),
    )
    for shape, axes in given:

        def build(
            rng: np.random.Generator,
            shape: tuple[int, ...] = shape,
            axes: int | tuple[int, ...] = axes,
        ) -> Arguments:
            # Not about 0, where a sum has no relative error.
            return Arguments((np.asarray(3 + normal(rng, *shape)), axes))

        yield Case("axis_sum", f"{shape} over {axes}", build)


def _turned(rng: np.random.Generator, order: tuple[int, ...], *shape: int) -> Array:
    return normal(rng, *shape).transpose(order)


def _copies() -> Iterator[Case]:
    shapes: tuple[tuple[int, ...], ...] = ((5, 7), (2, 33, 65), (3, 4, 5, 6))
    for shape in shapes:
        for order in itertools.permutations(range(len(shape))):

            def build(
                rng: np.random.Generator,
                shape: tuple[int, ...] = shape,
                order: tuple[int, ...] = order,
            ) -> Arguments:
                return Arguments((_turned(rng, order, *shape),))

            yield Case("copy", f"axes {order} of {shape}", build)

    def repeated(rng: np.random.Generator) -> Arguments:
        return Arguments((np.broadcast_to(normal(rng, 3, 1, 5), (2, 3, 40, 5)),))

    def reversed_(rng: np.random.Generator) -> Arguments:
        return Arguments((normal(rng, 6, 9)[::-1, ::-2],))

    def single(rng: np.random.Generator) -> Arguments:
        return Arguments((np.asarray(normal(rng)),))

    def into_out(rng: np.random.Generator) -> Arguments:
        out = np.full((7, 5), np.nan, np.float32)
        return Arguments((_turned(rng, (1, 0), 5, 7),), {"out": out})

    yield Case("copy", "repeated", repeated)
    yield Case("copy", "reversed, every second", reversed_)
    yield Case("copy", "a single element", single)
    yield Case("copy", "into out", into_out)


def _concatenate() -> Iterator[Case]:
    for axis in (0, 1, 2, -1):

        def build(rng: np.random.Generator, axis: int = axis) -> Arguments:
            first = normal(rng, 4, 5, 6)
            second = _turned(rng, (2, 0, 1), 5, 6, 4)
            return Arguments(([first, second, first.take([1], axis)], axis))

        yield Case("concatenate", f"along {axis}", build)

    def channels(rng: np.random.Generator) -> Arguments:
        return Arguments(([normal(rng, 9, 14, 14, 33), normal(rng, 9, 14, 14, 7)], 3))

    def empty(rng: np.random.Generator) -> Arguments:
        return Arguments(([normal(rng, 3, 0), normal(rng, 3, 2)], 1))

    yield Case("concatenate", "channels", channels)
    yield Case("concatenate", "with nothing", empty)


def _awkward() -> Iterator[Case]:
    for how in LAYOUTS:

        def forward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            return Arguments((how(normal(rng, 6, 11)), "relu"))

        def backward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            saved = how(normal(rng, 6, 11))
            return Arguments((how(normal(rng, 6, 11)), saved, "relu"))

        def dropped(rng: np.random.Generator, how: Layout = how) -> Arguments:
            return Arguments((how(normal(rng, 6, 11)), 0.5), {"seed": 3})

        def summed(rng: np.random.Generator, how: Layout = how) -> Arguments:
            return Arguments((how(normal(rng, 6, 11)),))

        name = f"inputs {how.__name__}"
        yield Case("activation", name, forward)
        yield Case("activation_backward", name, backward)
        yield Case("dropout", name, dropped)
        yield Case("bias_gradient", name, summed)

        def joined(rng: np.random.Generator, how: Layout = how) -> Arguments:
            a = how(normal(rng, 6, 11))
            return Arguments((a, 3 + np.abs(how(normal(rng, 6, 11))), "divide"))

        def over_columns(rng: np.random.Generator, how: Layout = how) -> Arguments:
            return Arguments((how(3 + normal(rng, 6, 11)), 1))

        def copied(rng: np.random.Generator, how: Layout = how) -> Arguments:
            return Arguments((how(normal(rng, 6, 11)),))

        yield Case("arithmetic", name, joined)
        yield Case("axis_sum", name, over_columns)
        yield Case("copy", name, copied)


def _cases() -> Iterator[Case]:
    for kind in KINDS:
        yield from _activations(kind)
    yield from _slopes()
    yield from _dropout()
    yield from _bias_gradient()
    for kind in OPERATIONS:
        yield from _arithmetic(kind)
    yield from _axis_sum()
    yield from _copies()
    yield from _concatenate()
    yield from _awkward()


CASES = tuple(_cases())
