"""The errors that are tilewright's own.

Wrong shapes and values raise ``ValueError`` and wrong types ``TypeError``, as
everywhere in Python; the classes here are for what goes wrong on our side.
"""

from __future__ import annotations


class TilewrightError(Exception):
    """Base of every error that tilewright defines."""


class BackendUnavailableError(TilewrightError):
    """A backend was asked for by name, and this machine or build lacks it."""


class KernelError(TilewrightError):
    """A kernel failed on its own account, not through its arguments."""


class CaptureError(TilewrightError):
    """A function does what a CUDA graph cannot hold."""
