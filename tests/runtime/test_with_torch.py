"""PyTorch and tilewright in one process, imported in either order."""

from __future__ import annotations

import importlib.util

import pytest
from processes import run_python

if importlib.util.find_spec("torch") is None:
    pytest.skip("PyTorch is not installed", allow_module_level=True)

COMPUTE = """
tw.set_num_threads(3)
torch.set_num_threads(2)
rng = np.random.default_rng(0)
x = rng.standard_normal((4, 16, 16, 8), dtype=np.float32)
weight = rng.standard_normal((3, 3, 8, 16), dtype=np.float32)
first = digest(0)
for _ in range(3):
    with tw.backend("cpu"):
        ours = kernels.conv2d(x, weight, padding=1)
    theirs = torch.nn.functional.conv2d(
        torch.from_numpy(x).permute(0, 3, 1, 2),
        torch.from_numpy(weight).permute(3, 2, 0, 1),
        padding=1,
    ).permute(0, 2, 3, 1)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4)
assert digest(0) == first
"""


def test_torch_imported_after() -> None:
    run_python(
        "before = digest(0)\nimport torch\n" + COMPUTE + "assert before == first"
    )


def test_torch_imported_before() -> None:
    run_python(COMPUTE, before="import torch")


def test_bits_do_not_depend_on_the_import_order() -> None:
    use = "import torch; torch.ones(9).sum();"
    alone = run_python("print(digest(0))")
    assert run_python(use + "print(digest(0))") == alone
    assert run_python("print(digest(0))", before=use) == alone


def test_fork_with_both() -> None:
    run_python(
        "import os, torch\n"
        + COMPUTE
        + """
child = os.fork()
if child == 0:
    os._exit(0 if digest(0) == first else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    )
