"""Metrics of each row of a prediction p, with targets t: rows as those of losses. See docs/derivations/losses.md."""

import numpy as np

from chainrule.operations.reference.rows import elements, one_per_row
from chainrule.operations.reference.windows import Array


def correct(p: Array, t: Array) -> Array:
    """Return whether the maxima of prediction and target are at the same index.

    hit[n] = 1 where argmax_k p[n,k] = argmax_k t[n,k], else 0        argmax: the first of equals, the first NaN

    Shapes   p and t (N, K) or (N, K, …)  →  hit (N,) or (N, …), in the dtype of p
    Errors   ShapeError when p and t differ
    """
    hit = one_per_row("correct", p, t)
    first = _places_of_largest(p)
    second = _places_of_largest(t)
    for row in np.ndindex(hit.shape):
        hit[row] = 1 if first[row] == second[row] else 0
    return hit


def correct_labels(p: Array, t: Array) -> Array:
    """Compute the fraction of labels for which prediction and target are on the same side of ½.

    share[n] = 1/K Σ_k (1 where (p[n,k] ≥ ½) = (t[n,k] ≥ ½), else 0)        NaN is on neither side

    Shapes   p and t (N, K) or (N, K, …)  →  share (N,) or (N, …), in the dtype of p
    Errors   ShapeError when p and t differ
    """
    share = one_per_row("correct_labels", p, t)
    for row, e in elements(p):
        both_true = p[e] >= 0.5 and t[e] >= 0.5
        both_false = p[e] < 0.5 and t[e] < 0.5
        if both_true or both_false:
            share[row] += 1 / p.shape[1]
    return share


def _places_of_largest(p: Array) -> Array:
    """Return the index of the first NaN or, without NaN, of the first maximum of each row."""
    best = np.zeros((p.shape[0], *p.shape[2:]), int)
    for n, k, *ij in np.ndindex(p.shape):
        largest = p[n, best[n, *ij], *ij]
        if p[n, k, *ij] > largest or (np.isnan(p[n, k, *ij]) and not np.isnan(largest)):
            best[n, *ij] = k
    return best
