"""What concerns NVIDIA GPUs alone.

import tilewright as tw

if tw.cuda.is_available():
    model.to("cuda")
"""

from tilewright.cuda.availability import device_count, is_available, synchronize
from tilewright.cuda.graphs import Graphed, graph
from tilewright.kernels.matmul_precision import (
    matmul_precision,
    set_matmul_precision,
    use_matmul_precision,
)

__all__ = [
    "Graphed",
    "device_count",
    "graph",
    "is_available",
    "matmul_precision",
    "set_matmul_precision",
    "synchronize",
    "use_matmul_precision",
]
