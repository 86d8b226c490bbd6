"""Write python/tilewright/_cpu.pyi, the type stub of the compiled extension.

    python tools/make_stubs.py [TARGET]

Needs the extension installed and pybind11-stubgen. The text depends on their
versions as well as on the bindings: the first line records them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

STUB = Path(__file__).resolve().parents[1] / "python" / "tilewright" / "_cpu.pyi"


def first_line() -> str:
    """Name the generator's versions; a stub of other versions may differ."""
    pybind11 = ".".join(version("pybind11").split(".")[:2])
    stubgen = ".".join(version("pybind11-stubgen").split(".")[:2])
    return (
        "# Written by tools/make_stubs.py "
        f"(pybind11 {pybind11}, pybind11-stubgen {stubgen}).\n"
    )


def stub() -> str:
    """Return the stub's text."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pybind11_stubgen", "tilewright._cpu"]
            + ["--output-dir", folder, "--exit-code"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        text = (Path(folder) / "tilewright" / "_cpu.pyi").read_text(encoding="utf-8")
    return first_line() + text


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else STUB
    target.write_text(stub(), encoding="utf-8")


if __name__ == "__main__":
    main()
