"""Moving arrays between tilewright's layouts and PyTorch's."""

from __future__ import annotations

from typing import Any

from tilewright.bench.arrays import mapped_copy
from tilewright.bench.case import Array

LAYOUTS = ("nchw", "channels_last")

_device = "cpu"


def use_device(name: str) -> None:
    """Choose where tensors are made in this process.

    Parameters
    ----------
    name : str
        As PyTorch names devices: "cpu" or "cuda".
    """
    global _device
    _device = name


def tensor(array: Array) -> Any:
    """Tensor of an array: over its memory, or a copy on the GPU.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    torch.Tensor
    """
    import torch

    return torch.from_numpy(array).to(_device)


def scalar(value: float) -> Any:
    """Tensor of one number, where the others are.

    Parameters
    ----------
    value : float

    Returns
    -------
    torch.Tensor
    """
    import torch

    return torch.tensor(value, device=_device)


def array(tensor: Any) -> Array:
    """Array of a tensor, with its dimensions as they are.

    Parameters
    ----------
    tensor : torch.Tensor

    Returns
    -------
    ndarray
    """
    host: Array = tensor.detach().cpu().numpy()
    return host


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
    images = array(tensor)
    return images.transpose(0, 2, 3, 1) if images.ndim == 4 else images


def from_oihw(tensor: Any) -> Array:
    """Array (R, S, C, K) of a weight's gradient (K, C, R, S).

    Parameters
    ----------
    tensor : torch.Tensor

    Returns
    -------
    ndarray
    """
    return array(tensor).transpose(2, 3, 1, 0)


def _in_layout(
    images: Array,
    to_torch: tuple[int, ...],
    channels_last: tuple[int, ...],
    layout: str,
) -> Any:
    in_order = images.transpose(to_torch)
    if layout == "channels_last":
        last = mapped_copy(in_order.transpose(channels_last))
        return tensor(last).permute(0, 3, 1, 2)
    return tensor(mapped_copy(in_order))
