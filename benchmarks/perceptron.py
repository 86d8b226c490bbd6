"""Time training steps of small perceptrons against PyTorch.

    python benchmarks/perceptron.py
    python benchmarks/perceptron.py --contestants tilewright,torch-eager,jax
    python benchmarks/perceptron.py --save

784-128-10 and a third layer, on MNIST, at batch 32 and 1. Here a step is so short
that what surrounds the arithmetic decides. Peers run on 1, 2, 4 ... threads, up to
all of them: on so small a network more can be slower.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from comparison.entrants import choose, thread_counts
from comparison.options import begin, finish, numbers, parser, positive, words
from comparison.turns import run_comparison, workshop

CONTESTANTS = ("tilewright", "tilewright-eager", "torch-eager", "torch-compile")
MODELS = ("784-128-10", "784-256-128-10")
STEPS = 5000
QUICK_STEPS = 500


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser(__doc__, CONTESTANTS)
    made.add_argument("--batch-sizes", type=numbers, default=[32, 1], metavar="N,N")
    made.add_argument("--models", type=words, default=list(MODELS), metavar="WIDTHS")
    made.add_argument(
        "--steps",
        type=positive,
        help=f"of a turn; default: {STEPS} or an epoch, whichever is less; "
        f"{QUICK_STEPS} if quick",
    )
    options = made.parse_args(arguments)
    report = begin("perceptron", options)
    steps = options.steps or (QUICK_STEPS if options.quick else STEPS)
    entrants = choose(options.contestants, thread_counts(options.threads))
    with workshop(options.data) as shop:
        for model in options.models:
            for batch_size in options.batch_sizes:
                run_comparison(
                    shop,
                    report,
                    entrants,
                    model=model,
                    batch_size=batch_size,
                    steps=steps,
                    rounds=options.rounds,
                )
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
