"""The translator of PTX by itself: its grammar, its table, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from simulator import ROOT

FOLDER = ROOT / "csrc" / "cudasim" / "ptx"
sys.path.append(str(FOLDER))
from translator.emit import emit  # noqa: E402
from translator.opcodes import TABLE  # noqa: E402
from translator.parse import (  # noqa: E402
    Close,
    Instruction,
    Label,
    Open,
    Parameter,
    PtxError,
    Register,
    Variable,
    parse,
    split_operands,
)

KERNEL = """\
.version 9.0
.target sm_80
.address_size 64
.extern .shared .align 1024 .b8 dynamic[];
.const .align 4 .b8 table[8] = {{1, 0, 0, 0, 255}};
.visible .entry kernel(
  .param .u8 kernel_param_0,
  .param .align 8 .b8 kernel_param_1[24],
  .param .u64 .ptr .global .align 4 kernel_param_2
)
.maxntid 32, 4, 1
{{
  .reg .pred %p<3>;
  .reg .b32 %r<5>;
  .reg .b64 %rd<3>;
  .reg .f32 %f<3>;
  .loc 1 7 3 // a comment
  {body}
  ret;
}}
  .file 1 "/somewhere/csrc/cuda/gemm/gemm.cu"
  .file 2 "/somewhere/csrc/cuda/device/memory.hpp"
"""
FIRST_LINE = 18  # of the body


def translated(body: str) -> str:
    """Return the C++ of a kernel's statements."""
    return emit(parse(KERNEL.format(body=body), "some.ptx"))


def test_a_kernel_is_parsed() -> None:
    body = "@!%p1 bra $L__BB0_2; /* two\nlines */ bar.sync 0;\n$L__BB0_2:\n"
    module = parse(KERNEL.format(body=body), "some.ptx")
    assert module.variables == [
        Variable(4, "shared", 1024, "dynamic", 0, ()),
        Variable(5, "const", 4, "table", 8, (1, 0, 0, 0, 255)),
    ]
    (kernel,) = module.kernels
    assert (kernel.name, kernel.line, kernel.most_threads) == ("kernel", 6, 128)
    assert kernel.parameters == [
        Parameter("kernel_param_0", 0, 1),
        Parameter("kernel_param_1", 8, 24),
        Parameter("kernel_param_2", 32, 8),
    ]
    source = "gemm.cu:7"
    assert kernel.body[3:] == [
        Register("f32", "%f", 3),
        Instruction(FIRST_LINE, "!%p1", "bra", ("$L__BB0_2",), source),
        Instruction(FIRST_LINE + 1, "", "bar.sync", ("0",), source),
        Label("$L__BB0_2"),
        Instruction(FIRST_LINE + 4, "", "ret", (), source),
    ]


def test_blocks_have_registers_and_labels_of_their_own() -> None:
    wait = "{ .reg .pred done; wait: setp.eq.s32 done, %r1, 0; @!done bra wait; }"
    kernel = parse(KERNEL.format(body=wait), "some.ptx").kernels[0]
    kinds = [type(one) for one in kernel.body[4:]]
    assert kinds == [
        Open,
        Register,
        Label,
        Instruction,
        Instruction,
        Close,
        Instruction,
    ]
    text = translated(f"{wait} {wait} mov.pred %p1, 0;")
    assert "bool done_;\n  wait_1:;" in text and "goto wait_1;" in text
    assert "wait_2:;" in text and "goto wait_2;" in text
    with pytest.raises(PtxError, match="unknown register done"):
        translated(f"{wait} mov.pred done, 0;")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("%r1, -4", ("%r1", "-4")),
        ("{%f1, %f2}, [%rd1+8]", ("{%f1, %f2}", "[%rd1+8]")),
        ("%r9|%p1, %r4", ("%r9|%p1", "%r4")),
    ],
)
def test_operands_are_split_at_commas(text: str, parts: tuple[str, ...]) -> None:
    assert split_operands(text) == parts


def test_wrappers_are_passed_over_to_their_callers() -> None:
    body = """.loc 2 30 5, function_name $L__info_string1, inlined_at 1 44 9
  ld.global.f32 %f1, [%rd1];"""
    assert '{"gemm.cu:44, some.ptx", 19}' in translated(body)


@pytest.mark.parametrize(
    ("statement", "cpp"),
    [
        ("add.s32 %r1, %r2, -1;", "int32_t(r2) + int32_t(4294967295u)"),
        ("mul.wide.s32 %rd1, %r1, 4;", "int64_t(int32_t(r1)) * int64_t(int32_t(4u))"),
        ("fma.rm.f32 %f1, %f2, %f2, 0f3F800000;", "fused<FE_DOWNWARD>"),
        ("mov.f32 %f1, 0f3FC00000;", "f1 = 0x1.8000000000000p+0f;"),
        ("mov.f32 %f1, 0f7F800000;", "f1 = bits<float>(0x7f800000u);"),
        ("mov.b32 %f1, %r1;", "f1 = bits<float>(uint32_t(r1));"),
        ("mov.b64 %rd1, {%r1, %r2};", "uint64_t(r1) << 0 | uint64_t(r2) << 32"),
        ("mov.u32 %r1, %ctaid.y;", "uint32_t(launch_state.block_index.y)"),
        ("mov.u32 %r1, dynamic;", "kSharedBase + 0u"),
        ("ld.shared.v2.f32 {%f1, %f2}, [%r1+-8];", "shared_pointer(r1 - 8u, 8, Acc"),
        ("ld.param.u8 %r1, [kernel_param_0];", "param_pointer(argument, 40, "),
        ("@%p1 st.global.f32 [%rd1], %f1;", "if (p1) { auto* memory"),
        ("setp.gt.f32 %p1, %f1, %f2;", "p1 = f1 > f2;"),
        ("selp.b32 %r1, %r2, 0, %p1;", "r1 = p1 ? r2 : uint32_t(0u);"),
        ("bar.sync 1, %r1;", "wait_at_named_barrier(int32_t(1u), int32_t(r1), "),
        ("shfl.sync.up.b32 %r1|%p1, %r2, 1, 0, -1;", "p1 = taken.in_range;"),
    ],
)
def test_statements_become_cpp(statement: str, cpp: str) -> None:
    assert cpp in translated(statement)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("frobnicate.s32 %r1, %r2;", "18: unknown opcode frobnicate.s32"),
        # Known, but not with this modifier: nothing is guessed.
        ("add.sat.s32 %r1, %r2, %r3;", "18: unknown opcode add.sat.s32"),
        ("\n\natom.global.add.f32 %f1, [%rd1], %f2;", "20: unknown opcode atom.global"),
        ("add.s32 %r1, %r2;", "18: .*2 operands instead of 3"),
        ("mov.b32 %r9, %r1;", "18: .*unknown register %r9"),
        ("mov.b32 %r1, elsewhere;", "18: .*unknown operand elsewhere"),
        ("mov.b64 %rd1, %r1;", "18: .*a .b32 register cannot be read as .b64"),
        ("bra $nowhere;", "18: .*unknown label \\$nowhere"),
        ("bar.sync 1;", "18: bar.sync: only barrier 0 is for all threads"),
        ("ld.global.v2.f32 {%f1}, [%rd1];", "18: .*1 registers for 2 elements"),
        (".reg .f16 %h<2>; mov.b32 %r1, 0;", "18: unknown type: .f16"),
        (".branchtargets a;", "18: unknown statement: .branchtargets a;"),
    ],
)
def test_what_is_unknown_is_an_error_with_its_line(body: str, message: str) -> None:
    with pytest.raises(PtxError, match=r"^some\.ptx:" + message):
        translated(body)


def test_functions_are_refused() -> None:
    with pytest.raises(PtxError, match=r"^some\.ptx:2: unknown directive: \.func f"):
        parse(".version 9.0\n.func f { ret; }\n", "some.ptx")


def test_the_table_has_no_floating_point_atomics() -> None:
    atomics = [name for name in TABLE if name.startswith(("atom.", "red."))]
    assert "atom.global.add.u32" in atomics
    assert not any(".f32" in name or ".f64" in name for name in atomics)


def test_the_command_names_the_line_and_writes_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "some.ptx", tmp_path / "some.cpp"
    command = [sys.executable, "-m", "translator", str(source), str(target)]
    source.write_text(KERNEL.format(body="frobnicate %r1;"))
    bad = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert bad.returncode == 1 and not target.exists()
    assert bad.stderr == "some.ptx:18: unknown opcode frobnicate\n"
    source.write_text(KERNEL.format(body="mov.u32 %r1, %tid.x;"))
    subprocess.run(command, cwd=FOLDER, check=True)
    assert "void kernel_0(const unsigned char* argument)" in target.read_text()
