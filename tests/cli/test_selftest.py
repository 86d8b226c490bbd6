"""`tilewright selftest`: what it prints, and that a failure is one."""

import pytest

from tilewright import cli
from tilewright.kernels import conformance, dispatch

CASES = 3 * len(conformance.FAMILIES)  # that `few_cases` leaves

pytest.importorskip("typer", reason="the command line needs Typer")


def selftest(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        cli.main(["selftest", *words])
    return ended.value.code, *capsys.readouterr()


@pytest.fixture
def few_cases(monkeypatch):
    """The first cases of each family: the whole suite is run by tests/kernels."""
    chosen = {family: conformance.cases(family)[:3] for family in conformance.FAMILIES}
    monkeypatch.setattr(conformance, "cases", chosen.__getitem__)
    return chosen


@pytest.mark.usefixtures("few_cases")
def test_numpy_passes(capsys):
    code, output, errors = selftest(capsys, "--device", "numpy")
    lines = output.splitlines()
    assert (code, errors) == (0, "")
    assert len(lines) == len(conformance.FAMILIES) + 1
    for family, line in zip(conformance.FAMILIES, lines, strict=False):
        words = line.split()
        assert words[:2] == ["numpy", family]
        assert words[-1] == "passed"
    assert lines[-1] == f"all {CASES} cases passed"


@pytest.mark.usefixtures("few_cases")
def test_cpu_goes_through_its_instruction_sets(capsys):
    if dispatch.unavailable_reason("cpu") is not None:
        pytest.skip("the compiled extension is not here")
    from tilewright import kernels

    code, output, _ = selftest(capsys, "--device", "cpu")
    isas = kernels.available_isas()
    assert code == 0
    assert output.splitlines()[-1] == f"all {CASES * len(isas)} cases passed"
    assert all(f"cpu ({isa})  gemm" in output for isa in isas)


@pytest.mark.usefixtures("few_cases")
def test_the_default_is_what_would_run(capsys):
    with dispatch.backend("numpy"):
        code, output, _ = selftest(capsys)
    assert code == 0 and output.startswith("numpy  gemm")


def test_a_failure_is_listed_and_ends_with_1(capsys, monkeypatch, few_cases):
    backend = dispatch.load("numpy")
    right = backend.gemm

    def wrong(*arguments):
        return right(*arguments) * arguments[0].dtype.type(1.001)

    # The oracle is the same function, so that only float32 is made wrong.
    monkeypatch.setattr(
        backend,
        "gemm",
        lambda a, *rest: (wrong if a.dtype == "float32" else right)(a, *rest),
    )
    code, output, _ = selftest(capsys, "--device", "numpy")
    lines = output.splitlines()
    assert code == 1
    assert lines[0].endswith("3 FAILED")
    assert lines[1].startswith(f"    {few_cases['gemm'][0]}: result 0: error 1.00e-03")
    assert lines[4].endswith("passed")
    assert lines[-1] == f"3 of {CASES} cases failed"


def test_cpu_without_the_extension_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(dispatch._reasons, "cpu", "it is not built")
    monkeypatch.delitem(dispatch._loaded, "cpu", raising=False)
    code, output, errors = selftest(capsys, "--device", "cpu")
    assert (code, output) == (1, "")
    assert errors == "tilewright: backend 'cpu' is not available: it is not built\n"
