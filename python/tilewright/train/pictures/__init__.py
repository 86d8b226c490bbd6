"""Pictures of what a network has learned, as Matplotlib figures.

Each function returns a ``matplotlib.figure.Figure``, which a notebook shows by itself
and ``figure.savefig(path)`` writes; none needs a display. `grad_cam` and `occlusion`
return arrays.
"""

from tilewright.train.pictures.confusion import confusion_matrix
from tilewright.train.pictures.explanations import explanations
from tilewright.train.pictures.feature_maps import feature_maps
from tilewright.train.pictures.filters import filters
from tilewright.train.pictures.grad_cam import grad_cam
from tilewright.train.pictures.histograms import histograms
from tilewright.train.pictures.misclassified import misclassified
from tilewright.train.pictures.occlusion import occlusion

__all__ = [
    "confusion_matrix",
    "explanations",
    "feature_maps",
    "filters",
    "grad_cam",
    "histograms",
    "misclassified",
    "occlusion",
]
