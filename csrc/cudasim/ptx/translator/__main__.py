"""Translate one file: ``python -m translator FILE.ptx FILE.cpp``."""

from __future__ import annotations

import sys
from pathlib import Path

from translator.emit import emit
from translator.parse import PtxError, parse


def main(arguments: list[str]) -> int:
    """Return the exit status; an error names the file, the line and the text."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    source, target = map(Path, arguments)
    try:
        text = emit(parse(source.read_text(), source.name))
    except PtxError as error:
        print(error, file=sys.stderr)
        return 1
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
