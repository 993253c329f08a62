"""Sums over a channel, for normalizations.

A row, which contains the elements of a channel, is divided into parts. A part is summed in the precision of the array,
and the sums of the parts are added in float64.
"""

import numpy as np

from chainrule.engines.compiled.compiler import kernel

PART = 2048  # elements of a part


@kernel
def finite_mean(row):
    """Return the approximate mean of a row, or 0 if the mean is not finite.

    Callers subtract it before squaring, so that few digits are lost.
    """
    total = row.dtype.type(0)
    for p in range(row.size):
        total += row[p]
    mean = total / row.dtype.type(row.size)
    return mean if np.isfinite(mean) else row.dtype.type(0)


@kernel
def moments(row, center):
    """Return Σ (x − center) and Σ (x − center)² over a row."""
    total, squares = row.dtype.type(0), row.dtype.type(0)
    for p in range(row.size):
        deviation = row[p] - center
        total += deviation
        squares += deviation * deviation
    return total, squares


@kernel
def mean_and_variance(row):
    """Return the mean and the variance of a row in float64.

    The deviations of a part are from the part's own mean, and are summed while the part is in the L1 cache. Parts are
    combined with deviations from the mean of the first part. The squared distance between this mean and the mean of the
    row is at most the variance times the number of parts, so that subtracting the distance does not lose many digits.
    """
    origin = np.float64(finite_mean(row[: min(PART, row.size)]))
    total, squares = 0.0, 0.0
    for p in range(0, row.size, PART):
        part = row[p : min(p + PART, row.size)]
        center = row.dtype.type(origin) if p == 0 else finite_mean(part)
        part_sum, spread = moments(part, center)
        shift = center - origin
        total += part_sum + part.size * shift
        squares += spread + shift * (2.0 * part_sum + part.size * shift)
    distance = total / row.size
    variance = squares / row.size - distance * distance
    return origin + distance, 0.0 if variance < 0 else variance


@kernel
def _products(upstream, row, center):
    """Return Σ d (x − center) and Σ d over a row; d is the upstream gradient."""
    product_sum, gradient_sum = row.dtype.type(0), row.dtype.type(0)
    for p in range(row.size):
        product_sum += upstream[p] * (row[p] - center)
        gradient_sum += upstream[p]
    return product_sum, gradient_sum


@kernel
def gradient_sums(upstream, row, center):
    """Return Σ d (x − center) and Σ d over the elements of a channel, in float64; d is the upstream gradient."""
    product_sum, gradient_sum = 0.0, 0.0
    for p in range(0, row.size, PART):
        q = min(p + PART, row.size)
        part_product, part_gradient = _products(upstream[p:q], row[p:q], center)
        product_sum += part_product
        gradient_sum += part_gradient
    return product_sum, gradient_sum
