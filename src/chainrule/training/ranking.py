"""Metrics that depend only on the order of the outputs: ROC-AUC, average precision, and the rank of the true class."""

from typing import NamedTuple

import numpy as np

from chainrule.core.arrays import Array, Bools, Floats, Ints


def curve_areas(scores: Array, positive: Bools, weights: Floats | None = None) -> Floats:
    """Return the area under the ROC curve and the average precision of each class against the rest, (K, 2).

    The ROC-AUC is the probability that a positive sample has a larger score than a negative one; ties count one half.
    The average precision is Σ_k (R_k − R_{k−1}) P_k over the distinct scores in descending order, where P_k and R_k are
    the precision and the recall of predicting the samples with at least the k-th score.

    An area is NaN if it is undefined: without positive samples or, for the ROC-AUC, without negative ones.

    Shapes   scores (M, K); positive (M, K), whether each sample belongs to each class; weights of the samples (M,)
    """
    if weights is not None:
        scores = scores[weights > 0]
        positive = positive[weights > 0]
        weights = weights[weights > 0]
    return np.array([_areas(*columns, weights) for columns in zip(scores.T, positive.T, strict=True)])


class RateCurve(NamedTuple):
    """Rates of the decision that a sample belongs to a class if its score is at least a threshold.

    thresholds   distinct scores in descending order, (T,)
    false_positive_rate   fraction of the other samples that are taken for the class, (T,); NaN without others
    recall       fraction of the samples of the class that are found, (T,), the true positive rate; NaN without samples
    precision    fraction of the samples taken for the class that belong to it, (T,)
    """

    thresholds: Floats
    false_positive_rate: Floats
    recall: Floats
    precision: Floats


def curve(scores: Array, positive: Bools) -> RateCurve:
    """Return the rates of one class at each threshold: scores and positive are (M,)."""
    values, hits, predicted = cumulated(scores, positive)
    with np.errstate(invalid="ignore"):
        return RateCurve(values, (predicted - hits) / (predicted[-1] - hits[-1]), hits / hits[-1], hits / predicted)


def cumulated(scores: Array, positive: Bools, weights: Floats | None = None) -> tuple[Floats, Floats, Floats]:
    """Return distinct scores in descending order, and the positive samples and all with at least each, all (T,).

    weights   number of times that each sample counts, (M,); None: once
    """
    values, inverse = np.unique(scores, return_inverse=True)
    places = inverse.ravel()
    counted = positive.ravel()
    if weights is not None:
        counted = counted * weights
    hits = np.cumsum(np.bincount(places, counted)[::-1].astype(np.float64))
    predicted = np.cumsum(np.bincount(places, weights)[::-1].astype(np.float64))
    return values[::-1].astype(np.float64), hits, predicted


def _areas(scores: Array, positive: Bools, weights: Floats | None) -> tuple[float, float]:
    """Return both areas of one class: scores, positive and weights are (M,)."""
    _, hits, predicted = cumulated(scores, positive, weights)
    positives = np.diff(hits, prepend=0.0)
    negatives = np.diff(predicted - hits, prepend=0.0)
    actual = float(hits[-1])
    others = float(predicted[-1] - hits[-1])
    if not actual:
        return float("nan"), float("nan")
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
