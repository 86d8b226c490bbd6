"""Microbenchmarks of the kernels, against other libraries.

Contestants run in processes of their own, idle while another runs, and take turns.
Each peer runs as installed and with an allocator tuned to keep its memory; each
output is checked before anything is timed; and speeds are held against a roofline
that is measured in the same run. `tilewright bench` is the command.
"""

from __future__ import annotations

from tilewright.bench.case import Case as Case
from tilewright.bench.contestants import choose_peers as choose_peers
from tilewright.bench.families import FAMILIES as FAMILIES
from tilewright.bench.families import family as family
from tilewright.bench.families import select as select
from tilewright.bench.families import shrunk as shrunk
from tilewright.bench.harness import expect_device as expect_device
from tilewright.bench.harness import run as run
from tilewright.bench.report import Report as Report
from tilewright.bench.report import Result as Result
