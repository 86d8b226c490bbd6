"""Models under their Keras names."""

from tilewright.keras.models.model import Model
from tilewright.keras.models.saving import clone_model, load_model, save_model
from tilewright.keras.models.sequential import Sequential

__all__ = ["Model", "Sequential", "clone_model", "load_model", "save_model"]
