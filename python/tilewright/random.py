"""The random numbers of a process: one seed, set by :func:`manual_seed`.

Initialisers and loaders draw from one global NumPy generator. Dropout is
counter-based (Philox): a call takes a range of counters of the seed's stream, so
that its mask depends neither on the backend nor on the number of threads, and the
backward pass draws the same mask again from the same two numbers.
"""

from __future__ import annotations

import operator
import threading
from typing import Any

import numpy as np

_lock = threading.Lock()
_seed: int | None = None
_dropout_offset = 0
_generator: np.random.Generator | None = None


def manual_seed(seed: int) -> None:
    """Set the seed of everything random in tilewright.

    Without it the seed comes from the operating system, and differs from run to
    run.

    Parameters
    ----------
    seed
        In ``[0, 2**64)``.

    Raises
    ------
    ValueError
        If the seed is outside of that range.
    TypeError
        If it is not an integer.

    Examples
    --------
    >>> manual_seed(0)
    >>> first = generator().standard_normal(2)
    >>> manual_seed(0)
    >>> bool((generator().standard_normal(2) == first).all())
    True
    """
    global _dropout_offset, _generator, _seed
    seed = operator.index(seed)
    if not 0 <= seed < 2**64:
        raise ValueError(f"manual_seed: seed must be in [0, 2**64), got {seed}")
    with _lock:
        _seed = seed
        _dropout_offset = 0
        _generator = np.random.Generator(np.random.Philox(key=seed))


# The name that tilewright.keras's scripts know it by: tf.random.set_seed(0).
set_seed = manual_seed


def _ensure_seeded() -> None:
    if _seed is None:
        manual_seed(int(np.random.SeedSequence().generate_state(1, np.uint64)[0]))


def generator() -> np.random.Generator:
    """Return the global generator, from which initialisers and loaders draw.

    Examples
    --------
    >>> manual_seed(0)
    >>> generator().permutation(4).shape
    (4,)
    """
    _ensure_seeded()
    assert _generator is not None
    return _generator


def dropout_key(size: int) -> tuple[int, int]:
    """Reserve the random numbers for ``size`` elements of dropout.

    Parameters
    ----------
    size
        Number of elements.

    Returns
    -------
    seed, offset
        What :func:`tilewright.kernels.dropout` takes. One counter yields four
        numbers; the next call's offset follows the last counter of this one.

    Examples
    --------
    >>> manual_seed(7)
    >>> dropout_key(10), dropout_key(1)
    ((7, 0), (7, 3))
    """
    global _dropout_offset
    _ensure_seeded()
    with _lock:
        assert _seed is not None
        offset = _dropout_offset
        _dropout_offset = (offset + -(-size // 4)) % 2**64
        return _seed, offset


def get_state() -> dict[str, Any]:
    """Return the state of all random numbers, as plain JSON types.

    Examples
    --------
    >>> manual_seed(0)
    >>> state = get_state()
    >>> first = generator().standard_normal()
    >>> set_state(state)
    >>> bool(generator().standard_normal() == first)
    True
    """
    bits: Any = generator().bit_generator.state
    with _lock:
        return {
            "seed": _seed,
            "dropout_offset": _dropout_offset,
            "generator": {
                "counter": [int(word) for word in bits["state"]["counter"]],
                "key": [int(word) for word in bits["state"]["key"]],
                "buffer": [int(word) for word in bits["buffer"]],
                "buffer_pos": int(bits["buffer_pos"]),
                "has_uint32": int(bits["has_uint32"]),
                "uinteger": int(bits["uinteger"]),
            },
        }


def set_state(state: dict[str, Any]) -> None:
    """Return to a state that :func:`get_state` gave.

    Parameters
    ----------
    state
        What :func:`get_state` returned, perhaps after a trip through JSON.

    Raises
    ------
    ValueError
        If it is not such a state; the present state is then kept.
    """
    global _dropout_offset, _generator, _seed
    try:
        seed = int(state["seed"])
        offset = int(state["dropout_offset"])
        saved = state["generator"]
        bit_generator = np.random.Philox(key=seed)
        bit_generator.state = {
            "bit_generator": "Philox",
            "state": {
                "counter": np.array(saved["counter"], np.uint64),
                "key": np.array(saved["key"], np.uint64),
            },
            "buffer": np.array(saved["buffer"], np.uint64),
            "buffer_pos": int(saved["buffer_pos"]),
            "has_uint32": int(saved["has_uint32"]),
            "uinteger": int(saved["uinteger"]),
        }
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            "set_state: state must be what get_state returned, "
            f"got {type(state).__name__} ({error!r})"
        ) from error
    with _lock:
        _seed = seed
        _dropout_offset = offset
        _generator = np.random.Generator(bit_generator)
