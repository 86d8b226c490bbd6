"""The bound that a case's speed is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tilewright.bench.case import Case

# Working sets that are copied: within L1, L2 and L3 of common processors, and far
# beyond. The first two are a thread's.
_PER_THREAD = (16 << 10, 256 << 10)
_SHARED = (8 << 20, 512 << 20)


def probe_sizes(threads: int) -> list[int]:
    """Working sets, in bytes, at which the copy bandwidth is measured.

    Examples
    --------
    >>> probe_sizes(2)[0]
    32768
    """
    shared = [size for size in _SHARED if size > threads * _PER_THREAD[-1]]
    return [size * threads for size in _PER_THREAD] + shared


@dataclass(frozen=True)
class Roofline:
    """Peak FMA rate and copy bandwidths, of one machine at one moment.

    Attributes
    ----------
    flops : float
        FLOP a second, an FMA being two.
    copies : tuple of (int, float)
        Working set and bytes a second, ascending.
    """

    flops: float
    copies: tuple[tuple[int, float], ...]

    @classmethod
    def from_json(cls, about: dict[str, Any]) -> Roofline:
        """The reverse of `to_json`."""
        copies = tuple((int(size), float(rate)) for size, rate in about["copies"])
        return cls(float(about["flops"]), copies)

    def to_json(self) -> dict[str, Any]:
        """As plain types."""
        return {"flops": self.flops, "copies": [list(pair) for pair in self.copies]}

    def bandwidth(self, size: float) -> float:
        """Bytes a second for a working set of `size` bytes.

        That of the smallest probe which holds it: what fits a cache need not come
        from memory.

        Examples
        --------
        >>> Roofline(1e11, ((1000, 9e10), (100000, 3e10))).bandwidth(2000)
        30000000000.0
        """
        for probe, rate in self.copies:
            if size <= probe:
                return rate
        return self.copies[-1][1]

    def bound(self, case: Case) -> float:
        """The least seconds that the case's work takes here.

        The direct algorithm's FLOP at the peak, or its bytes at the bandwidth,
        whichever takes longer. An algorithm that multiplies less goes below.

        Examples
        --------
        >>> case = Case("gemm", "", "", {}, flops=2e9, bytes=8.0, tolerance=0.0)
        >>> Roofline(1e11, ((1000, 9e10),)).bound(case)
        0.02
        """
        return max(case.flops / self.flops, case.bytes / self.bandwidth(case.bytes))

    def bound_by_flops(self, case: Case) -> bool:
        """Whether arithmetic, rather than memory, is that bound."""
        memory = case.bytes / self.bandwidth(case.bytes)
        return case.flops / self.flops > memory
