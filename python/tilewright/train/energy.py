"""How much energy the processor took: Intel's and AMD's counters (RAPL).

Linux shows them under ``/sys/class/powercap``, on most systems to the administrator
alone. They count microjoules and begin again at a limit, which takes minutes at the
least; they are therefore read from time to time by a thread.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

_COUNTERS = Path("/sys/class/powercap")
_SECONDS_BETWEEN_READINGS = 20.0
_MICRO = 1e-6


class EnergyMeter:
    """Joules that the processor's packages and memory take inside a ``with`` block.

    All of the machine is counted, whoever uses it.

    Parameters
    ----------
    counters : path, default ``/sys/class/powercap``

    Attributes
    ----------
    joules : float or None
        So far; None where there is no counter that can be read.

    References
    ----------
    Linux kernel, Power Capping Framework,
    https://docs.kernel.org/power/powercap/powercap.html.

    Examples
    --------
    >>> with EnergyMeter() as meter:
    ...     total = sum(range(1000))
    >>> meter.joules is None or meter.joules >= 0
    True
    """

    def __init__(self, counters: Path = _COUNTERS) -> None:
        self.joules: float | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._zones = _zones(counters)
        self._last: dict[Path, int] = {}

    def __enter__(self) -> EnergyMeter:
        self._last = {zone: value for zone in self._zones if (value := _read(zone))}
        if self._last:
            self.joules = 0.0
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._last:
            self._stop.set()
            self._thread.join()
            self.update()

    def update(self) -> None:
        """Read the counters."""
        with self._lock:
            for zone, before in self._last.items():
                now = _read(zone)
                if now is None or self.joules is None:
                    self.joules = None  # what is missing cannot be known later
                    return
                passed = now - before
                if passed < 0:
                    passed += self._zones[zone]
                self._last[zone] = now
                self.joules += passed * _MICRO

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_READINGS):
            self.update()


def _zones(counters: Path) -> dict[Path, int]:
    """Counters of packages and of memory, with the numbers at which they begin again.

    Others are parts of a package, or of the whole platform, and would count twice.
    """
    zones = {}
    for zone in sorted(counters.glob("*-rapl*:*")):
        try:
            name = (zone / "name").read_text().strip()
            limit = int((zone / "max_energy_range_uj").read_text())
        except (OSError, ValueError):
            continue
        if name.startswith("package") or name == "dram":
            zones[zone] = limit
    return zones


def _read(zone: Path) -> int | None:
    try:
        return int((zone / "energy_uj").read_text())
    except (OSError, ValueError):
        return None
