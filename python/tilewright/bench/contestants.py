"""Who takes part, in which state, and in what environment its process runs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from dataclasses import dataclass

from tilewright.bench.case import Family
from tilewright.extras import require

OURS = "tilewright"
# The extra of tilewright that installs a peer, by where it takes part. The simulator of
# a GPU is for tests: what it takes is no time that a peer could be compared by.
PEERS = {
    "cpu": {"numpy": "", "torch": "peers", "jax": "jax"},
    "cuda": {"cupy": "cuda", "torch": "peers"},
    "cudasim": {},
}

# glibc gives every freed array above a threshold back to the system and faults it
# in again at the next call, which decides half of a library's time. These keep the
# memory in the process, as a user who knows would have it.
_TUNED = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "20000000000",
    "MALLOC_TOP_PAD_": "100000000",
}
# What a user's shell may set and a fair comparison must not: another allocator's
# state, or an OpenBLAS that is told to take this processor for an older one.
_REMOVED = ("GLIBC_TUNABLES", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", *_TUNED)
_THREADS = (
    "TILEWRIGHT_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NPROC",  # what XLA sizes its pool by
)


@dataclass(frozen=True)
class Contestant:
    """A library in one of the ways it can be run.

    Attributes
    ----------
    library : str
    variant : str
        Such as a memory layout; empty where there is but one way.
    tuned : bool
        Whether its allocator keeps freed memory; else it is as installed.
    device : str
        One of `PEERS`.
    precision : str
        Of products on a GPU.
    """

    library: str
    variant: str = ""
    tuned: bool = False
    device: str = "cpu"
    precision: str = "fp32"

    @property
    def name(self) -> str:
        """How tables and files call it.

        Examples
        --------
        >>> Contestant("torch", "nchw", tuned=True).name
        'torch nchw tuned'
        """
        words = (self.library, self.variant, "tuned" if self.tuned else "")
        return " ".join(word for word in words if word)


def installed(peer: str) -> bool:
    """Whether a peer is there, without importing it.

    Examples
    --------
    >>> installed("numpy")
    True
    """
    return importlib.util.find_spec(peer) is not None


def choose_peers(
    named: Iterable[str] | None, device: str = "cpu"
) -> tuple[str, ...] | None:
    """Check the peers that were asked for by name.

    Parameters
    ----------
    named : iterable of str, optional
        None: each family decides, among those installed.
    device : str
        Where they are to take part.

    Returns
    -------
    tuple of str, or None

    Raises
    ------
    ValueError
        If there is no such peer.
    ImportError
        If one is not installed; the message names the extra that has it.
    """
    if named is None:
        return None
    peers = tuple(dict.fromkeys(named))
    known = PEERS[device]
    for peer in peers:
        if peer not in known:
            raise ValueError(
                f"bench: unknown peer {peer!r} on {device}; expected "
                f"{'some of ' + ', '.join(known) if known else 'none'}"
            )
        if not installed(peer):
            require(peer, extra=known[peer])
    return peers


def contestants_of(
    family: Family,
    peers: tuple[str, ...] | None = None,
    device: str = "cpu",
    precision: str = "fp32",
) -> list[Contestant]:
    """tilewright, and each peer in each of its variants and states.

    Parameters
    ----------
    family : Family
    peers : tuple of str, optional
        As `choose_peers` returns them.
    device, precision : str
        Where and how all compute. How the host allocates matters on the CPU alone.

    Returns
    -------
    list of Contestant
    """
    if peers is None:
        known = PEERS[device]
        peers = tuple(p for p in known if installed(p) and p not in family.unasked)
    return [
        Contestant(OURS, device=device, precision=precision),
        *(
            Contestant(peer, variant, tuned, device, precision)
            for peer in peers
            if peer in family.contestants
            for variant in family.variants.get(peer, ("",))
            for tuned in ((False, True) if device == "cpu" else (False,))
        ),
    ]


def environment(contestant: Contestant, threads: int) -> dict[str, str]:
    """The environment variables of a contestant's process.

    Parameters
    ----------
    contestant : Contestant
    threads : int
        The same for all.

    Returns
    -------
    dict of str to str
    """
    variables = {k: v for k, v in os.environ.items() if k not in _REMOVED}
    variables |= dict.fromkeys(_THREADS, str(threads))
    if contestant.tuned:
        variables |= _TUNED
    if contestant.library != OURS:
        # Where a NumPy case borrows from the specification, it must not get C++.
        variables["TILEWRIGHT_BACKEND"] = "numpy"
    if contestant.library == "jax":
        variables["JAX_PLATFORMS"] = "cpu"
    if contestant.library == "cupy":
        # Its products of float32 arrays round no further than to tf32.
        variables["CUPY_TF32"] = str(int(contestant.precision in ("tf32", "bf16")))
    return variables
