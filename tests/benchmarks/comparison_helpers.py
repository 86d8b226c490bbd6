"""Reports that nobody measured."""

from __future__ import annotations

from typing import Any

from comparison.results import Comparison, Entry, Report

CPU = {
    "name": "AMD EPYC",
    "vendor": "AuthenticAMD",
    "family": 26,
    "model": 2,
    "microarchitecture": "Zen 5",
}


def entry(name: str, seconds: list[float], *, tuned: bool = False) -> Entry:
    """An entry with times."""
    library, variant = name.split()
    return Entry(library, variant, tuned, 2, seconds, 0.25, 1e-5)


def comparison(batch_size: int = 32, model: str = "mnist-cnn") -> Comparison:
    """tilewright takes 2 s, PyTorch 8 s as installed and 5 s tuned, JAX 6 s."""
    entries = [
        entry("tilewright compile_step", [2.5, 2.0, 1.0]),
        entry("tilewright eager", [3.0]),
        entry("torch channels_last", [8.0, 7.0, 9.0]),
        entry("torch channels_last", [5.0], tuned=True),
        entry("jax jit", [9.0]),
        entry("jax jit", [6.0], tuned=True),
    ]
    return Comparison(model, batch_size, 1000, 1000, entries)


def report(benchmark: str, **changes: Any) -> Report:
    """A report of one comparison."""
    about = {
        "cpu": CPU,
        "cores": 2,
        "memory_gib": 24,
        "threads": 2,
        "isa": "avx512",
        "python": "3.11.7",
        "platform": "Linux-6.18.1-x86_64-with-glibc2.36",
        "compiler": "GCC 12",
        "versions": {"tilewright": "0.1.0", "numpy": "2.4.6", "torch": "2.13.0"},
        "commit": "1234567",
        "date": "2026-11-25",
    }
    made = Report(benchmark, about, {"quick": False}, [comparison()])
    for name, value in changes.items():
        setattr(made, name, value)
    return made
