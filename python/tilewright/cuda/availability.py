"""Which GPUs can be used, and waiting for them."""

from __future__ import annotations

from tilewright.kernels import devices, dispatch


def is_available() -> bool:
    """Whether models can be moved to a GPU: it, its driver, CuPy and kernels are here.

    ``tilewright info`` says what is missing.

    Examples
    --------
    >>> import tilewright as tw
    >>> device = "cuda" if tw.cuda.is_available() else "cpu"
    """
    return dispatch.unavailable_reason(dispatch.CUDA) is None


def device_count() -> int:
    """Number of GPUs that can be used, 0 where none is.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.cuda.device_count() >= 0
    True
    """
    if not is_available():
        return 0
    return int(devices.cupy().cuda.runtime.getDeviceCount())


def synchronize(device: str = "cuda") -> None:
    """Wait until a GPU has done all that it was given.

    Work on a GPU goes on while Python does; who takes times has to wait for it.

    Parameters
    ----------
    device : str, default "cuda"
        ``"cuda"``, CuPy's current device, or ``"cuda:1"``.

    Raises
    ------
    ValueError
        If it is the name of no GPU.
    BackendUnavailableError
        If it is not available here.
    """
    name = devices.checked("synchronize", device)
    if name == devices.CPU:
        raise ValueError("synchronize: device must be 'cuda' or 'cuda:N', got 'cpu'")
    with devices.on(name):
        devices.cupy().cuda.runtime.deviceSynchronize()
