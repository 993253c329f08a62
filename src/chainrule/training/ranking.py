"""Metrics that depend only on the order of the outputs: ROC-AUC, average precision, and the rank of the true class."""

import numpy as np

from chainrule.core.arrays import Array, Bools, Floats, Ints


def curve_areas(scores: Array, positive: Bools) -> Floats:
    """Return the area under the ROC curve and the average precision of each class against the rest, (K, 2).

    The ROC-AUC is the probability that a positive sample has a larger score than a negative one; ties count one half.
    The average precision is Σ_k (R_k − R_{k−1}) P_k over the distinct scores in descending order, where P_k and R_k are
    the precision and the recall of predicting the samples with at least the k-th score.

    An area is NaN if it is undefined: without positive samples or, for the ROC-AUC, without negative ones.

    Shapes   scores (M, K); positive (M, K), whether each sample belongs to each class
    """
    return np.array([_areas(*columns) for columns in zip(scores.T, positive.T, strict=True)])


def _areas(scores: Array, positive: Bools) -> tuple[float, float]:
    """Return both areas of one class: scores and positive are (M,)."""
    _, inverse = np.unique(scores, return_inverse=True)
    totals = np.bincount(inverse.ravel())[::-1].astype(np.float64)
    positives = np.bincount(inverse.ravel(), positive.ravel())[::-1]
    hits, predicted = np.cumsum(positives), np.cumsum(totals)
    actual, others = float(positives.sum()), float(totals.sum() - positives.sum())
    if not actual:
        return float("nan"), float("nan")
    negatives = totals - positives
    pairs = positives @ (others - np.cumsum(negatives) + negatives / 2)  # negatives below, and half of those that tie
    area = float(pairs / (actual * others)) if others else float("nan")
    return area, float(positives @ (hits / predicted) / actual)


def ranks(scores: Array, classes: Ints) -> Ints:
    """Return the rank (M,) of each row's true class, from 0. Of equal scores, the first has the smallest rank.

    Shapes   scores (M, K), classes (M,)
    """
    true = np.take_along_axis(scores, classes[:, None], 1)
    is_before = np.arange(scores.shape[1], dtype=np.int64) < classes[:, None]
    return np.count_nonzero((scores > true) | ((scores == true) & is_before), axis=1)
