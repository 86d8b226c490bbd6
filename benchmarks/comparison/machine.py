"""The machine that figures were measured on, and the folder they belong in."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import tilewright
from tilewright.bench.harness import default_threads

ROOT = Path(__file__).resolve().parents[2]

# Processors of one generation by vendor and family: (models, name). A virtual
# machine often hides the name but not these numbers.
_GENERATIONS: dict[tuple[str, int], list[tuple[tuple[range, ...], str]]] = {
    ("AuthenticAMD", 0x17): [
        ((range(0x00, 0x30),), "Zen"),
        ((range(0x30, 0x100),), "Zen 2"),
    ],
    ("AuthenticAMD", 0x19): [
        ((range(0x00, 0x10), range(0x20, 0x60)), "Zen 3"),
        ((range(0x10, 0x20), range(0x60, 0xB0)), "Zen 4"),
    ],
    ("AuthenticAMD", 0x1A): [((range(0x00, 0x50), range(0x60, 0x80)), "Zen 5")],
    ("GenuineIntel", 6): [
        ((range(0x3C, 0x3D), range(0x3F, 0x40), range(0x45, 0x47)), "Haswell"),
        ((range(0x3D, 0x3E), range(0x47, 0x48), range(0x4F, 0x50)), "Broadwell"),
        ((range(0x4E, 0x4F), range(0x5E, 0x5F), range(0x8E, 0x8F)), "Skylake"),
        ((range(0x55, 0x56),), "Skylake-SP"),
        ((range(0x6A, 0x6B), range(0x6C, 0x6D)), "Ice Lake-SP"),
        ((range(0x7D, 0x7F),), "Ice Lake"),
        ((range(0x8C, 0x8E),), "Tiger Lake"),
        ((range(0x8F, 0x90),), "Sapphire Rapids"),
        ((range(0x97, 0x98), range(0x9A, 0x9B)), "Alder Lake"),
        ((range(0xB7, 0xB8), range(0xBA, 0xBB), range(0xBF, 0xC0)), "Raptor Lake"),
        ((range(0xAD, 0xAF),), "Granite Rapids"),
        ((range(0xCF, 0xD0),), "Emerald Rapids"),
    ],
}


def microarchitecture(vendor: str, family: int, model: int) -> str | None:
    """The name of a processor's generation, None where it is not known here.

    Examples
    --------
    >>> microarchitecture("AuthenticAMD", 26, 2)
    'Zen 5'
    """
    for ranges, name in _GENERATIONS.get((vendor, family), ()):
        if any(model in numbers for numbers in ranges):
            return name
    return None


def processor(cpuinfo: str) -> dict[str, Any]:
    """What the text of /proc/cpuinfo says of the first processor.

    Parameters
    ----------
    cpuinfo : str

    Returns
    -------
    dict
        ``name``, and ``vendor``, ``family``, ``model``, ``microarchitecture``;
        None where the text does not say.
    """
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    found: dict[str, Any] = {
        "name": fields.get("model name") or platform.machine(),
        "vendor": fields.get("vendor_id"),
        "family": None,
        "model": None,
        "microarchitecture": None,
    }
    if "cpu family" in fields and "model" in fields:
        found["family"] = int(fields["cpu family"])
        found["model"] = int(fields["model"])
        found["microarchitecture"] = microarchitecture(
            str(found["vendor"]), found["family"], found["model"]
        )
    return found


def title(cpu: dict[str, Any]) -> str:
    """How tables call a processor.

    Examples
    --------
    >>> title({"name": "AMD EPYC", "microarchitecture": "Zen 5"})
    'AMD EPYC (Zen 5)'
    """
    name = re.sub(r"\((R|TM)\)|\b\d+-Core\b|\bProcessor\b|\bCPU\b|@.*", "", cpu["name"])
    name = " ".join(name.split())
    generation = cpu["microarchitecture"]
    return f"{name} ({generation})" if generation else name


def slug(cpu: dict[str, Any]) -> str:
    """The name of its folder under results.

    Examples
    --------
    >>> slug({"name": "AMD EPYC", "microarchitecture": "Zen 5"})
    'amd-epyc-zen-5'
    """
    return re.sub(r"[^a-z0-9]+", "-", title(cpu).lower()).strip("-")


def about(threads: int | None = None) -> dict[str, Any]:
    """Machine, versions and date, as plain JSON types.

    Parameters
    ----------
    threads : int, optional
        Of the contestants; default: what tilewright takes by itself.

    Returns
    -------
    dict
    """
    information = tilewright.info()
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        cpuinfo = ""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": processor(cpuinfo),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30),
        "threads": default_threads() if threads is None else threads,
        "isa": information["isa"],
        "python": information["python"],
        "platform": information["platform"],
        "compiler": information["compiler"],
        "versions": {
            "tilewright": information["version"],
            "numpy": information["numpy"],
        },
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _commit() -> str | None:
    """Of the checkout, with a plus sign where it has changes; None outside of one."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
