"""What runs the C++ kernels: threads, instruction sets, algorithms.

Each kernel has an ordered list of algorithms, the best first; a call runs the first
whose instruction set is in force and which takes the problem. The tests force each of
them; nobody else needs to.

The instruction set and a forced algorithm hold for the whole process, not for one
thread. Without the compiled extension there is nothing to choose: NumPy's own thread
count is NumPy's affair, and functions that ask for more say that it is missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tilewright.kernels import checks, dispatch

# The lists of algorithms: one per function, but pooling has one in all.
LISTS = (
    "gemm",
    "conv2d",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "conv2d_max_pool2d",
    "conv2d_max_pool2d_backward_input",
    "conv2d_max_pool2d_backward_weight",
    "pool2d",
    "batch_norm",
    "batch_norm_backward",
    "softmax",
    "log_softmax",
    "softmax_backward",
    "log_softmax_backward",
    "softmax_cross_entropy",
    "adam_step",
    "sgd_step",
    "rmsprop_step",
    "activation",
    "activation_backward",
    "dropout",
    "bias_gradient",
    "arithmetic",
    "copy",
    "elementwise_loss",
    "clip_by_norm",
    "clip_by_value",
)
CONV_ALGORITHMS = ("auto", "winograd2", "direct")
MOST_THREADS = 4096

_forced: dict[str, str] = {}


def _extension() -> Any:
    """Return the extension; BackendUnavailableError says why it is not there."""
    dispatch.load("cpu")
    from tilewright import _cpu

    return _cpu


def get_num_threads() -> int:
    """Return how many threads a C++ kernel may use; 1 without the extension.

    Examples
    --------
    >>> get_num_threads() >= 1
    True
    """
    if dispatch.unavailable_reason("cpu") is not None:
        return 1
    return int(_extension().get_num_threads())


def set_num_threads(threads: int) -> None:
    """Set how many threads a C++ kernel may use. Results are the same at any number.

    Without the extension this changes nothing.

    Parameters
    ----------
    threads
        In ``[1, 4096]``. A kernel takes only as many as its work pays for.

    Raises
    ------
    ValueError
        If the number is out of range.
    TypeError
        If it is no int.

    Examples
    --------
    >>> set_num_threads(get_num_threads())
    """
    threads = checks.integer("set_num_threads", "threads", threads, 1, MOST_THREADS)
    if dispatch.unavailable_reason("cpu") is None:
        _extension().set_num_threads(threads)


def default_num_threads() -> tuple[int, str]:
    """Return the number of threads where nobody sets one, and what decided it.

    Raises
    ------
    BackendUnavailableError
        Without the compiled extension.
    """
    threads, source = _extension().default_num_threads()
    return int(threads), str(source)


def isa() -> str:
    """Return the instruction set in force.

    Raises
    ------
    BackendUnavailableError
        Without the compiled extension.
    """
    return str(_extension().isa())


def available_isas() -> list[str]:
    """Return the instruction sets that this build has and this machine runs.

    The best comes first; the last is ``"ref"``, plain loops.

    Raises
    ------
    BackendUnavailableError
        Without the compiled extension.
    """
    return list(_extension().available_isas())


@contextlib.contextmanager
def use_isa(name: str) -> Iterator[None]:
    """Run C++ kernels with another instruction set inside of a ``with`` block.

    Parameters
    ----------
    name
        One of :func:`available_isas`. Algorithms of lower sets remain available.

    Raises
    ------
    ValueError
        If this build or this machine does not have it.
    BackendUnavailableError
        Without the compiled extension.

    Examples
    --------
    >>> with use_isa("ref"):  # doctest: +SKIP
    ...     isa()
    'ref'
    """
    extension = _extension()
    checks.choice("use_isa", "name", name, extension.available_isas())
    before = extension.isa()
    extension.set_isa(name)
    try:
        yield
    finally:
        extension.set_isa(before)


def conv_algorithm() -> str:
    """Return what convolutions may use: see :func:`set_conv_algorithm`."""
    if dispatch.unavailable_reason("cpu") is not None:
        return "direct"
    return str(_extension().conv_algorithm())


def set_conv_algorithm(name: str) -> None:
    """Allow or forbid convolution by Winograd's minimal filtering.

    It multiplies up to four times less for 3 x 3 kernels, and rounds more: its
    relative error against float64 is about 3e-6 for tiles of 4 x 4 and 4e-7 for
    tiles of 2 x 2, where direct sums have 2e-7. Without the extension this changes
    nothing.

    Parameters
    ----------
    name
        ``"auto"``: wherever it is faster; ``"winograd2"``: tiles of 2 x 2 at the
        most; ``"direct"``: never.

    Raises
    ------
    ValueError
        If there is no such choice.

    Examples
    --------
    >>> set_conv_algorithm("auto")
    """
    checks.choice("set_conv_algorithm", "name", name, CONV_ALGORITHMS)
    if dispatch.unavailable_reason("cpu") is None:
        _extension().set_conv_algorithm(name)


@contextlib.contextmanager
def use_conv_algorithm(name: str) -> Iterator[None]:
    """Do :func:`set_conv_algorithm` for a ``with`` block, in the whole process.

    Parameters
    ----------
    name
        ``"auto"``, ``"winograd2"`` or ``"direct"``.

    Raises
    ------
    ValueError
        If there is no such choice.

    Examples
    --------
    >>> with use_conv_algorithm("direct"):
    ...     conv_algorithm()
    'direct'
    """
    before = conv_algorithm()
    set_conv_algorithm(name)
    try:
        yield
    finally:
        set_conv_algorithm(before)


def algorithms(family: str) -> list[str]:
    """Return the names of a family's algorithms, the best first, ``ref`` last.

    Parameters
    ----------
    family
        A kernel's name; ``"pool2d"`` for all of pooling.

    Raises
    ------
    ValueError
        If there is no such list.
    BackendUnavailableError
        Without the compiled extension.
    """
    checks.choice("algorithms", "family", family, LISTS)
    return list(_extension().algorithms(family))


def all_algorithms() -> dict[str, list[str]]:
    """Return every list of algorithms by its name.

    Raises
    ------
    BackendUnavailableError
        Without the compiled extension.
    """
    return {family: algorithms(family) for family in LISTS}


@contextlib.contextmanager
def force_algorithm(family: str, name: str) -> Iterator[None]:
    """Run one algorithm of a family by its name inside of a ``with`` block.

    A call that it does not take, or whose instruction set is not in force, raises
    ValueError.

    Parameters
    ----------
    family
        As :func:`algorithms` takes it.
    name
        One of its algorithms.

    Raises
    ------
    ValueError
        If there is no such family or algorithm.
    BackendUnavailableError
        Without the compiled extension.

    Examples
    --------
    >>> with force_algorithm("gemm", "ref"):  # doctest: +SKIP
    ...     gemm(a, b)
    """
    checks.choice("force_algorithm", "name", name, algorithms(family))
    extension = _extension()
    before = _forced.get(family)
    extension.force_algorithm(family, name)
    _forced[family] = name
    try:
        yield
    finally:
        extension.force_algorithm(family, before)
        if before is None:
            del _forced[family]
        else:
            _forced[family] = before


def last_algorithm(family: str) -> str:
    """Return the algorithm of a family that last ran on this thread, or ``""``.

    Raises
    ------
    ValueError
        If there is no such family.
    BackendUnavailableError
        Without the compiled extension.
    """
    checks.choice("last_algorithm", "family", family, LISTS)
    return str(_extension().last_algorithm(family))


def build_info() -> dict[str, str]:
    """Return the extension's ``version``, ``compiler`` and ``sanitizers``.

    Raises
    ------
    BackendUnavailableError
        Without the compiled extension.
    """
    return dict(_extension().build_info())
