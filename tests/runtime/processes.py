"""Running code in a process of its own.

Much of what surrounds the kernels (forks, environment variables, the order of
imports) can be seen only there, and a hang must not take the test run with it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# `digest(seed)` computes with kernels large enough for several threads.
PRELUDE = """
import hashlib
import numpy as np
import tilewright as tw
from tilewright import kernels

def digest(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((8, 28, 28, 16), dtype=np.float32)
    weight = rng.standard_normal((3, 3, 16, 32), dtype=np.float32)
    bias = rng.standard_normal(32, dtype=np.float32)
    with tw.backend("cpu"):
        y = kernels.conv2d(x, weight, bias=bias, activation="relu")
        pooled, indices = kernels.max_pool2d(y, 2)
        dx = kernels.conv2d_backward_input(y, weight, x.shape)
        dweight, dbias = kernels.conv2d_backward_weight(x, y, (3, 3))
        a = y.reshape(-1, 32 * 26)
        product = kernels.gemm(a, a, transpose_b=True)
        probabilities = kernels.softmax(product)
    result = hashlib.sha256()
    for array in (y, pooled, indices, dx, dweight, dbias, product, probabilities):
        result.update(np.ascontiguousarray(array).tobytes())
    return result.hexdigest()
"""


def run_python(code: str, before: str = "", **environment: str | None) -> str:
    """Run code after PRELUDE in a new process and return what it printed.

    ``before`` runs ahead of PRELUDE. Keyword arguments are environment
    variables; None removes one.
    """
    variables = dict(os.environ)
    for name in ("TILEWRIGHT_NUM_THREADS", "OMP_NUM_THREADS", "TILEWRIGHT_ISA"):
        variables.pop(name, None)
    for name, value in environment.items():
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    try:
        result = subprocess.run(
            [sys.executable, "-c", before + PRELUDE + code],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )
    except subprocess.TimeoutExpired as hang:
        pytest.fail(f"the process hung; it had printed {hang.stdout!r}")
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr
