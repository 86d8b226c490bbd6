"""What a timed case is, and what a family of cases consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Inputs: TypeAlias = dict[str, Array]
Parameters: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One operation on one shape.

    Attributes
    ----------
    family : str
        The kernel family.
    name : str
        Unique within the family; names the case in tables and files.
    group : str
        The row of the summary whose geometric mean the case counts in.
    parameters : Mapping
        All that the family's functions need, as plain JSON types.
    flops : float
        Of the direct algorithm: a fast one may use fewer and pass 100%.
    bytes : float
        The least that must be moved: each input read once, each output written
        once.
    tolerance : float
        Greatest error of an output, relative to the reference in the 2-norm.
    quick : bool
        Whether the case is among the few of a quick run.
    """

    family: str
    name: str
    group: str
    parameters: Parameters
    flops: float
    bytes: float
    tolerance: float
    quick: bool = False


class Prepared(NamedTuple):
    """A contestant's part of a case, its inputs in place.

    Attributes
    ----------
    run : Callable
        What is timed.
    outputs : Callable
        Takes what `run` returned and gives the outputs as NumPy arrays in
        tilewright's layouts.
    """

    run: Callable[[], Any]
    outputs: Callable[[Any], Sequence[Array]]


def by_specification(prepared: Prepared) -> Prepared:
    """The same calls of the kernels' interface, computed by the NumPy backend."""
    from tilewright import kernels

    def run() -> Any:
        with kernels.backend("numpy"):
            return prepared.run()

    return Prepared(run, prepared.outputs)


def reference_of(prepared: Prepared) -> list[Array]:
    """Outputs of the specification, in the dtype of the inputs."""
    specified = by_specification(prepared)
    return list(specified.outputs(specified.run()))


# (parameters, inputs, variant) -> Prepared
Prepare: TypeAlias = Callable[[Parameters, Inputs, str], Prepared]


@dataclass(frozen=True)
class Family:
    """The cases of one kernel family and who computes them how.

    Attributes
    ----------
    name : str
    cases : Callable
        The table of cases.
    shrink : Callable
        Parameters of a case of the same kind that any machine computes in a
        moment: for tests.
    make : Callable
        From parameters to the case, with its name and its work.
    inputs : Callable
        (parameters, generator) -> the arrays by name, in tilewright's layouts.
    reference : Callable
        (parameters, inputs) -> the outputs in float64, or the part of each that
        `sample` takes.
    sample : Callable
        (parameters, outputs) -> the part of each output that is compared; a
        reference for all of a large convolution would take longer than the
        benchmark.
    contestants : dict of str to Prepare
        Among "tilewright", "numpy", "torch" and "jax".
    variants : dict of str to tuple of str
        Ways in which a peer can be asked, such as torch's two memory layouts.
    unasked : tuple of str
        Peers that take part only when named, for they are far behind.
    """

    name: str
    cases: Callable[[], list[Case]]
    shrink: Callable[[Parameters], Parameters]
    make: Callable[[Parameters], Case]
    inputs: Callable[[Parameters, np.random.Generator], Inputs]
    reference: Callable[[Parameters, Inputs], Sequence[Array]]
    contestants: dict[str, Prepare]
    sample: Callable[[Parameters, Sequence[Array]], Sequence[Array]] = (
        lambda _, outputs: outputs
    )
    variants: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unasked: tuple[str, ...] = ()


def relative_error(got: Sequence[Array], expected: Sequence[Array]) -> float:
    """Greatest error of several outputs, each relative to its reference's 2-norm.

    Parameters
    ----------
    got, expected : sequence of ndarray
        Outputs and their references.

    Returns
    -------
    float
        Infinity where a shape differs or a number is not finite.

    Examples
    --------
    >>> relative_error([np.array([3.0, 4.5])], [np.array([3.0, 4.0])])
    0.1
    >>> relative_error([np.ones(2)], [np.ones(3)])
    inf
    """
    if len(got) != len(expected):
        return float("inf")
    worst = 0.0
    for output, reference in zip(got, expected, strict=True):
        if output.shape != reference.shape or not np.isfinite(output).all():
            return float("inf")
        wanted = reference.astype(np.float64)
        norm = float(np.linalg.norm(wanted)) or 1.0
        worst = max(worst, float(np.linalg.norm(output - wanted)) / norm)
    return worst
