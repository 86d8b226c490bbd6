"""Kernels as C++: a function each, registers as variables, jumps as goto."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from translator.opcodes import CPP, translate
from translator.parse import (
    SIZES,
    SPACES,
    Close,
    Instruction,
    Kernel,
    Label,
    Module,
    Open,
    PtxError,
    Register,
    Variable,
)

_SPECIAL = {
    f"%{name}.{axis}": f"{member}.{axis}"
    for name, member in {
        "tid": "current->index",
        "ctaid": "launch_state.block_index",
        "ntid": "launch_state.block",
        "nctaid": "launch_state.grid",
    }.items()
    for axis in "xyz"
} | {"%laneid": "uint32_t(current->lane)"}

_ADDRESS = re.compile(r"\[\s*([%\w$]+)\s*(?:\+\s*(-?\w+))?\s*\]")
# A register's C++ type: signed numbers lie in unsigned ones.
_REGISTER_TYPES = {kind: CPP[kind.replace("s", "u", 1)] for kind in CPP}


def _literal(text: str, kind: str) -> str | None:
    """Return C++ for a number in PTX's spelling, or None for what is none."""
    if match := re.fullmatch(r"0([fFdD])([0-9A-Fa-f]+)", text):
        single = match[1] in "fF"
        number = int(match[2], 16)
        code = "<f" if single else "<d"
        value = struct.unpack(code, number.to_bytes(4 if single else 8, "little"))[0]
        if value - value == 0:
            return f"{value.hex()}{'f' if single else ''}"
        name = "float" if single else "double"
        return f"bits<{name}>({number:#x}{'u' if single else 'ull'})"
    if not re.fullmatch(r"-?(0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9]\d*)U?", text):
        return None
    digits = text.rstrip("U").lstrip("-")
    octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0"
    number = int(digits, 8 if octal else 0) * (-1 if text[0] == "-" else 1)
    if kind == "pred":
        return "true" if number else "false"
    width = 8 * SIZES[kind]
    unsigned = number % (1 << width)
    return f"{CPP[kind]}({unsigned}{'ull' if width == 64 else 'u'})"


class _Scope:
    """Names of a block: its registers and labels, then those around it."""

    def __init__(self, number: int, outer: _Scope | None) -> None:
        self.number, self.outer = number, outer
        self.registers: dict[str, tuple[str, int | None]] = {}  # type, count
        self.labels: set[str] = set()

    def register(self, name: str) -> str | None:
        """Return the PTX type of a register."""
        prefix = name.rstrip("0123456789")
        digits = name[len(prefix) :]
        kind, count = self.registers.get(name, ("", None))
        if kind and count is None:
            return kind
        kind, count = self.registers.get(prefix, ("", None))
        if kind and digits and count is not None and int(digits) < count:
            return kind
        return self.outer.register(name) if self.outer else None

    def label(self, name: str) -> str | None:
        """Return the C++ label."""
        if name in self.labels:
            plain = name.replace("$", "_")
            return f"{plain}_{self.number}"
        return self.outer.label(name) if self.outer else None


class _KernelEmitter:
    def __init__(self, module: Module, kernel: Kernel, number: int) -> None:
        self.file, self.kernel, self.number = module.file, kernel, number
        self.sites: list[str] = []
        self.scope = _Scope(0, None)
        self.arguments = {p.name: p.offset for p in kernel.parameters}
        self.argument_bytes = max(
            (p.offset + p.bytes for p in kernel.parameters), default=0
        )
        variables = [*module.variables, *kernel.variables]
        self.used = used = self.names_used()
        self.shared, self.static_bytes = self.lay_out_shared(
            [v for v in variables if v.space == "shared" and v.name in used]
        )
        self.local = [v for v in kernel.variables if v.space == "local"]
        self.globals = {v.name for v in variables if v.space in ("const", "global")}
        # The instruction in hand.
        self.at = Instruction(kernel.line, "", "", (), "")

    def names_used(self) -> set[str]:
        return {
            name
            for one in self.kernel.body
            if isinstance(one, Instruction)
            for operand in (one.guard, *one.operands)
            for name in re.findall(r"%?[\w$]+", operand)
        }

    @staticmethod
    def lay_out_shared(variables: list[Variable]) -> tuple[dict[str, int], int]:
        """Return the offsets of a block's variables, and the size of the static ones.

        What the launch gives lies behind them; all of it begins at one place.
        """
        offsets, end = {}, 0
        for v in variables:
            if v.bytes:
                offsets[v.name] = -(-end // v.align) * v.align
                end = offsets[v.name] + v.bytes
        dynamic = [v for v in variables if not v.bytes]
        most = max((v.align for v in dynamic), default=1)
        end = -(-end // most) * most
        return offsets | {v.name: end for v in dynamic}, end

    # What an opcode needs (opcodes.Context).

    @property
    def opcode(self) -> str:
        return self.at.opcode

    @property
    def operands(self) -> tuple[str, ...]:
        return self.at.operands

    def parts(self, operand: str) -> tuple[str, ...]:
        if not operand.startswith("{"):
            return (operand,)
        return tuple(part.strip() for part in operand.strip("{} ").split(","))

    @staticmethod
    def variable(name: str) -> str:
        """Return a register's or variable's C++ name.

        What is written in inline assembly, without a %, may be any word of C++.
        """
        return re.sub(r"\W", "", name) + ("" if name.startswith("%") else "_")

    def read(self, operand: str, kind: str) -> str:
        if operand.startswith("!"):
            return f"!{self.read(operand[1:], kind)}"
        declared = self.scope.register(operand)
        if declared is not None:
            return self.as_type(self.variable(operand), declared, kind)
        if operand in _SPECIAL:
            return f"{CPP[kind]}({_SPECIAL[operand]})"
        literal = _literal(operand, kind)
        return literal or f"{CPP[kind]}({self.symbol(operand)})"

    def as_type(self, name: str, declared: str, kind: str) -> str:
        register, wanted = _REGISTER_TYPES[declared], CPP[kind]
        if register == wanted:
            return name
        if "pred" in (declared, kind) or SIZES[declared] < SIZES[kind]:
            raise ValueError(f"a .{declared} register cannot be read as .{kind}")
        if "f" in declared or "f" in kind:
            if SIZES[declared] != SIZES[kind]:
                raise ValueError(f"a .{declared} register cannot be read as .{kind}")
            return f"bits<{wanted}>({name})"
        return f"{wanted}({name})"

    def symbol(self, name: str) -> str:
        """Return the address of a parameter or variable."""
        if name in self.arguments:
            return f"address_of(argument + {self.arguments[name]})"
        if name in self.shared:
            return f"(kSharedBase + {self.shared[name]}u)"
        if any(v.name == name for v in self.local) or name in self.globals:
            return f"address_of({self.variable(name)})"
        raise ValueError(f"unknown operand {name}")

    def write(self, operand: str, kind: str, value: str) -> str:
        if operand == "_":
            return f"(void)({value});"
        declared = self.scope.register(operand)
        if declared is None:
            raise ValueError(f"unknown register {operand}")
        register, given = _REGISTER_TYPES[declared], CPP[kind]
        name = self.variable(operand)
        if register == given and not given.startswith(("int8", "int16", "uint8")):
            return f"{name} = {value};"
        if "pred" in (declared, kind) or SIZES[declared] < SIZES[kind]:
            raise ValueError(f"a .{declared} register cannot take a .{kind}")
        if "f" in declared or "f" in kind:
            if SIZES[declared] != SIZES[kind]:
                raise ValueError(f"a .{declared} register cannot take a .{kind}")
            return f"{name} = bits<{register}>({given}({value}));"
        # A narrower number is extended by its sign, if it has one.
        return f"{name} = {register}({given}({value}));"

    def address(self, operand: str) -> str:
        match = _ADDRESS.fullmatch(operand)
        if match is None:
            raise ValueError(f"unknown address {operand}")
        base, offset = match[1], int(match[2] or "0", 0)
        kind = self.scope.register(base)
        if kind is None:
            literal = _literal(base, "u64")
            begin = literal or f"uint64_t({self.symbol(base)})"
        elif kind in ("b64", "u64", "s64"):
            begin = self.read(base, "u64")
        else:  # the addresses of shared and local memory fit into 32 bits
            begin = self.read(base, "u32")
        if offset == 0:
            return begin
        return f"{begin} {'+' if offset > 0 else '-'} {abs(offset)}u"

    def memory(self, operand: str, size: int, access: str) -> str:
        suffixes = self.opcode.split(".")
        space = next(s for s in suffixes if s in SPACES)
        place = ""
        if space == "param":
            place = f"argument, {self.argument_bytes}, "
        elif space == "local":
            if len(self.local) != 1:
                raise ValueError("local memory must be one variable")
            (depot,) = self.local
            place = f"{self.variable(depot.name)}, {depot.bytes}, "
        where = f"{place}{self.address(operand)}, {size}"
        return f"{space}_pointer({where}, Access::{access}, {self.site()})"

    def label(self, name: str) -> str:
        found = self.scope.label(name)
        if found is None:
            raise ValueError(f"unknown label {name}")
        return found

    def site(self) -> str:
        where = f"{self.at.source}, {self.file}" if self.at.source else self.file
        text = f'{{"{where}", {self.at.line}}}'
        if not self.sites or self.sites[-1] != text:
            self.sites.append(text)
        return f"at_{self.number}[{len(self.sites) - 1}]"

    # The kernel.

    def scopes(self) -> list[_Scope]:
        """Return the blocks, outermost first, in the order in which they open."""
        found = [_Scope(0, None)]
        scope: _Scope | None = found[0]
        for one in self.kernel.body:
            assert scope is not None
            if isinstance(one, Open):
                scope = _Scope(len(found), scope)
                found.append(scope)
            elif isinstance(one, Close):
                scope = scope.outer
            elif isinstance(one, Register):
                scope.registers[one.name] = one.type, one.number
            elif isinstance(one, Label):
                scope.labels.add(one.name)
        return found

    def registers(self, one: Register) -> str:
        names = [one.name]
        if one.number is not None:
            names = [f"{one.name}{i}" for i in range(one.number)]
            names = [name for name in names if name in self.used]
        if not names:
            return ""
        return f"{_REGISTER_TYPES[one.type]} {', '.join(map(self.variable, names))};"

    def statements(self) -> Iterator[str]:
        scopes = iter(self.scopes())
        self.scope = next(scopes)
        for one in self.kernel.body:
            if isinstance(one, Open):
                self.scope = next(scopes)
                yield "{"
            elif isinstance(one, Close):
                assert self.scope.outer is not None
                self.scope = self.scope.outer
                yield "}"
            elif isinstance(one, Label):
                yield f"{self.label(one.name)}:;"
            elif isinstance(one, Register):
                yield self.registers(one)
            else:
                yield self.instruction(one)

    def instruction(self, one: Instruction) -> str:
        self.at = one
        try:
            text = translate(self)
            if one.guard:
                text = f"if ({self.read(one.guard, 'pred')}) {text}"
        except ValueError as error:
            raise PtxError(self.file, one.line, str(error)) from None
        return text

    def emit(self) -> str:
        body = "\n  ".join(filter(None, self.statements()))
        depots = "".join(
            f"  alignas({max(v.align, 16)}) unsigned char "
            f"{self.variable(v.name)}[{v.bytes}];\n"
            f"  std::memset({self.variable(v.name)}, 0xff, {v.bytes});  // NaN\n"
            for v in self.local
        )
        n, kernel = self.number, self.kernel
        sites = ",\n    ".join(self.sites) or '{"", 0}'
        arguments = ", ".join(f"{{{p.offset}, {p.bytes}}}" for p in kernel.parameters)
        return f"""
const Site at_{n}[] = {{
    {sites}}};
void kernel_{n}(const unsigned char* argument) {{
  (void)argument;
{depots}  {body}
}}
const Registration registered_{n}({{
    "{kernel.name}", kernel_{n}, {{{arguments}}},
    {self.argument_bytes}, {self.static_bytes}, {kernel.most_threads}}});
"""


def _emit_variable(v: Variable, number: int) -> str:
    name = _KernelEmitter.variable(v.name)
    values = ", ".join(map(str, v.initial))
    writeable = "true" if v.space == "global" else "false"
    return (
        f"alignas({max(v.align, 16)}) unsigned char {name}[{v.bytes}] = {{{values}}};\n"
        f"const DeviceVariable variable_{number}({name}, {v.bytes}, {writeable});\n"
    )


def emit(module: Module) -> str:
    """Return a file's kernels as a C++ source over cudasim/ptx.

    Raises
    ------
    PtxError
        For an opcode or operand that has no translation; it names the line.
    """
    variables = "".join(
        _emit_variable(v, i)
        for i, v in enumerate(module.variables)
        if v.space in ("const", "global")
    )
    kernels = "".join(
        _KernelEmitter(module, kernel, i).emit()
        for i, kernel in enumerate(module.kernels)
    )
    return f"""// Translated from {module.file}.
#include "cudasim/ptx/instructions.hpp"

namespace {{

using namespace tw::cudasim;
using namespace tw::cudasim::ptx;

{variables}{kernels}
}}  // namespace
"""
