"""The metrics of other libraries, and literal loops, by our names, in one table for each kind of answers."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from sklearn import metrics as peer

Peer: TypeAlias = Callable[..., Any]  # of true answers, what the network says, and sample_weight


def calibration_error(y: np.ndarray, p: np.ndarray, sample_weight: np.ndarray) -> float:
    confidence, correct = p.max(1), p.argmax(1) == y
    error = 0.0
    for k in range(15):
        inside = (k / 15 < confidence) & (confidence <= (k + 1) / 15)
        if inside.any():
            gap = np.average((correct - confidence)[inside], weights=sample_weight[inside])
            error += abs(gap) * sample_weight[inside].sum() / sample_weight.sum()
    return error


def top_5_accuracy(y: np.ndarray, p: np.ndarray, sample_weight: np.ndarray) -> float:
    better = [sum(row > row[k]) + sum(row[:k] == row[k]) for row, k in zip(p, y, strict=True)]
    return np.average(np.array(better) < 5, weights=sample_weight)


# Metrics of predicted classes
CLASSES: dict[str, Peer] = {
    "accuracy": peer.accuracy_score,
    "balanced_accuracy": peer.balanced_accuracy_score,
    "matthews_corrcoef": peer.matthews_corrcoef,
    "cohen_kappa": peer.cohen_kappa_score,
    "confusion": peer.confusion_matrix,
}
# Of predicted labels, 0 or 1
LABELS: dict[str, Peer] = {
    "label_accuracy": lambda y, z, sample_weight: np.average((y == z).mean(1), weights=sample_weight),
    "exact_match": peer.accuracy_score,
}
# Of predicted classes or labels
CLASSES_OR_LABELS: dict[str, Peer] = {
    "precision": partial(peer.precision_score, average=None, zero_division=np.nan),
    "recall": partial(peer.recall_score, average=None),
    "f1": partial(peer.f1_score, average=None),
    "mean_f1": partial(peer.f1_score, average="macro"),
    "iou": partial(peer.jaccard_score, average=None),
    "mean_iou": partial(peer.jaccard_score, average="macro"),
    "mean_dice": partial(peer.f1_score, average="macro"),
}
# Of the probabilities of all classes, (N, K)
PROBABILITIES: dict[str, Peer] = {
    "log_loss": peer.log_loss,
    "calibration_error": calibration_error,
    "top_5_accuracy": top_5_accuracy,
}
# Of the order of the probabilities of one class or label; y is 0 or 1
RANKINGS: dict[str, Peer] = {
    "roc_auc": peer.roc_auc_score,
    "average_precision": peer.average_precision_score,
}
# Of predicted numbers
NUMBERS: dict[str, Peer] = {
    "mean_absolute_error": peer.mean_absolute_error,
    "root_mean_squared_error": lambda y, p, sample_weight: np.sqrt(
        peer.mean_squared_error(y, p, sample_weight=sample_weight)
    ),
    "r2": peer.r2_score,
}
TABLES = (CLASSES, LABELS, CLASSES_OR_LABELS, PROBABILITIES, RANKINGS, NUMBERS)
