"""Calibration: whether a network is right as often as it is confident, and temperature scaling.

Source   Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (2017)
"""

from dataclasses import dataclass

import numpy as np

from chainrule.core.arrays import Array, Bools, Floats, Ints
from chainrule.engines import fallback
from chainrule.errors import DataError
from chainrule.network.losses import Loss

LOGITS_LOSS = "softmax_cross_entropy"  # the loss of networks whose outputs are logits
BINS = 15  # intervals of the confidence
MAX_TEMPERATURE = 2.0**20  # largest temperature, and inverse of the smallest
HALVINGS = 60  # of the interval of the inverse temperature


@dataclass(frozen=True, eq=False)
class Reliability:
    """Accuracy and confidence of samples, by their confidence.

    counts      number of samples in each of the 15 intervals (k/15, (k + 1)/15], or their total weight, (15,)
    confidence  mean confidence in each interval, (15,); NaN without samples
    accuracy    fraction of correctly classified samples in each interval, (15,); NaN without samples
    """

    counts: Array
    confidence: Floats
    accuracy: Floats

    @staticmethod
    def of(confidence: Floats, correct: Bools, weights: Floats | None = None) -> "Reliability":
        """Return the reliability of confidences (M,) and whether each classification is correct, (M,).

        weights   weight of each sample, (M,); None: all are 1
        """
        bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        counts = np.bincount(bins, weights, BINS)
        scale = 1.0 if weights is None else weights

        def mean_of(values: Array) -> Floats:
            totals = np.bincount(bins, values * scale, BINS)
            return np.divide(totals, counts, out=np.full(BINS, np.nan), where=counts > 0)

        return Reliability(counts, mean_of(confidence), mean_of(correct))

    @property
    def error(self) -> float:
        """Expected calibration error: the mean over the samples of |accuracy − confidence| of their interval."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float(gaps @ self.counts / max(self.counts.sum(), 1))


def confidences(outputs: Array, loss: Loss) -> Floats:
    """Return `class_probabilities` of the outputs of a network that was trained with a loss."""
    return class_probabilities(outputs, are_logits=loss == LOGITS_LOSS)


def class_probabilities(outputs: Array, *, are_logits: bool) -> Floats:
    """Convert outputs (N, K) to probabilities (N, K) that sum to 1; for a single output p, return (1 − p, p).

    are_logits   whether to apply softmax. Other outputs are clipped to [0, 1] and divided by their sum
    """
    values = np.nan_to_num(outputs.astype(np.float64))
    if are_logits:
        values = _softmax(values)
    clipped = np.clip(values, 0.0, 1.0)
    if clipped.shape[1] == 1:
        return np.concatenate([1 - clipped, clipped], axis=1)
    totals = clipped.sum(1, keepdims=True)
    return np.divide(clipped, totals, out=np.full_like(clipped, 1 / clipped.shape[1]), where=totals > 0)


def best_temperature(logits: Floats, classes: Ints) -> float:
    """Return the temperature T > 0 that minimizes the mean cross-entropy of softmax(logits / T).

    With β = 1/T and p = softmax(β z), the derivative of the loss is dL/dβ = mean(Σ_k p_k z_k − z_true). It never
    decreases with β, because its own derivative is the mean variance of z under p. Therefore, its zero is bisected.

    Shapes   logits (M, K), classes (M,)
    Errors   DataError if there is no minimum: no sample is misclassified, or the logits say nothing about the classes
    """
    centered = logits - np.take_along_axis(logits, classes[:, None], 1)  # z − z_true; softmax is unchanged

    def slope(beta: float) -> float:
        return float((_softmax(beta * centered) * centered).sum(1).mean())

    low = 1 / MAX_TEMPERATURE
    high = MAX_TEMPERATURE
    if slope(high) <= 0:
        raise DataError(
            f"none of {len(classes):,} samples is misclassified, so that no temperature is best: use more samples, "
            "which were not used for training"
        )
    if slope(low) >= 0:
        raise DataError(f"the outputs for {len(classes):,} samples do not agree with their labels: train the model")
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        if slope(middle) < 0:
            low = middle
        else:
            high = middle
    return float(1 / np.sqrt(low * high))


def _softmax(values: Floats) -> Floats:
    return fallback.numpy_engine().run("softmax", (values,), {})[0]
