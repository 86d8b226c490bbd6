"""Who takes part, by the name that the command line knows."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.bench.contestants import OURS, Contestant

# Name on the command line: the library, the way it is run, the modules it needs.
KNOWN: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "tilewright": (OURS, "compile_step", ()),
    "tilewright-eager": (OURS, "eager", ()),
    "torch-eager": ("torch", "eager", ("torch",)),
    "torch-nchw": ("torch", "nchw", ("torch",)),
    "torch-channels-last": ("torch", "channels_last", ("torch",)),
    "torch-compile": ("torch", "compile", ("torch",)),
    "keras": ("keras", "tensorflow", ("keras", "tensorflow")),
    "jax": ("jax", "jit", ("jax",)),
}


@dataclass(frozen=True)
class Entrant:
    """A library, in one of its ways and states, on so many threads.

    Attributes
    ----------
    contestant : Contestant
    threads : int
    """

    contestant: Contestant
    threads: int

    @property
    def ours(self) -> bool:
        """Whether it is tilewright."""
        return self.contestant.library == OURS


def missing(name: str) -> str | None:
    """Why a contestant cannot take part here, None where it can."""
    _, variant, modules = KNOWN[name]
    absent = [m for m in modules if importlib.util.find_spec(m) is None]
    if absent:
        return f"{' and '.join(absent)} not installed"
    if variant == "compile" and not (shutil.which("g++") or shutil.which("clang++")):
        return "torch.compile needs a C++ compiler"
    return None


def choose(names: Sequence[str], threads: Sequence[int]) -> list[Entrant]:
    """The entrants of a comparison.

    Peers take part twice: as installed, and with their allocator tuned. tilewright
    has an allocator of its own and nothing to tune.

    Parameters
    ----------
    names : sequence of str
        Keys of `KNOWN`.
    threads : sequence of int
        For each peer; tilewright takes the last of them.

    Returns
    -------
    list of Entrant
    """
    found = []
    for name in names:
        library, variant, _ = KNOWN[name]
        ours = library == OURS
        for count in threads[-1:] if ours else threads:
            for tuned in (False,) if ours else (False, True):
                found.append(Entrant(Contestant(library, variant, tuned), count))
    return found


def thread_counts(most: int) -> list[int]:
    """1, 2, 4 and so on, up to and with `most`.

    Examples
    --------
    >>> thread_counts(6)
    [1, 2, 4, 6]
    """
    counts = [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return [*counts, most]
