"""What concerns NVIDIA GPUs alone.

import tilewright as tw

tw.cuda.set_matmul_precision("tf32")
"""

from __future__ import annotations

from tilewright.kernels.matmul_precision import matmul_precision as matmul_precision
from tilewright.kernels.matmul_precision import (
    set_matmul_precision as set_matmul_precision,
)
from tilewright.kernels.matmul_precision import (
    use_matmul_precision as use_matmul_precision,
)
