"""Compile the CUDA kernels and write down what decides their speed.

    python tools/cuda_figures.py [--check] [SOURCE ...]

For each kernel and architecture: registers, spills, how many threads an SM holds, and
what the main loop is made of, from the machine code. Needs nvcc, and nvdisasm from the
package nvidia-cuda-nvdisasm. Writes benchmarks/cuda/figures.json and a page for each
architecture; with ``--check`` it compares instead, and ends with 1 where a figure has
become worse.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "cuda"
ARCHITECTURES = ("sm_80", "sm_90a")
# Registers and threads of an SM, and shared memory that its blocks may have.
MULTIPROCESSOR = {"sm_80": (65536, 2048, 167936), "sm_90a": (65536, 2048, 233472)}
RESERVED_SHARED = 1024  # by the system, for each block
# Kernels whose speed is arithmetic's: what they multiply with, their threads, and
# the shared memory of their launch in bytes (device/memory.hpp: a struct each).
ARITHMETIC = {
    "gemm_simt_kernel": ("FFMA", 256),
    "conv2d_kernel": ("FFMA", 256),
    "conv2d_max_pool2d_kernel": ("FFMA", 256),
    "conv2d_backward_input_kernel": ("FFMA", 256),
    "conv2d_backward_weight_kernel": ("FFMA", 256),
    "conv2d_tensor_core_kernel": ("HMMA", 256),
    "conv2d_max_pool2d_tensor_core_kernel": ("HMMA", 256),
    "conv2d_backward_input_tensor_core_kernel": ("HMMA", 256),
    "conv2d_backward_weight_tensor_core_kernel": ("HMMA", 256),
    "few_channels_kernel": ("FFMA", 256),
    "gemm_tensor_core_kernel": ("HMMA", 256),
    "gemm_hopper_kernel": ("HGMMA", 384),
}
# Of the ordinary units' tiles (gemm/tiles.cuh).
THREADS = {"128, 128": 256, "128, 64": 128, "64, 64": 256, "128, 16": 64, "16, 128": 64}
# Kernels that are there on one architecture alone.
ONLY_ON = {"gemm_hopper_kernel": "sm_90a"}
# Instruction -> what begins its name; LDG.E.128 and the like are counted apart.
KINDS = {
    "FFMA": r"FFMA",
    "HMMA": r"HMMA",
    "HGMMA": r"HGMMA",
    "UTMALDG": r"UTMALDG",
    "LDG.128": r"LDG\.E(\.\w+)*\.128",
    "LDG": r"LDG\.E(?!(\.\w+)*\.128)",
    "LDGSTS.128": r"LDGSTS\.E(\.\w+)*\.128",
    "LDGSTS": r"LDGSTS\.E(?!(\.\w+)*\.128)",
    "LDSM": r"LDSM",
    "LDS.128": r"LDS(\.\w+)*\.128",
    "LDS": r"LDS(?!(\.\w+)*\.128)",
    "STS.128": r"STS(\.\w+)*\.128",
    "STS": r"STS(?!(\.\w+)*\.128)",
    "BAR": r"BAR",
    "SYNCS": r"SYNCS",
    "local": r"LDL|STL",
}
Figures = dict[str, Any]


def nvdisasm() -> str | None:
    """Return the disassembler: from PyPI's package, or where CUDA is installed."""
    packages = Path(sysconfig.get_path("purelib"))
    found = packages / "nvidia" / "cu13" / "bin" / "nvdisasm"
    return str(found) if found.is_file() else shutil.which("nvdisasm")


def sources() -> list[Path]:
    return sorted(p for p in (ROOT / "csrc/cuda").rglob("*.cu") if p.stem != "runtime")


def compile_source(source: Path, architecture: str, cubin: Path) -> str:
    """Compile to machine code; return what ptxas says of registers and spills."""
    command = ["nvcc", "-std=c++17", "-O3", "--expt-relaxed-constexpr", "-Xptxas", "-v"]
    command += [f"-arch={architecture}", f"-I{ROOT / 'csrc'}", "-cubin"]
    result = subprocess.run(
        [*command, "-o", str(cubin), str(source)], capture_output=True, text=True
    )
    if result.returncode != 0:
        raise SystemExit(result.stdout + result.stderr)
    return result.stdout + result.stderr


def plain_names(mangled: list[str]) -> dict[str, str]:
    """Return kernels' names without namespaces, arguments and their types."""
    output = subprocess.run(
        ["c++filt", *mangled], capture_output=True, text=True, check=True
    ).stdout
    names = {}
    for raw, name in zip(mangled, output.splitlines(), strict=True):
        name = name.removeprefix("void ").replace("(anonymous namespace)::", "")
        name = re.sub(r"\(int\)|\(bool\)", "", name.replace("tw::cuda::", ""))
        name = re.sub(r"\((Precision|Activation|Access)\)", "", name)
        depth, end = 0, len(name)
        for position, letter in enumerate(name):
            depth += (letter == "<") - (letter == ">")
            if letter == "(" and depth == 0:
                end = position
                break
        names[raw] = name[:end]
    return names


def registers(report: str) -> dict[str, tuple[int, int]]:
    """Return registers and bytes of spills by mangled name, from ptxas's report."""
    found = {}
    for part in report.split("Compiling entry function '")[1:]:
        name = part.partition("'")[0]
        used = re.search(r"Used (\d+) registers", part)
        spills = re.findall(r"(\d+) bytes spill", part)
        assert used is not None
        found[name] = int(used[1]), sum(map(int, spills))
    return found


def instructions(text: str) -> list[tuple[str, str]]:
    """Return ``(label or "", instruction)`` of a function's disassembly, in order."""
    found, label = [], ""
    for line in text.splitlines():
        if mark := re.match(r"(\.L_x_\d+):", line):
            label = mark[1]
        elif code := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(.*?);", line):
            found.append((label, re.sub(r"^@!?U?P\w+\s+", "", code[1])))
            label = ""
    return found


def main_loop(code: list[tuple[str, str]], math: str) -> list[str]:
    """Return the instructions of the shortest loop of slices with the most of it.

    Loops with a barrier go before those without, such as an epilogue's.
    """
    places = {label: at for at, (label, _) in enumerate(code) if label}
    best: tuple[bool, int, int, list[str]] = (False, 0, 0, [])
    for end, (_, text) in enumerate(code):
        target = re.search(r"^BRA.*?(\.L_x_\d+)", text)
        begin = places.get(target[1], end) if target else end
        if begin >= end:
            continue
        body = [instruction for _, instruction in code[begin : end + 1]]
        share = sum(one.startswith(math) for one in body)
        barrier = any(one.startswith(("BAR", "SYNCS")) for one in body)
        best = max(best, (share > 0 and barrier, share, -len(body), body))
    return best[3]


def shared_bytes(name: str) -> int:
    """Return what a product's launch asks for: see its struct of shared memory."""
    if "hopper" in name:
        columns, stages = (256, 4) if "256" in name else (128, 6)
        return stages * (128 + columns) * 128 + 8 * 16 * 64 * 4 + 2 * stages * 8
    parameters = name.rstrip("> ").partition("<")[2].split(", ")
    if name.startswith("few_channels_kernel"):
        return (160 * 32 + 7680 if parameters[1] == "4" else 160 * 64 + 4128) * 4
    if "tensor" in name:
        columns = 128 if name.startswith("gemm") else int(parameters[1])
        turned_a, turned_b = "backward_weight" in name, "backward_input" not in name
        if name.startswith("gemm"):
            turned_a, turned_b = parameters[1] == "true", parameters[2] == "false"
        # Slices along the span have 8 numbers between their rows.
        slices = 128 + 8 * turned_a + columns + 8 * turned_b
        return max(4 * 16 * slices, 128 * (columns + 8)) * 4
    rows, columns = int(parameters[0]), int(parameters[1])
    slices = 2 * 16 * (rows + 4 + columns + 4)
    return max(slices, min(rows, 64) * columns) * 4


def figures_of(source: Path, architecture: str) -> dict[str, Figures]:
    """Return the figures of a source's kernels by name."""
    tool = nvdisasm()
    assert tool is not None
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernels.cubin"
        used = registers(compile_source(source, architecture, cubin))
        text = subprocess.run(
            [tool, "-c", str(cubin)], capture_output=True, text=True, check=True
        ).stdout
    names = plain_names(list(used))
    result: dict[str, Figures] = {}
    for part in re.split(r"\n\s*\.section\s+\.text\.", "\n" + text)[1:]:
        mangled = part.partition(",")[0].strip()
        if mangled not in names:
            continue
        name = names[mangled]
        if ONLY_ON.get(name.partition("<")[0], architecture) != architecture:
            continue
        count, spills = used[mangled]
        figures: Figures = {"registers": count, "spilled bytes": spills}
        code = instructions(part)
        kind = next((k for k in ARITHMETIC if name.startswith(k)), None)
        if kind is None:
            figures["instructions"] = count_kinds([one for _, one in code])
        else:
            math, threads = ARITHMETIC[kind]
            tile = (
                re.search(r"_kernel<(\d+, \d+),", name) if "few" not in name else None
            )
            if math == "FFMA" and tile is not None:
                threads = THREADS[tile[1]]
            loop = main_loop(code, math)
            counts = count_kinds(loop)
            figures["threads of an SM"] = resident(architecture, count, name, threads)
            figures["main loop"] = {"all": len(loop), **counts}
            share = counts.get(math, 0) / max(1, len(loop))
            figures["arithmetic share"] = round(share, 3)
        result[name] = figures
    return dict(sorted(result.items()))


def count_kinds(code: list[str]) -> dict[str, int]:
    counts = Counter(
        kind for one in code for kind, how in KINDS.items() if re.match(how, one)
    )
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def resident(architecture: str, used: int, name: str, threads: int) -> int:
    """Return how many threads of a kernel an SM holds at once."""
    all_registers, all_threads, all_shared = MULTIPROCESSOR[architecture]
    warps = threads // 32
    of_a_warp = -(-used * 32 // 256) * 256
    blocks = min(
        all_registers // (of_a_warp * warps),
        all_threads // threads,
        all_shared // (shared_bytes(name) + RESERVED_SHARED),
    )
    return blocks * threads


def worse(now: Figures, before: Figures) -> list[str]:
    """Return what has become worse about a kernel."""
    found = []
    if now["spilled bytes"] > before["spilled bytes"]:
        found.append(
            f"spills {before['spilled bytes']} -> {now['spilled bytes']} bytes"
        )
    for name in ("threads of an SM", "arithmetic share"):
        if now.get(name, 0) < before.get(name, 0):
            found.append(f"{name} {before[name]} -> {now[name]}")
    return found


def page(architecture: str, kernels: dict[str, Figures]) -> str:
    lines = [
        f"# CUDA kernels as compiled for {architecture}",
        "",
        "Written by `tools/cuda_figures.py` from machine code, on a machine without a",
        "GPU: these are no timings. The main loop's instructions stand for themselves;",
        "an arithmetic share of 0.85 means that 85% of them multiply. An HGMMA is 64",
        "or 128 cycles of work for the tensor cores, which others fit into.",
        "",
        "| kernel | registers | spilled | threads/SM | share | main loop |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, f in kernels.items():
        loop = f.get("main loop", f.get("instructions", {}))
        text = ", ".join(f"{kind} {count}" for kind, count in loop.items())
        lines.append(
            f"| `{name}` | {f['registers']} | {f['spilled bytes']} "
            f"| {f.get('threads of an SM', '')} | {f.get('arithmetic share', '')} "
            f"| {text} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--architecture", action="append", choices=ARCHITECTURES)
    parser.add_argument("source", nargs="*", type=Path)
    options = parser.parse_args()
    if shutil.which("nvcc") is None or nvdisasm() is None:
        raise SystemExit("nvcc and nvdisasm (pip install nvidia-cuda-nvdisasm) needed")
    chosen = [path.resolve() for path in options.source] or sources()
    file = FOLDER / "figures.json"
    known = json.loads(file.read_text()) if file.is_file() else {}
    found: dict[str, dict[str, Figures]] = {}
    problems = []
    for architecture in options.architecture or ARCHITECTURES:
        kernels: dict[str, Figures] = {}
        for source in chosen:
            kernels.update(figures_of(source, architecture))
        found[architecture] = kernels
        before = known.get(architecture, {})
        for name, figures in kernels.items():
            if name not in before:
                problems.append(f"{architecture} {name}: not in the table")
                continue
            texts = worse(figures, before[name])
            problems += [f"{architecture} {name}: {text}" for text in texts]
    if options.check:
        print("\n".join(problems) or "no figure is worse")
        return bool(problems)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for architecture, kernels in found.items():
        known.setdefault(architecture, {}).update(kernels)
        if not options.source:
            known[architecture] = kernels
    file.write_text(json.dumps(known, indent=1) + "\n")
    for architecture, kernels in known.items():
        path = FOLDER / f"figures_{architecture}.md"
        path.write_text(page(architecture, kernels))
    return 0


if __name__ == "__main__":
    sys.exit(main())
