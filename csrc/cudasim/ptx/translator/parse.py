"""The grammar of PTX: a file's text to kernels, variables and statements.

Of the language (PTX ISA, "Syntax" and "State Spaces, Types, and Variables") this is
what nvcc emits for kernels that call no function: everything else is an error that
names its line.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NamedTuple

# Bytes of a variable's or parameter's type.
SIZES = {f"{kind}{bits}": bits // 8 for kind in "bus" for bits in (8, 16, 32, 64)} | {
    "f32": 4,
    "f64": 8,
}
SPACES = ("param", "shared", "local", "const", "global")


class PtxError(ValueError):
    """What cannot be translated, and where."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")


class Register(NamedTuple):
    """``.reg .f32 %f<3>;`` declares %f0 to %f2; without a count it is one."""

    type: str
    name: str
    number: int | None


class Label(NamedTuple):
    """A place to jump to."""

    name: str


class Open(NamedTuple):
    """A block begins; its registers and labels are its own."""


class Close(NamedTuple):
    """A block ends."""


class Instruction(NamedTuple):
    """One instruction, with what it came from where nvcc says it (-lineinfo)."""

    line: int
    guard: str  # "%p1", "!%p1" or ""
    opcode: str
    operands: tuple[str, ...]
    source: str  # "gemm.cu:40" or ""


class Variable(NamedTuple):
    """A variable of a file or of a kernel."""

    line: int
    space: str  # shared, local, const, global
    align: int
    name: str
    bytes: int  # 0: the launch says how many
    initial: tuple[int, ...]  # the first bytes


class Parameter(NamedTuple):
    """A kernel's parameter, and where it lies among the others."""

    name: str
    offset: int
    bytes: int


Statement = Register | Label | Open | Close | Instruction


@dataclass
class Kernel:
    """One entry function."""

    line: int
    name: str
    parameters: list[Parameter]
    most_threads: int  # of a block; 0: not stated
    body: list[Statement] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)


@dataclass
class Module:
    """One file of PTX."""

    file: str
    kernels: list[Kernel] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)


def split_operands(text: str) -> tuple[str, ...]:
    """Split at commas outside of braces and brackets."""
    parts = re.findall(r"(?:\{[^}]*\}|\[[^\]]*\]|[^,{}\[\]])+", text)
    return tuple(part.strip() for part in parts)


_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_LINE_DIRECTIVE = re.compile(r"\.(version|target|address_size|file|loc)\b([^\n]*)")
_SECTION = re.compile(r"\.section\s+[.\w]+\s*\{[^}]*\}")
_ENTRY = re.compile(
    r"(?:\.(?:visible|weak)\s+)*\.entry\s+([\w$]+)\s*(?:\(([^)]*)\))?"
    r"((?:\s*\.(?:maxntid|reqntid|minnctapersm|maxnreg)\s+[\d, ]+)*)\s*\{"
)
_PARAMETER = re.compile(
    r"\.param\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+(?:\.ptr[^,]*?\s)?([\w$]+)(?:\[(\d+)\])?"
)
_VARIABLE = re.compile(
    r"(?:\.(?:extern|visible|weak)\s+)*\.(shared|local|const|global)\s+"
    r"(?:\.align\s+(\d+)\s+)?\.(\w+)\s+([\w$]+)(?:\[(\d*)\])?"
    r"(?:\s*=\s*(\{[^}]*\}|[-\w]+))?\s*;"
)
_REGISTER = re.compile(r"\.reg\s+\.(\w+)\s+([^;]+);")
_LABEL = re.compile(r"([\w$]+)\s*:(?!:)")
_INSTRUCTION = re.compile(r"(?:@(!?[%\w$]+)\s+)?([a-z][\w.:]*)\s*([^;]*);")
_PRAGMA = re.compile(r"\.pragma[^;]*;")


class _Parser:
    def __init__(self, text: str, file: str) -> None:
        # Comments go, line numbers stay.
        self.text = _COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
        self.position = 0
        self.line_ends = [m.start() for m in re.finditer("\n", self.text)]
        self.files: dict[str, str] = dict(
            re.findall(r'\.file\s+(\d+)\s+"([^"]*)"', self.text)
        )
        self.source = ""
        self.callers: dict[str, str] = {}  # of a place in an inlined function
        self.module = Module(file)

    @property
    def line(self) -> int:
        return bisect.bisect_left(self.line_ends, self.position) + 1

    def error(self, message: str) -> PtxError:
        return PtxError(self.module.file, self.line, message)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Return a match that begins here, and go behind it."""
        match = pattern.match(self.text, self.position)
        if match:
            self.position = match.end()
        return match

    def skip_blanks(self) -> bool:
        """Return whether anything is left."""
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1
        return self.position < len(self.text)

    def rest_of_line(self) -> str:
        return self.text[self.position :].partition("\n")[0].strip()

    def parse(self) -> Module:
        while self.skip_blanks():
            line = self.line
            if match := self.take(_LINE_DIRECTIVE):
                if match[1] == "address_size" and match[2].strip() != "64":
                    raise self.error("addresses must have 64 bits")
            elif self.take(_SECTION):
                pass
            elif match := self.take(_ENTRY):
                self.module.kernels.append(self.kernel(line, match))
            elif match := self.take(_VARIABLE):
                self.module.variables.append(self.variable(line, match))
            else:
                raise self.error(f"unknown directive: {self.rest_of_line()}")
        return self.module

    def size(self, kind: str) -> int:
        if kind not in SIZES:
            raise self.error(f"unknown type: .{kind}")
        return SIZES[kind]

    def variable(self, line: int, match: re.Match[str]) -> Variable:
        space, align, kind, name, count, value = match.groups()
        size = self.size(kind)
        total = size if count is None else size * int(count or 0)
        initial = b""
        for word in re.findall(r"[-\w]+", value or ""):
            try:
                number = int(word, 0)
            except ValueError:
                raise self.error(f"unknown initial value: {word}") from None
            initial += (number % (1 << 8 * size)).to_bytes(size, "little")
        return Variable(line, space, int(align or size), name, total, tuple(initial))

    def kernel(self, line: int, match: re.Match[str]) -> Kernel:
        name, parameters, directives = match.groups()
        laid_out, end = [], 0
        for text in filter(str.strip, (parameters or "").split(",")):
            one = _PARAMETER.fullmatch(text.strip())
            if one is None:
                raise self.error(f"unknown parameter: {text.strip()}")
            align, kind, parameter, count = one.groups()
            size = self.size(kind)
            begin = -(-end // int(align or size)) * int(align or size)
            end = begin + size * int(count or 1)
            laid_out.append(Parameter(parameter, begin, end - begin))
        threads = 0
        for sizes in re.findall(r"\.(?:maxntid|reqntid)\s+([\d, ]+)", directives):
            threads = 1
            for extent in sizes.split(","):
                threads *= int(extent)
        kernel = Kernel(line, name, laid_out, threads)
        self.body(kernel)
        return kernel

    def body(self, kernel: Kernel) -> None:
        depth = 1
        while depth:
            if not self.skip_blanks():
                raise self.error(f"{kernel.name} has no end")
            letter = self.text[self.position]
            if letter in "{}":
                self.position += 1
                depth += 1 if letter == "{" else -1
                if depth:
                    kernel.body.append(Open() if letter == "{" else Close())
            elif match := self.take(_LINE_DIRECTIVE):
                if match[1] == "loc":
                    self.source = self.source_of(match[2])
            else:
                self.statement(kernel)

    def source_of(self, location: str) -> str:
        """Return file and line; for those of wrappers, where they were called."""
        found = re.match(r"\s*(\d+ \d+ \d+)(?:.*inlined_at (\d+ \d+ \d+))?", location)
        if found is None:
            raise self.error(f"unknown .loc{location}")
        place, caller = found.groups()
        if caller:
            self.callers[place] = caller
        passed = set()
        while place in self.callers and place not in passed and self.wraps(place):
            passed.add(place)
            place = self.callers[place]
        file, line, _ = place.split()
        return f"{PurePath(self.files.get(file, '?')).name}:{line}"

    def wraps(self, place: str) -> bool:
        """Whether a place is of csrc/cuda/device or of CUDA's own headers."""
        folder = PurePath(self.files.get(place.split()[0], "")).parent.name
        return folder in ("device", "include")

    def statement(self, kernel: Kernel) -> None:
        line = self.line
        if self.take(_PRAGMA):
            return
        if match := self.take(_REGISTER):
            if match[1] != "pred":
                self.size(match[1])
            for text in match[2].split(","):
                one = re.fullmatch(r"([%\w$]+)(?:<(\d+)>)?", text.strip())
                if one is None:
                    raise self.error(f"unknown register: {text.strip()}")
                count = int(one[2]) if one[2] else None
                kernel.body.append(Register(match[1], one[1], count))
        elif match := self.take(_VARIABLE):
            kernel.variables.append(self.variable(line, match))
        elif match := self.take(_LABEL):
            kernel.body.append(Label(match[1]))
        elif match := self.take(_INSTRUCTION):
            guard, opcode, operands = match.groups()
            kernel.body.append(
                Instruction(
                    line, guard or "", opcode, split_operands(operands), self.source
                )
            )
        else:
            raise self.error(f"unknown statement: {self.rest_of_line()}")


def parse(text: str, file: str) -> Module:
    """Return what a file of PTX says.

    Parameters
    ----------
    text
        The PTX.
    file
        Its name, for errors and for what the simulator reports.

    Raises
    ------
    PtxError
        For what is no PTX, or none of what nvcc emits for our kernels.
    """
    return _Parser(text, file).parse()
