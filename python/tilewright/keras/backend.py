"""What is left of Keras's backend: a session to clear, and its constants."""

from tilewright.keras.utils import clear_session

__all__ = ["clear_session", "epsilon", "floatx", "image_data_format"]


def epsilon() -> float:
    """How far probabilities are kept from 0 and 1."""
    return 1e-7


def floatx() -> str:
    """The type that layers compute in."""
    return "float32"


def image_data_format() -> str:
    """The layout of images: (N, H, W, C)."""
    return "channels_last"
