"""Time the MNIST CNN on more and more threads, and at batch sizes from 1 to 512.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --quick --batch-sizes 1,32
    python benchmarks/scaling.py --save

tilewright's compiled step against PyTorch, channels_last, with its allocator tuned.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from comparison.entrants import Entrant, choose, thread_counts
from comparison.options import begin, finish, numbers, parser, positive
from comparison.turns import run_comparison, workshop

CONTESTANTS = ("tilewright", "torch-channels-last")
BATCH_SIZES = [1 << power for power in range(10)]
THREADS_AT = 128  # batch size of the table of threads
IMAGES = 16_384  # of a turn, but no more than LEAST_STEPS times the batch needs
LEAST_STEPS, MOST_STEPS = 64, 4096


def turn_steps(batch_size: int, quick: bool) -> int:
    """Steps of a turn: the fewer, the more there is in each.

    Examples
    --------
    >>> [turn_steps(size, False) for size in (1, 32, 512)]
    [4096, 512, 64]
    """
    steps = min(max(IMAGES // batch_size, LEAST_STEPS), MOST_STEPS)
    return max(1, steps // 8) if quick else steps


def entrants_on(names: Sequence[str], threads: int) -> list[Entrant]:
    """tilewright, and peers tuned, on so many threads."""
    return [e for e in choose(names, [threads]) if e.ours or e.contestant.tuned]


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser(__doc__, CONTESTANTS)
    made.add_argument("--batch-sizes", type=numbers, default=BATCH_SIZES, metavar="N,N")
    made.add_argument(
        "--steps", type=positive, help="of a turn; default: by the batch size"
    )
    options = made.parse_args(arguments)
    report = begin("scaling", options)
    counts = thread_counts(options.threads)
    report.settings["thread_comparisons"] = len(counts)
    runs = [(threads, THREADS_AT) for threads in counts]
    runs += [(options.threads, batch_size) for batch_size in options.batch_sizes]
    with workshop(options.data) as shop:
        for threads, batch_size in runs:
            run_comparison(
                shop,
                report,
                entrants_on(options.contestants, threads),
                model="mnist-cnn",
                batch_size=batch_size,
                steps=options.steps or turn_steps(batch_size, options.quick),
                rounds=options.rounds,
            )
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
