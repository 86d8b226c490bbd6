"""What is reported of a model beside its loss."""

from tilewright.train.metrics.accuracy import (
    TopKAccuracy,
    accuracy,
    binary_accuracy,
    top_k_accuracy,
)
from tilewright.train.metrics.auc import AUC
from tilewright.train.metrics.confusion import (
    F1,
    ConfusionMatrix,
    Precision,
    Recall,
    confusion_matrix,
)
from tilewright.train.metrics.metric import Metric
from tilewright.train.metrics.running import (
    METRICS,
    MetricFunction,
    RunningMeans,
    resolve_metrics,
)

__all__ = [
    "AUC",
    "F1",
    "METRICS",
    "ConfusionMatrix",
    "Metric",
    "MetricFunction",
    "Precision",
    "Recall",
    "RunningMeans",
    "TopKAccuracy",
    "accuracy",
    "binary_accuracy",
    "confusion_matrix",
    "resolve_metrics",
    "top_k_accuracy",
]
