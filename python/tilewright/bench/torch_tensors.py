"""Moving arrays between tilewright's layouts and PyTorch's."""

from __future__ import annotations

from typing import Any

from tilewright.bench.arrays import mapped_copy
from tilewright.bench.case import Array

LAYOUTS = ("nchw", "channels_last")


def image_tensor(images: Array, layout: str) -> Any:
    """Tensor (N, C, H, W) of images (N, H, W, C).

    Parameters
    ----------
    images : ndarray
        Kept as they are by channels_last, copied to the other order by nchw.
    layout : str
        "nchw" or "channels_last".

    Returns
    -------
    torch.Tensor
    """
    return _in_layout(images, (0, 3, 1, 2), (0, 2, 3, 1), layout)


def weight_tensor(weight: Array, layout: str) -> Any:
    """Tensor (K, C, R, S) of weights (R, S, C, K).

    Parameters
    ----------
    weight : ndarray
    layout : str
        "nchw" or "channels_last".

    Returns
    -------
    torch.Tensor
    """
    return _in_layout(weight, (3, 2, 0, 1), (0, 2, 3, 1), layout)


def from_nchw(tensor: Any) -> Array:
    """Array (N, H, W, C) of images (N, C, H, W).

    Parameters
    ----------
    tensor : torch.Tensor
        (N, C, H, W), or of fewer dimensions and then left as it is.

    Returns
    -------
    ndarray
    """
    array: Array = tensor.detach().numpy()
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def from_oihw(tensor: Any) -> Array:
    """Array (R, S, C, K) of a weight's gradient (K, C, R, S).

    Parameters
    ----------
    tensor : torch.Tensor

    Returns
    -------
    ndarray
    """
    array: Array = tensor.detach().numpy()
    return array.transpose(2, 3, 1, 0)


def _in_layout(
    array: Array, to_torch: tuple[int, ...], channels_last: tuple[int, ...], layout: str
) -> Any:
    import torch

    tensor_order = array.transpose(to_torch)
    if layout == "channels_last":
        last = mapped_copy(tensor_order.transpose(channels_last))
        return torch.from_numpy(last).permute(0, 3, 1, 2)
    return torch.from_numpy(mapped_copy(tensor_order))
