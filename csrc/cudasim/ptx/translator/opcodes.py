"""What each opcode means: the table that decides what can be translated.

An opcode is looked up whole, with all its modifiers; one that is not here is an error.
Most are a `Rule`: the types of the operands, the result's first, and a C++ expression.
What moves data, jumps or meets other threads is a function of the instruction instead.
Meanings are those of the PTX ISA ("Instruction Set"); C++ functions without a
namespace are in cudasim/ptx/{numbers,spaces,warps}.hpp.

To add an opcode, add a line to `_RULES` or `_FUNCTIONS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from translator.parse import SIZES

# C++ for PTX's types. Registers of bits are unsigned.
CPP = {
    f"{kind}{bits}": f"{'' if kind == 's' else 'u'}int{bits}_t"
    for kind in "bus"
    for bits in (8, 16, 32, 64)
} | {"f32": "float", "f64": "double", "pred": "bool"}

_ROUNDING = {
    "rn": "FE_TONEAREST",
    "rz": "FE_TOWARDZERO",
    "rm": "FE_DOWNWARD",
    "rp": "FE_UPWARD",
}

# Names for alternatives in the opcodes below.
_SETS = {
    "int": "u16,s16,u32,s32,u64,s64",
    "integer": "u8,s8,u16,s16,u32,s32,u64,s64",
    "signed": "s16,s32,s64",
    "bits": "b16,b32,b64",
    "word": "u32,s32,u64,s64",
    "float": "f32,f64",
    "plain": "b16,u16,s16,b32,u32,s32,b64,u64,s64,f32,f64",
    "stored": "b8,u8,s8,b16,u16,s16,b32,u32,s32,b64,u64,s64,f32,f64",
    "directed": "rz,rm,rp",
}


class Context(Protocol):
    """What an instruction is translated with: one instruction of a kernel."""

    @property
    def opcode(self) -> str:
        """Return the opcode with all its modifiers."""

    @property
    def operands(self) -> tuple[str, ...]:
        """Return the operands as they are written."""

    def read(self, operand: str, kind: str) -> str:
        """Return C++ for an operand's value as PTX type `kind`."""

    def write(self, operand: str, kind: str, value: str) -> str:
        """Return a statement that gives an operand a value of PTX type `kind`."""

    def parts(self, operand: str) -> tuple[str, ...]:
        """Return the elements of ``{a, b}``, or the operand alone."""

    def address(self, operand: str) -> str:
        """Return C++ for the number in ``[address]``."""

    def memory(self, operand: str, size: int, access: str) -> str:
        """Return C++ for the checked pointer of ``[address]``.

        The opcode says in which state space.
        """

    def label(self, name: str) -> str:
        """Return the C++ label."""

    def site(self) -> str:
        """Return C++ for where the instruction stands."""


Function = Callable[[Context], str]


class Rule(NamedTuple):
    """Types of the operands, the result's first, and the result's C++ expression.

    Of the opcode's suffixes T is the last and D the one before; W is T at twice its
    width. In the expression a, b and c are the operands after the first.
    """

    types: str
    expression: str


_RULES = [
    # Integers. They wrap: the C++ is compiled with -fwrapv.
    ("add.{int}", "T T T", "{a} + {b}"),
    ("sub.{int}", "T T T", "{a} - {b}"),
    ("mul.lo.{int}", "T T T", "{a} * {b}"),
    ("mul.hi.{u32,s32}", "T T T", "{W}({a}) * {b} >> 32"),
    ("mul.wide.{u16,s16,u32,s32}", "W T T", "{W}({a}) * {W}({b})"),
    ("mad.lo.{int}", "T T T T", "{a} * {b} + {c}"),
    ("mad.wide.{u16,s16,u32,s32}", "W T T W", "{W}({a}) * {W}({b}) + {c}"),
    ("div.{int}", "T T T", "divide({a}, {b}, {site})"),
    ("rem.{int}", "T T T", "remainder({a}, {b}, {site})"),
    ("neg.{signed}", "T T", "-{a}"),
    ("abs.{signed}", "T T", "{a} < 0 ? -{a} : {a}"),
    ("min.{int}", "T T T", "{b} < {a} ? {b} : {a}"),
    ("max.{int}", "T T T", "{a} < {b} ? {b} : {a}"),
    # Bits. A shift by the width or more leaves nothing but the sign.
    ("and.{bits,pred}", "T T T", "{a} & {b}"),
    ("or.{bits,pred}", "T T T", "{a} | {b}"),
    ("xor.{bits,pred}", "T T T", "{a} ^ {b}"),
    ("not.{bits}", "T T", "~{a}"),
    ("not.pred", "T T", "!{a}"),
    ("shl.{bits}", "T T u32", "shift_left({a}, {b})"),
    ("shr.{bits,int}", "T T u32", "shift_right({a}, {b})"),
    ("bfe.{u32,s32}", "T T u32 u32", "extract_bits({a}, {b}, {c})"),
    ("bfi.b32", "T T T u32 u32", "insert_bits({a}, {b}, {c}, {d})"),
    ("prmt.b32", "T T T T", "permute_bytes({a}, {b}, {c})"),
    ("lop3.b32", "T T T T u32", "look_up_bits({a}, {b}, {c}, {d})"),
    # Floating point. .rn where nothing is said. A multiplication and an addition
    # that a GPU may contract stay two here.
    ("add{,.rn}.{float}", "T T T", "{a} + {b}"),
    ("sub{,.rn}.{float}", "T T T", "{a} - {b}"),
    ("mul{,.rn}.{float}", "T T T", "{a} * {b}"),
    ("div.rn.{float}", "T T T", "{a} / {b}"),
    ("rcp.rn.{float}", "T T", "{T}(1) / {a}"),
    ("sqrt.rn.f32", "T T", "sqrtf({a})"),
    ("sqrt.rn.f64", "T T", "sqrt({a})"),
    ("fma.rn.f32", "T T T T", "fmaf({a}, {b}, {c})"),
    ("fma.rn.f64", "T T T T", "fma({a}, {b}, {c})"),
    ("fma.{directed}.{float}", "T T T T", "fused<{mode}>({a}, {b}, {c})"),
    ("neg.{float}", "T T", "-{a}"),
    ("abs.f32", "T T", "fabsf({a})"),
    ("abs.f64", "T T", "fabs({a})"),
    ("copysign.f32", "T T T", "copysignf({b}, {a})"),
    ("min.{float}", "T T T", "smaller({a}, {b})"),
    ("max.{float}", "T T T", "larger({a}, {b})"),
    ("ex2.approx.f32", "T T", "approximate_exp2({a})"),
    ("lg2.approx.f32", "T T", "approximate_log2({a})"),
    ("rcp.approx.f32", "T T", "1 / {a}"),
    ("sqrt.approx.f32", "T T", "sqrtf({a})"),
    ("ex2.approx.ftz.f32", "T T", "flushed(approximate_exp2(flushed({a})))"),
    ("lg2.approx.ftz.f32", "T T", "approximate_log2(flushed({a}))"),
    ("rcp.approx.ftz.f32", "T T", "flushed(1 / flushed({a}))"),
    ("sqrt.approx.ftz.f32", "T T", "sqrtf(flushed({a}))"),
    # Conversions.
    ("cvt.{integer}.{integer}", "D T", "{a}"),
    ("cvt.rn.{float}.{int}", "D T", "{a}"),
    ("cvt.{directed}.{float}.{int}", "D T", "rounded<{D}, {mode}>({a})"),
    ("cvt.f64.f32", "D T", "{a}"),
    ("cvt.rn.f32.f64", "D T", "{a}"),
    ("cvt.{directed}.f32.f64", "D T", "rounded<{D}, {mode}>({a})"),
    ("cvt.{rni,rzi,rmi,rpi}.{word}.{float}", "D T", "to_integer<{D}, {mode}>({a})"),
    ("cvt.{rni,rzi,rmi,rpi}.f32.f32", "D T", "to_integral<{mode}>({a})"),
    ("cvt.{rni,rzi,rmi,rpi}.f64.f64", "D T", "to_integral<{mode}>({a})"),
    ("cvt.sat.f32.f32", "D T", "saturated({a})"),
    ("cvt.rna.tf32.f32", "b32 T", "bits<uint32_t>(round_to_tf32({a}))"),
    ("cvt.rn.bf16.f32", "b16 T", "round_to_bf16({a})"),
    ("cvt.rn.bf16x2.f32", "b32 T T", "bf16_pair({a}, {b})"),
    # Choices.
    ("selp.{plain}", "T T T pred", "{c} ? {a} : {b}"),
    *[
        (f"setp.{name}.{{plain}}", "pred T T", f"{{a}} {sign} {{b}}")
        for name, sign in [("eq", "=="), ("lt", "<"), ("le", "<=")]
        + [("gt", ">"), ("ge", ">=")]
    ],
    ("setp.ne.{bits}", "pred T T", "{a} != {b}"),
    ("setp.ne.{int}", "pred T T", "{a} != {b}"),
    # Of two numbers one of which is NaN, ne is false, and what ends with u true.
    ("setp.ne.{float}", "pred T T", "{a} < {b} || {a} > {b}"),
    ("setp.neu.{float}", "pred T T", "{a} != {b}"),
    ("setp.equ.{float}", "pred T T", "!({a} < {b} || {a} > {b})"),
    ("setp.ltu.{float}", "pred T T", "!({a} >= {b})"),
    ("setp.leu.{float}", "pred T T", "!({a} > {b})"),
    ("setp.gtu.{float}", "pred T T", "!({a} <= {b})"),
    ("setp.geu.{float}", "pred T T", "!({a} < {b})"),
    ("setp.num.{float}", "pred T T", "{a} == {a} && {b} == {b}"),
    ("setp.nan.{float}", "pred T T", "{a} != {a} || {b} != {b}"),
    # Addresses. Global and local ones are their generic ones.
    ("cvta.{global,local,param}.u64", "T T", "{a}"),
    ("cvta.to.{global,local}.u64", "T T", "{a}"),
    ("cvta.shared.u64", "T T", "generic_of_shared({a})"),
    ("cvta.to.shared.u64", "T T", "shared_of_generic({a})"),
]


def _suffixes(c: Context) -> list[str]:
    return c.opcode.split(".")


def _vector_size(c: Context) -> int:
    match = re.search(r"\.v([24])\.", c.opcode)
    return int(match[1]) if match else 1


def _load(c: Context) -> str:
    kind, count = _suffixes(c)[-1], _vector_size(c)
    target, address = c.operands
    pointer = c.memory(address, SIZES[kind] * count, "read")
    values = [
        c.write(name, kind, f"memory[{i}]") for i, name in enumerate(c.parts(target))
    ]
    if len(values) != count:
        raise ValueError(f"{len(values)} registers for {count} elements")
    declared = f"const auto* memory = static_cast<const {CPP[kind]}*>({pointer});"
    return f"{{ {declared} {' '.join(values)} }}"


def _store(c: Context) -> str:
    kind, count = _suffixes(c)[-1], _vector_size(c)
    address, source = c.operands
    pointer = c.memory(address, SIZES[kind] * count, "write")
    values = [
        f"memory[{i}] = {c.read(name, kind)};" for i, name in enumerate(c.parts(source))
    ]
    if len(values) != count:
        raise ValueError(f"{len(values)} registers for {count} elements")
    declared = f"auto* memory = static_cast<{CPP[kind]}*>({pointer});"
    return f"{{ {declared} {' '.join(values)} }}"


def _move(c: Context) -> str:
    """Move a value, or take apart or put together what has ``{parts}``."""
    kind = _suffixes(c)[-1]
    target, source = c.operands
    if source.startswith("{"):
        names = c.parts(source)
        part = f"b{8 * SIZES[kind] // len(names)}"
        shifted = [
            f"{CPP[kind]}({c.read(name, part)}) << {i * 8 * SIZES[part]}"
            for i, name in enumerate(names)
        ]
        return c.write(target, kind, " | ".join(shifted))
    value = c.read(source, kind)
    if target.startswith("{"):
        names = c.parts(target)
        part = f"b{8 * SIZES[kind] // len(names)}"
        values = [
            c.write(name, part, f"{CPP[part]}({value} >> {i * 8 * SIZES[part]})")
            for i, name in enumerate(names)
        ]
        return f"{{ {' '.join(values)} }}"
    return c.write(target, kind, value)


def _branch(c: Context) -> str:
    return f"goto {c.label(c.operands[0])};"


def _leave(c: Context) -> str:
    return "return;"


def _trap(c: Context) -> str:
    return f"{{ trap({c.site()}); return; }}"


def _barrier(c: Context) -> str:
    if c.operands == ("0",):
        return f"__syncthreads({c.site()}.file, {c.site()}.line);"
    if len(c.operands) != 2:
        raise ValueError("only barrier 0 is for all threads of the block")
    number, threads = (c.read(operand, "s32") for operand in c.operands)
    return f"wait_at_named_barrier({number}, {threads}, {c.site()});"


def _warp_barrier(c: Context) -> str:
    mask = c.read(c.operands[0], "b32")
    return f"__syncwarp({mask}, {c.site()}.file, {c.site()}.line);"


def _fence(c: Context) -> str:
    return ";"  # blocks, and threads between barriers, run in sequence


def _shuffle(c: Context) -> str:
    target, value, by, bounds, mask = c.operands
    result, _, in_range = target.partition("|")
    arguments = [c.read(operand, "b32") for operand in (value, by, bounds, mask)]
    call = f"shuffle_{_suffixes(c)[2]}({', '.join(arguments)}, {c.site()})"
    taken = c.write(in_range or "_", "pred", "taken.in_range")
    moved = c.write(result, "b32", "taken.value")
    return f"{{ const auto taken = {call}; {moved} {taken} }}"


def _vote(c: Context) -> str:
    target, predicate, mask = c.operands
    m = c.read(mask, "b32")
    ballot = f"ballot({m}, {c.read(predicate, 'pred')}, {c.site()})"
    _, _, mode, kind = _suffixes(c)
    value = {"ballot": ballot, "any": f"{ballot} != 0", "all": f"{ballot} == {m}"}
    return c.write(target, kind, value[mode])


def _atomic(c: Context) -> str:
    """Atomics on integers: sums of floats would depend on the order of threads."""
    _, _, change, kind = _suffixes(c)
    if c.opcode.startswith("red"):
        target, (address, *values) = "_", c.operands
    else:
        target, address, *values = c.operands
    pointer = c.memory(address, SIZES[kind], "atomic")
    arguments = ", ".join(c.read(value, kind) for value in values)
    call = f"atomic_{change}(static_cast<{CPP[kind]}*>({pointer}), {arguments})"
    return c.write(target, kind, call)


def _multiply_matrices(c: Context) -> str:
    function = {
        "m16n8k8": "mma_m16n8k8_tf32",
        "m16n8k16": "mma_m16n8k16_bf16",
    }[_suffixes(c)[3]]
    d, a, b, addend = (c.parts(operand) for operand in c.operands)
    if (len(d), len(a), len(b), len(addend)) != (4, 4, 2, 4):
        raise ValueError("wrong number of registers")
    values = [
        f"float d[4] = {{{', '.join(c.read(name, 'f32') for name in addend)}}};",
        f"const uint32_t a[4] = {{{', '.join(c.read(name, 'b32') for name in a)}}};",
        f"const uint32_t b[2] = {{{', '.join(c.read(name, 'b32') for name in b)}}};",
        f"{function}(d, a, b, {c.site()});",
        *(c.write(name, "f32", f"d[{i}]") for i, name in enumerate(d)),
    ]
    return f"{{ {' '.join(values)} }}"


def _load_matrices(c: Context) -> str:
    target, address = c.operands
    names = c.parts(target)
    if len(names) != 4:
        raise ValueError("wrong number of registers")
    transposed = "true" if "trans" in _suffixes(c) else "false"
    row = f"shared_place({c.address(address)}, 16, {c.site()})"
    values = " ".join(c.write(name, "b32", f"m[{i}]") for i, name in enumerate(names))
    call = f"ldmatrix_x4(m, {row}, {transposed}, {c.site()}, &{c.site()});"
    return f"{{ uint32_t m[4]; {call} {values} }}"


def _copy_async(c: Context) -> str:
    shared, source, size, *read = c.operands
    target = f"shared_place({c.address(shared)}, {size}, {c.site()})"
    origin = f"pointer_to({c.address(source)})"
    count = c.read(read[0], "u32") if read else size
    return f"copy_async({target}, {origin}, {size}, {count}, &{c.site()});"


def _commit_copies(c: Context) -> str:
    return "commit_copies();"


def _wait_for_copies(c: Context) -> str:
    return f"wait_for_copies({c.operands[0] if c.operands else 0}, &{c.site()});"


def _mbarrier(c: Context, operand: str) -> str:
    return f"mbarrier_at({c.address(operand)}, {c.site()})"


def _init_mbarrier(c: Context) -> str:
    barrier, arrivals = c.operands
    return f"init_mbarrier({_mbarrier(c, barrier)}, {c.read(arrivals, 's32')});"


def _arrive(c: Context) -> str:
    state, barrier, *bytes_ = c.operands
    if state != "_":
        raise ValueError("the state of an arrival")
    expected = c.read(bytes_[0], "s32") if bytes_ else "0"
    return f"arrive_at_mbarrier({_mbarrier(c, barrier)}, {expected});"


def _try_wait(c: Context) -> str:
    """Wait until it succeeds, as the loop around it would."""
    over, barrier, parity = c.operands
    place = _mbarrier(c, barrier)
    wait = f"wait_at_mbarrier({place}, {c.read(parity, 'u32')}, {c.site()});"
    return f"{{ {wait} {c.write(over, 'pred', 'true')} }}"


def _fence_async_proxy(c: Context) -> str:
    return "fence_async_proxy();"


def _copy_tile(c: Context) -> str:
    shared, source, barrier = c.operands
    found = re.fullmatch(r"\[\s*([^,]+),\s*\{([^,]+),([^,]+)\}\s*\]", source)
    if found is None:
        raise ValueError("not a tile of two dimensions")
    map_, depth, row = (text.strip() for text in found.groups())
    tensor = f"tensor_map_at({c.read(map_, 'u64')})"
    target = f"shared_place({c.address(shared)}, 128, {c.site()})"
    place = f"{c.read(depth, 's32')}, {c.read(row, 's32')}"
    return f"copy_tile_async({target}, {tensor}, {place}, {_mbarrier(c, barrier)});"


def _elect(c: Context) -> str:
    target, mask = c.operands
    lane, _, elected = target.partition("|")
    if lane != "_" or int(mask, 0) != 0xFFFFFFFF:
        raise ValueError("one of a whole warp, and not which")
    return c.write(elected, "pred", f"elect_one({c.site()})")


def _set_registers(c: Context) -> str:
    return f"set_registers({c.operands[0]}, {c.site()});"


def _order_products(c: Context) -> str:
    """Fence, commit, or wait for the asynchronous products of a warpgroup."""
    kind = _suffixes(c)[1].partition("_")[0]
    pending = f"{c.operands[0]}, " if c.operands else ""
    name = {"wait": "wait_for"}.get(kind, kind)
    return f"{name}_products({pending}{c.site()});"


def _multiply_async(c: Context) -> str:
    """Registers have no address to add to later: the sums are there at once."""
    _, _, _, _, shape, _, narrow, _ = _suffixes(c)
    sums, a, b, *rest = c.operands
    if any(one != "1" for one in rest[:3]) or any(one != "0" for one in rest[3:]):
        raise ValueError("only d += a b, with the depth along both")
    names = c.parts(sums)
    columns = int(shape.partition("n")[2].partition("k")[0])
    if 2 * len(names) != columns:
        raise ValueError("wrong number of registers")
    values = ", ".join(c.read(name, "f32") for name in names)
    descriptors = f"{c.read(a, 'u64')}, {c.read(b, 'u64')}"
    product = f"{{d, {columns}, Narrow::{narrow}, {descriptors}}}"
    results = " ".join(c.write(name, "f32", f"d[{i}]") for i, name in enumerate(names))
    call = f"multiply_at_once({product}, {c.site()});"
    return f"{{ float d[{len(names)}] = {{{values}}}; {call} {results} }}"


_FUNCTIONS: list[tuple[str, Function]] = [
    ("ld.{param,local,const,global,global.nc,shared}{,.v2,.v4}.{stored}", _load),
    ("st.{local,global,shared}{,.v2,.v4}.{stored}", _store),
    ("ld.volatile.{global,shared}.{stored}", _load),
    ("mov.{plain,pred}", _move),
    ("bra{,.uni}", _branch),
    ("{ret,exit}", _leave),
    ("trap", _trap),
    ("bar.sync", _barrier),
    ("bar.warp.sync", _warp_barrier),
    ("membar.{cta,gl,sys}", _fence),
    ("shfl.sync.{up,down,bfly,idx}.b32", _shuffle),
    ("vote.sync.ballot.b32", _vote),
    ("vote.sync.{any,all}.pred", _vote),
    ("{atom,red}.{global,shared}.{add,min,max}.{word}", _atomic),
    ("{atom,red}.{global,shared}.{and,or,xor}.{b32,b64}", _atomic),
    ("atom.{global,shared}.{exch,cas}.{b32,b64}", _atomic),
    ("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", _multiply_matrices),
    ("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", _multiply_matrices),
    ("ldmatrix.sync.aligned.m8n8.x4{,.trans}.shared.b16", _load_matrices),
    ("cp.async.{ca,cg}.shared.global", _copy_async),
    ("cp.async.commit_group", _commit_copies),
    ("cp.async.{wait_group,wait_all}", _wait_for_copies),
    ("mbarrier.init.shared::cta.b64", _init_mbarrier),
    ("mbarrier.arrive{,.expect_tx}.shared::cta.b64", _arrive),
    ("mbarrier.try_wait.parity.shared::cta.b64", _try_wait),
    ("fence.proxy.async.shared::cta", _fence_async_proxy),
    (
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile"
        ".mbarrier::complete_tx::bytes",
        _copy_tile,
    ),
    ("elect.sync", _elect),
    ("setmaxnreg.{inc,dec}.sync.aligned.u32", _set_registers),
    ("wgmma.{fence,commit_group,wait_group}.sync.aligned", _order_products),
    ("wgmma.mma_async.sync.aligned.m64n{128,256}k8.f32.tf32.tf32", _multiply_async),
    ("wgmma.mma_async.sync.aligned.m64n{128,256}k16.f32.bf16.bf16", _multiply_async),
]


def _expand(pattern: str) -> Iterator[str]:
    head, brace, rest = pattern.partition("{")
    if not brace:
        yield pattern
        return
    names, _, tail = rest.partition("}")
    for name in names.split(","):
        for one in _SETS.get(name, name).split(","):
            for end in _expand(tail):
                yield head + one + end


TABLE: dict[str, Rule | Function] = {}
for _pattern, _types, _expression in _RULES:
    for _opcode in _expand(_pattern):
        TABLE[_opcode] = Rule(_types, _expression)
for _pattern, _function in _FUNCTIONS:
    for _opcode in _expand(_pattern):
        TABLE[_opcode] = _function


def _apply(rule: Rule, c: Context) -> str:
    suffixes = _suffixes(c)
    last, before = suffixes[-1], suffixes[-2] if len(suffixes) > 1 else ""
    wide = f"{last[0]}{2 * int(last[1:])}" if last[1:].isdigit() else ""
    names = {"T": last, "D": before, "W": wide}
    kinds = [names.get(kind, kind) for kind in rule.types.split()]
    if len(kinds) != len(c.operands):
        raise ValueError(f"{len(c.operands)} operands instead of {len(kinds)}")
    values = {
        letter: c.read(operand, kind)
        for letter, operand, kind in zip(
            "abcd", c.operands[1:], kinds[1:], strict=False
        )
    }
    types = {name: CPP.get(kind, "") for name, kind in names.items()}
    modes = [_ROUNDING[s[:2]] for s in suffixes[1:] if s[:2] in _ROUNDING]
    site = c.site() if "{site}" in rule.expression else ""
    expression = rule.expression.format(
        **values, **types, mode=(modes or [""])[0], site=site
    )
    return c.write(c.operands[0], kinds[0], expression)


def translate(c: Context) -> str:
    """Return one instruction as C++ statements.

    Raises
    ------
    ValueError
        For an opcode that is not in the table, or operands that do not fit it.
    """
    meaning = TABLE.get(c.opcode)
    if meaning is None:
        raise ValueError(f"unknown opcode {c.opcode}")
    try:
        return _apply(meaning, c) if isinstance(meaning, Rule) else meaning(c)
    except ValueError as error:
        raise ValueError(f"{c.opcode}: {error}") from None
