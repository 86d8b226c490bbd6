"""Which backend a call goes to.

A backend is a module with the functions of
:class:`tilewright.kernels.backends.protocol.Backend`. NumPy arrays go to the one
chosen by, in this order: ``with tw.backend(name)``, ``tw.use(name)``, the
environment variable ``TILEWRIGHT_BACKEND``, else ``auto``. Under ``auto`` float32
goes to ``cpu`` where the compiled extension is there and to ``numpy`` where it is
not, and float64 to ``numpy``. A backend asked for by name is never replaced. CuPy
arrays go to ``cuda``, whatever is chosen for NumPy's.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, cast

import numpy as np

from tilewright.errors import BackendUnavailableError
from tilewright.kernels.backends.protocol import Array, Backend
from tilewright.kernels.device_arrays import on_device

AUTO = "auto"
CUDA = "cuda"  # of CuPy arrays, and so no choice for NumPy's
SIMULATOR = "cudasim"  # a backend of the tests, which nobody chooses to work with
ENVIRONMENT_VARIABLE = "TILEWRIGHT_BACKEND"

BACKENDS = "tilewright.kernels.backends"

_modules: dict[str, str] = {
    "numpy": f"{BACKENDS}.numpy",
    "cpu": f"{BACKENDS}.cpu",
    CUDA: f"{BACKENDS}.cuda",
}
_loaded: dict[str, Backend] = {}
_reasons: dict[str, str] = {}
_routes: dict[tuple[str, np.dtype[np.generic]], Backend] = {}
_quick: dict[str, dict[str, Callable[..., Any]]] = {}
_process_choice: str | None = None
_context_choice: ContextVar[str | None] = ContextVar("backend", default=None)


def register(name: str, module: str) -> None:
    """Add a backend under a name.

    Parameters
    ----------
    name
        What ``tw.use`` will take.
    module
        Dotted name of its module, imported at first use.
    """
    _modules[name] = module
    _routes.clear()
    _quick.clear()


def register_simulator() -> None:
    """Add the backend that runs CUDA kernels on the CPU."""
    register(SIMULATOR, f"{BACKENDS}.{SIMULATOR}")


def names() -> list[str]:
    """Return the backends' names, available or not."""
    return list(_modules)


def load(name: str) -> Backend:
    """Return a backend by its name, importing it at the first call.

    Raises
    ------
    ValueError
        If there is no backend of that name.
    BackendUnavailableError
        If there is, but it does not load here; a failure is remembered.
    """
    if name in _loaded:
        return _loaded[name]
    if name not in _modules:
        raise ValueError(f"backend: name must be {_choices()}, got {name!r}")
    if name not in _reasons:
        try:
            module = importlib.import_module(_modules[name])
        except ImportError as error:
            _reasons[name] = str(error)
        else:
            _loaded[name] = cast(Backend, module)
            return _loaded[name]
    raise BackendUnavailableError(
        f"backend {name!r} is not available: {_reasons[name]}"
    )


def unavailable_reason(name: str) -> str | None:
    """Return why a backend does not load here, or None where it does."""
    try:
        load(name)
    except BackendUnavailableError:
        return _reasons[name]
    return None


def available() -> list[str]:
    """Return the names of the backends that load here.

    Examples
    --------
    >>> "numpy" in available()
    True
    """
    return [name for name in _modules if unavailable_reason(name) is None]


def use(name: str) -> None:
    """Choose the backend of the whole process.

    Parameters
    ----------
    name
        ``"numpy"``, ``"cpu"`` or ``"auto"``.

    Raises
    ------
    ValueError
        If there is no such backend.
    BackendUnavailableError
        If it does not load here.

    Examples
    --------
    >>> use("numpy")
    >>> use("auto")
    """
    global _process_choice
    _process_choice = _checked(name)


@contextlib.contextmanager
def backend(name: str) -> Iterator[None]:
    """Choose the backend inside of a ``with`` block, for this thread or task.

    Parameters
    ----------
    name
        ``"numpy"``, ``"cpu"`` or ``"auto"``.

    Raises
    ------
    ValueError
        If there is no such backend.
    BackendUnavailableError
        If it does not load here.

    Examples
    --------
    >>> with backend("numpy"):
    ...     chosen()
    'numpy'
    """
    token = _context_choice.set(_checked(name))
    try:
        yield
    finally:
        _context_choice.reset(token)


def chosen() -> str:
    """Return the choice in force: a backend's name or ``"auto"``."""
    return _context_choice.get() or _process_choice or _from_environment()


def for_dtype(op: str, dtype: np.dtype[np.generic]) -> Backend:
    """Return the backend that computes ``op`` on NumPy arrays of a dtype.

    Raises
    ------
    TypeError
        If a backend was chosen by name that does not compute in this dtype.
    """
    name = _context_choice.get() or _process_choice or _from_environment()
    found = _routes.get((name, dtype))
    return found if found is not None else _route(op, name, dtype)


def for_array(op: str, array: Array) -> Backend:
    """Return the backend that computes ``op`` on an array: NumPy's or CuPy's.

    Raises
    ------
    TypeError
        If the backend does not compute in the array's dtype.
    BackendUnavailableError
        If it is CuPy's, and the ``cuda`` backend does not load here.
    """
    if type(array) is np.ndarray or not on_device(array):
        return for_dtype(op, array.dtype)
    found = load(CUDA)
    if array.dtype.name not in found.dtypes:
        raise TypeError(
            f"{op}: on a GPU arrays must be {' or '.join(found.dtypes)}, got "
            f"{array.dtype.name}; convert with astype(np.{found.dtypes[0]})"
        )
    return found


def quick(op: str) -> Callable[..., Any] | None:
    """Return the chosen backend's quick form of a function, if it has one.

    It takes the interface's arguments as they came and computes at once where they
    are what the backend wants, float32 and in C order; else it returns None, and the
    checks explain or convert. Small calls cost half as much that way.
    """
    name = _context_choice.get() or _process_choice or _from_environment()
    functions = _quick.get(name)
    return (_quick_functions(name) if functions is None else functions).get(op)


def _quick_functions(name: str) -> dict[str, Callable[..., Any]]:
    backend_name = "cpu" if name == AUTO else name
    functions: dict[str, Callable[..., Any]] = {}
    if unavailable_reason(backend_name) is None:
        functions = getattr(load(backend_name), "quick", functions)
    _quick[name] = functions
    return functions


def _route(op: str, name: str, dtype: np.dtype[np.generic]) -> Backend:
    if name == AUTO:
        best = dtype == np.float32 and unavailable_reason("cpu") is None
        found = load("cpu" if best else "numpy")
    else:
        found = load(name)
    if dtype.name not in found.dtypes:
        raise TypeError(
            f"{op}: backend {name!r} computes in {' or '.join(found.dtypes)}, got "
            f"{dtype.name}; convert with astype(np.{found.dtypes[0]}), or choose "
            "tw.backend('numpy')"
        )
    _routes[name, dtype] = found
    return found


def _from_environment() -> str:
    """Read the environment once: the first use decides for the process."""
    global _process_choice
    name = os.environ.get(ENVIRONMENT_VARIABLE, "") or AUTO
    if name != AUTO and name not in _modules:
        raise ValueError(f"{ENVIRONMENT_VARIABLE}: must be {_choices()}, got {name!r}")
    _process_choice = _checked(name)
    return _process_choice


def _checked(name: str) -> str:
    if name == CUDA:
        raise ValueError(
            "backend: 'cuda' computes on CuPy arrays, which go to it by themselves; "
            f"for NumPy arrays choose {_choices()}"
        )
    if name != AUTO:
        load(name)
    return name


def _choices() -> str:
    names = ", ".join(repr(name) for name in _modules if name != CUDA)
    return f"{names} or {AUTO!r}"
