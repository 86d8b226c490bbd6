"""Insert tables from benchmarks/results/ into README.md between their markers.

    python tools/update_readme.py [--check]

README.md names the file itself::

    <!-- table: benchmarks/results/mnist.md -->
    (replaced)
    <!-- end of table -->

A block whose file does not exist stays as it is. With ``--check`` nothing is written;
the exit status says whether README.md holds the tables as they are now.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(
    r"(<!-- table: (?P<file>\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL
)


def insert_tables(text: str, root: Path) -> str:
    """Return the text with each marked block replaced by its file's text."""

    def block(match: re.Match[str]) -> str:
        file = root / match["file"]
        if not file.is_file():
            return match[0]
        table = file.read_text(encoding="utf-8").strip()
        return f"{match[1]}\n{table}\n\n{match[3]}"

    return BLOCK.sub(block, text)


def main() -> int:
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = insert_tables(old, ROOT)
    if "--check" in sys.argv[1:]:
        return int(new != old)
    readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
