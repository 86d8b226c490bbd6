"""Ready networks, and the registry that the command line builds them from."""

from tilewright.models.mnist_cnn import mnist_cnn
from tilewright.models.registry import MODELS, ModelEntry, model_entry
from tilewright.models.saved import SavedModel, load_model, save_model

__all__ = [
    "MODELS",
    "ModelEntry",
    "SavedModel",
    "load_model",
    "mnist_cnn",
    "model_entry",
    "save_model",
]
