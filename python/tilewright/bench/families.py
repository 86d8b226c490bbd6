"""Finding families and cases by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from tilewright.bench.case import Case, Family
from tilewright.kernels.conformance import FAMILIES as FAMILIES


def family(name: str) -> Family:
    """The cases of a kernel family and who computes them.

    Parameters
    ----------
    name : str

    Returns
    -------
    Family

    Raises
    ------
    ValueError
        If there is no such family.

    Examples
    --------
    >>> family("gemm").name
    'gemm'
    """
    if name not in FAMILIES:
        raise ValueError(
            f"bench: unknown family {name!r}; expected one of {', '.join(FAMILIES)}"
        )
    found: Family = importlib.import_module(f"tilewright.bench.{name}").FAMILY
    return found


def select(
    names: Iterable[str] = (), *, match: str = "", quick: bool = False
) -> list[Case]:
    """Cases of some families, in the order of their tables.

    Parameters
    ----------
    names : iterable of str
        Families; none: all of them.
    match : str
        Keeps the cases whose name, group or family holds each of its words.
    quick : bool
        Keeps the few of a quick run.

    Returns
    -------
    list of Case

    Raises
    ------
    ValueError
        If a family is unknown, or nothing is left.

    Examples
    --------
    >>> [case.name for case in select(["adam"], match="mnist")]
    ['Adam MNIST CNN']
    """
    words = match.lower().split()
    cases = [
        case
        for name in dict.fromkeys(names or FAMILIES)
        for case in family(name).cases()
        if (case.quick or not quick) and _matches(case, words)
    ]
    if not cases:
        raise ValueError(f"bench: no case matches {match!r}")
    return cases


def shrunk(case: Case) -> Case:
    """A case of the same kind that any machine computes in a moment.

    Examples
    --------
    >>> shrunk(select(["gemm"], match="vocabulary")[0]).name
    '(37, 37, 37) vocabulary'
    """
    cases = family(case.family)
    return cases.make(cases.shrink(case.parameters))


def _matches(case: Case, words: list[str]) -> bool:
    text = f"{case.family} {case.group} {case.name}".lower()
    return all(word in text for word in words)
