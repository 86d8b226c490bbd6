"""Draw the pages under benchmarks/results again from the figures beside them.

    python benchmarks/summary.py            (writes what has changed)
    python benchmarks/summary.py --check    (the exit status says whether any has)

`tools/update_readme.py` then puts results/summary.md into README.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from comparison.summary import RESULTS, stale, write_all


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    paths = stale(RESULTS) if options.check else write_all(RESULTS)
    for path in paths:
        print(path.relative_to(RESULTS))
    return int(bool(options.check and paths))


if __name__ == "__main__":
    sys.exit(main())
