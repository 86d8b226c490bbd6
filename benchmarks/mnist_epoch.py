"""Time an epoch of the MNIST CNN against other libraries.

    python benchmarks/mnist_epoch.py
    python benchmarks/mnist_epoch.py --quick --contestants tilewright,torch-nchw
    python benchmarks/mnist_epoch.py --save

All of MNIST, forward, backward and Adam, at batch 32 and 128. benchmarks/README.md
says what the figures mean.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from comparison.entrants import choose
from comparison.options import begin, finish, numbers, parser, positive
from comparison.turns import run_comparison, workshop

CONTESTANTS = (
    "tilewright",
    "tilewright-eager",
    "torch-nchw",
    "torch-channels-last",
    "torch-compile",
    "keras",
    "jax",
)
QUICK_STEPS = 300


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser(__doc__, CONTESTANTS)
    made.add_argument("--batch-sizes", type=numbers, default=[32, 128], metavar="N,N")
    made.add_argument(
        "--steps", type=positive, help="of a turn; default: an epoch, or 300 if quick"
    )
    options = made.parse_args(arguments)
    report = begin("mnist_epoch", options)
    steps = options.steps or (QUICK_STEPS if options.quick else None)
    report.settings["quick"] = steps is not None
    with workshop(options.data) as shop:
        for batch_size in options.batch_sizes:
            run_comparison(
                shop,
                report,
                choose(options.contestants, [options.threads]),
                model="mnist-cnn",
                batch_size=batch_size,
                steps=steps,
                rounds=options.rounds,
            )
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
