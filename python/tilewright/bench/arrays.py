"""Arrays that cases are timed on.

Memory for inputs is mapped rather than taken from malloc: what malloc has been
asked for and given back before decides how it treats the next large array, and
that history belongs to the operation under test alone.
"""

from __future__ import annotations

import importlib
import mmap
from types import ModuleType
from typing import Any

import numpy as np

from tilewright.bench.case import Array, Inputs
from tilewright.kernels.device_arrays import on_device


def mapped_copy(array: Array) -> Array:
    """Contiguous, writeable, page-aligned copy outside of malloc.

    Parameters
    ----------
    array : ndarray
        Of any shape and strides.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> mapped_copy(np.arange(6).reshape(2, 3).T).flags.c_contiguous
    True
    """
    memory = mmap.mmap(-1, max(array.nbytes, 1))
    copy: Array = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
    copy[...] = array
    return copy


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Array:
    """Normal float32 numbers.

    Parameters
    ----------
    rng : numpy.random.Generator
    *shape : int
    scale : float
        Standard deviation.

    Returns
    -------
    ndarray of float32

    Examples
    --------
    >>> normal(np.random.default_rng(0), 2, 3).dtype
    dtype('float32')
    """
    values = rng.standard_normal(shape, dtype=np.float32)
    if scale != 1.0:
        values *= np.float32(scale)
    return values


def activations(rng: np.random.Generator, *shape: int) -> Array:
    """What a layer behind a ReLU sees: normal numbers, negative ones being zero.

    Parameters
    ----------
    rng : numpy.random.Generator
    *shape : int

    Returns
    -------
    ndarray of float32

    Examples
    --------
    >>> bool((activations(np.random.default_rng(0), 9) >= 0).all())
    True
    """
    values = normal(rng, *shape)
    np.maximum(values, 0, out=values)
    return values


def filters(rng: np.random.Generator, *shape: int) -> Array:
    """Weights ``(..., in, out)`` as initialised after He et al., 2015.

    Parameters
    ----------
    rng : numpy.random.Generator
    *shape : int

    Returns
    -------
    ndarray of float32

    Examples
    --------
    >>> filters(np.random.default_rng(0), 3, 3, 8, 16).shape
    (3, 3, 8, 16)
    """
    return normal(rng, *shape, scale=float(np.sqrt(2 / np.prod(shape[:-1]))))


def library_of(array: Any) -> ModuleType:
    """The library of an array: NumPy, or CuPy with its functions of the same names.

    Parameters
    ----------
    array : numpy.ndarray or cupy.ndarray

    Returns
    -------
    module

    Examples
    --------
    >>> library_of(np.ones(1)).__name__
    'numpy'
    """
    return importlib.import_module("cupy") if on_device(array) else np


def host(array: Any) -> Array:
    """A result as NumPy's array.

    Parameters
    ----------
    array : numpy.ndarray, cupy.ndarray or scalar

    Returns
    -------
    ndarray

    Examples
    --------
    >>> host(np.float32(2)).shape
    ()
    """
    moved: Array
    if on_device(array):
        moved = importlib.import_module("cupy").asnumpy(array)
    else:
        moved = np.asarray(array)
    return moved


def double(inputs: Inputs) -> Inputs:
    """Float arrays as float64, others as they are.

    Parameters
    ----------
    inputs : dict of str to ndarray

    Returns
    -------
    dict of str to ndarray

    Examples
    --------
    >>> double({"x": np.ones(1, np.float32), "i": np.ones(1, np.int64)})["x"].dtype
    dtype('float64')
    """
    return {
        name: value.astype(np.float64) if value.dtype == np.float32 else value
        for name, value in inputs.items()
    }
