"""How many threads are taken where nobody says: environment, affinity, quota."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from processes import run_python

PRINT = "from tilewright import _cpu; print(*_cpu.default_num_threads(), sep='|')"


def ask(**environment: str | None) -> tuple[int, str]:
    threads, source = run_python(PRINT, **environment).strip().split("|")
    return int(threads), source


@pytest.mark.parametrize(
    ("ours", "omp", "expected"),
    [
        ("3", "5", (3, "TILEWRIGHT_NUM_THREADS")),
        (None, "5", (5, "OMP_NUM_THREADS")),
        (None, "4,2", (4, "OMP_NUM_THREADS")),
        ("many", "2", (2, "OMP_NUM_THREADS")),
        ("0", "2", (2, "OMP_NUM_THREADS")),
        ("-1", "2", (2, "OMP_NUM_THREADS")),
    ],
)
def test_environment(ours: str | None, omp: str, expected: tuple[int, str]) -> None:
    found = ask(TILEWRIGHT_NUM_THREADS=ours, OMP_NUM_THREADS=omp)
    assert found == expected


def test_environment_is_what_runs() -> None:
    printed = run_python("print(tw.get_num_threads())", TILEWRIGHT_NUM_THREADS="3")
    assert printed.strip() == "3"


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity"
)
def test_affinity() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    assert run_python(code + PRINT).startswith("1|")


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


V1 = "/sys/fs/cgroup/cpu,cpuacct"
ONE_CPU = {
    "v2, own group": {
        "/proc/self/cgroup": "0::/a/b\n",
        "/sys/fs/cgroup/a/b/cpu.max": "100000 100000\n",
    },
    "v2, half a CPU": {
        "/proc/self/cgroup": "0::/a\n",
        "/sys/fs/cgroup/a/cpu.max": "50000 100000\n",
    },
    "v2, a parent's quota": {
        "/proc/self/cgroup": "0::/a/b/c\n",
        "/sys/fs/cgroup/a/b/c/cpu.max": "max 100000\n",
        "/sys/fs/cgroup/a/cpu.max": "100000 100000\n",
    },
    "v2, seen from inside of a container": {
        "/proc/self/cgroup": "0::/\n",
        "/sys/fs/cgroup/cpu.max": "100000 100000\n",
    },
    "v2, a path of the host": {
        "/proc/self/cgroup": "0::/docker/0123abcd\n",
        "/sys/fs/cgroup/cpu.max": "100000 100000\n",
    },
    "v1": {
        "/proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/docker/0123\n",
        f"{V1}/docker/0123/cpu.cfs_quota_us": "100000\n",
        f"{V1}/docker/0123/cpu.cfs_period_us": "100000\n",
    },
    "v1, a parent's quota": {
        "/proc/self/cgroup": "4:cpu,cpuacct:/pod/x\n",
        f"{V1}/pod/x/cpu.cfs_quota_us": "-1\n",
        f"{V1}/pod/x/cpu.cfs_period_us": "100000\n",
        f"{V1}/pod/cpu.cfs_quota_us": "100000\n",
        f"{V1}/pod/cpu.cfs_period_us": "100000\n",
    },
    "v1 and v2 together": {
        "/proc/self/cgroup": "1:cpu:/y\n0::/z\n",
        "/sys/fs/cgroup/cpu/y/cpu.cfs_quota_us": "90000\n",
        "/sys/fs/cgroup/cpu/y/cpu.cfs_period_us": "100000\n",
    },
}
NO_QUOTA = {
    "no files": {},
    "v2, max": {
        "/proc/self/cgroup": "0::/a\n",
        "/sys/fs/cgroup/a/cpu.max": "max 100000\n",
    },
    "v2, wide": {
        "/proc/self/cgroup": "0::/a\n",
        "/sys/fs/cgroup/a/cpu.max": "400000000 100000\n",
    },
    "v1, -1": {
        "/proc/self/cgroup": "4:cpu:/a\n",
        "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
    },
    "nonsense": {
        "/proc/self/cgroup": "0:/\nnot a line\n0::/a\n",
        "/sys/fs/cgroup/a/cpu.max": "one two\n",
    },
}


@pytest.mark.parametrize("files", ONE_CPU.values(), ids=ONE_CPU.keys())
def test_quota_of_one_cpu(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "empty").mkdir()
    if ask(TILEWRIGHT_CGROUP_ROOT=str(tmp_path / "empty"))[0] == 1:
        pytest.skip("one core alone: a quota of one changes nothing")
    write(tmp_path, files)
    found = ask(TILEWRIGHT_CGROUP_ROOT=str(tmp_path))
    assert found == (1, "the container's CPU quota")


@pytest.mark.parametrize("files", NO_QUOTA.values(), ids=NO_QUOTA.keys())
def test_no_quota(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    threads, source = ask(TILEWRIGHT_CGROUP_ROOT=str(tmp_path))
    assert source in {"physical cores", "the CPU affinity mask"}
    assert 1 <= threads <= len(os.sched_getaffinity(0))


def test_a_quota_is_rounded_up(tmp_path: Path) -> None:
    cores = ask(TILEWRIGHT_CGROUP_ROOT=str(tmp_path))[0]
    if cores < 3:
        pytest.skip("needs 3 cores to tell 1.5 CPUs from no quota")
    write(
        tmp_path,
        {
            "/proc/self/cgroup": "0::/a\n",
            "/sys/fs/cgroup/a/cpu.max": "150000 100000\n",
        },
    )
    assert ask(TILEWRIGHT_CGROUP_ROOT=str(tmp_path))[0] == 2


def test_the_environment_goes_before_the_quota(tmp_path: Path) -> None:
    write(tmp_path, ONE_CPU["v2, own group"])
    found = ask(TILEWRIGHT_CGROUP_ROOT=str(tmp_path), TILEWRIGHT_NUM_THREADS="2")
    assert found == (2, "TILEWRIGHT_NUM_THREADS")
