"""Building and installing the package without network.

Builds run without isolation, and the virtual environments see the packages of
the environment that runs the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest


def child_environment(**changes: str) -> dict[str, str]:
    """This process's environment without what would change a build or import."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "LD_PRELOAD")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.startswith(("TILEWRIGHT_", "SKBUILD_"))
    }
    return {**kept, **changes}


class Environment:
    """A virtual environment that sees this one's packages behind its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True
        )
        self.python = folder / "bin" / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.site_packages = folder / "lib" / version / "site-packages"
        behind = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (self.site_packages / "behind.pth").write_text("\n".join(sorted(behind)))

    def run(
        self, *arguments: str, cwd: Path | None = None, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Run its interpreter, outside of the checkout unless told otherwise."""
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=cwd or self.folder,
            env=child_environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1500,
        )

    def pip_install(
        self, *arguments: str, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``pip install`` without network, build isolation or dependencies.

        What lies behind does not count as installed.
        """
        return self.run(
            "-m", "pip", "--disable-pip-version-check", "install", "-v", "--no-index",
            "--no-deps", "--no-build-isolation", "--ignore-installed", *arguments,
            **changes,
        )  # fmt: skip


def build(hook: str, source: Path, target: Path, **changes: str) -> Path:
    """Call a build hook (``build_sdist``, ``build_wheel``) as a front end does."""
    pytest.importorskip("scikit_build_core", reason="needs the extra 'test'")
    target.mkdir(parents=True, exist_ok=True)
    code = f"from scikit_build_core.build import {hook} as h; h({str(target)!r})"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=source,
        env=child_environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
    )
    assert result.returncode == 0, result.stdout
    (made,) = target.iterdir()
    return made


def unpack(archive: Path, target: Path) -> Path:
    """Unpack a source archive and return its only folder."""
    with tarfile.open(archive) as files:
        if hasattr(tarfile, "data_filter"):
            files.extractall(target, filter="data")
        else:
            files.extractall(target)
    (folder,) = target.iterdir()
    return folder
