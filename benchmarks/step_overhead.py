"""Time what surrounds the kernels of a compiled training step.

    python benchmarks/step_overhead.py
    python benchmarks/step_overhead.py --models mnist-cnn --batch-sizes 32

A step is gathering a batch and calling `compile_step`'s function; its kernels are
timed one by one in C++ in other steps of the same run, in turns with the first.
What is left over is Python, the gathering and the calls. The time of each kernel is
listed below, with its share.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import tilewright as tw
from comparison.options import numbers, words
from comparison.tilewright_training import build
from tilewright.data import ArrayDataset, DataLoader
from tilewright.train.compiled_step import CompiledStep

MODELS = ("mnist-cnn", "784-128-10", "784-256-128-10")
TURNS = 20
SECONDS = 0.05  # of a turn


def main(arguments: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--models", type=words, default=list(MODELS), metavar="NAMES")
    made.add_argument("--batch-sizes", type=numbers, default=[32, 128, 1])
    made.add_argument("--kernels", action="store_true", help="list each kernel")
    made.add_argument(
        "--data", choices=("mnist", "mnist-sample"), default="mnist-sample"
    )
    options = made.parse_args(arguments)
    images = (
        tw.data.mnist()[0] if options.data == "mnist" else tw.data.mnist_sample()[0]
    )
    print("| model | batch | step, us | kernels, us | around them, us | share |")
    print("|---|---:|---:|---:|---:|---:|")
    listed = []
    for model in options.models:
        for batch_size in options.batch_sizes:
            row, kernels = measure(model, batch_size, images)
            print(row)
            listed.append((model, batch_size, kernels))
    if options.kernels:
        for model, batch_size, kernels in listed:
            print_kernels(model, batch_size, kernels)
    return 0


def measure(
    model: str, batch_size: int, images: ArrayDataset
) -> tuple[str, list[tuple[str, float]]]:
    """A line of the table, and the microseconds of each kernel."""
    tw.manual_seed(0)
    if model != "mnist-cnn":
        images = ArrayDataset(images.x.reshape(len(images), -1), images.y)
    network = build(model)
    step = tw.compile_step(
        network, "cross_entropy", tw.optim.Adam(network.parameters(), lr=1e-3)
    )
    batches = forever(images, batch_size)
    for _ in range(20):
        step(*next(batches))
    count = max(5, int(SECONDS / timed(step, batches, 5)[0]))
    steps: list[float] = []
    profiles: list[list[float]] = []
    names: list[str] = []
    for _ in range(TURNS):
        steps += timed(step, batches, count)
        for _ in range(count):
            times = step.profile(*next(batches))
            names = [f"{one.kernel}, {one.algorithm}" for one in times]
            profiles.append([one.seconds * 1e6 for one in times])
    whole = statistics.median(steps) * 1e6
    inside = float(np.median(np.sum(profiles, axis=1)))
    around = whole - inside
    row = (
        f"| {model} | {batch_size} | {whole:.1f} | {inside:.1f} | {around:.1f} "
        f"| {around / whole:.1%} |"
    )
    return row, list(zip(names, np.median(profiles, axis=0), strict=True))


def forever(images: ArrayDataset, batch_size: int) -> Iterator[Any]:
    """Batches of one epoch after another."""
    loader = DataLoader(images, batch_size, shuffle=True, drop_last=True, seed=0)
    while True:
        yield from loader


def timed(step: CompiledStep, batches: Iterator[Any], count: int) -> list[float]:
    """Seconds of each of so many steps."""
    found = []
    for _ in range(count):
        before = time.perf_counter()
        x, y = next(batches)
        step(x, y)
        found.append(time.perf_counter() - before)
    return found


def print_kernels(
    model: str, batch_size: int, kernels: list[tuple[str, float]]
) -> None:
    """The kernels in the order of their calls."""
    total = sum(time for _, time in kernels)
    print(f"\n{model}, batch {batch_size}\n\n| kernel | us | share |\n|---|---:|---:|")
    for name, microseconds in kernels:
        print(f"| {name} | {microseconds:.1f} | {microseconds / total:.1%} |")


if __name__ == "__main__":
    sys.exit(main())
