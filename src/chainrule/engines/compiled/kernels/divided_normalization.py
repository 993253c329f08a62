"""Batch normalization of long channels, divided into steps so that the batch is read from memory less often.

Only the statistics need the whole batch. The contributions of a sample are summed while the sample is still in its
thread's cache. Threads then synchronize to combine a few numbers per channel, and the result of a sample is computed
immediately before the next step reads it. These are the kernels and their results:

    forward   batch_norm_moments        mean and variance of each channel of each sample
              batch_norm_statistics     mean and variance of each channel of the batch
              batch_norm_inference      y, with the statistics of the batch instead of the running statistics
    backward  batch_norm_products       Σ d (x − μ) and Σ d of each channel of each sample
              batch_norm_coefficients   dγ, dβ, and the coefficients of dx
              batch_norm_combination    dx

In inference, no statistics are computed. `batch_norm_scale` turns the normalization after a convolution into a factor
and an addend per filter, which the convolution applies to its results.

Samples are added up in float64 and in order, so that results do not depend on the number of threads.
`passes/batch_norm.py` replaces the operations of a plan by these steps. `normalization.py` computes the same results in
one kernel, also for short channels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engines.compiled.compiler import kernel
from chainrule.engines.compiled.kernels.registry import Attributes, Shapes, like, operation
from chainrule.engines.compiled.kernels.row_sums import gradient_sums, mean_and_variance


def two_per_channel(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N, 2, C) of two numbers per sample and channel."""
    return [(arrays[0].shape[0], 2, arrays[0].shape[1])]


def _of_channels(count: int) -> Any:
    return lambda arrays, attributes: [arrays[0].shape[2:]] * count


def _two_of_channels(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    return [(2, *arrays[0].shape)]


def _coefficients(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    channels = arrays[1].shape[0]
    return [(channels,), (channels,), (3, channels)]


@kernel
def as_rows(x):
    """Return an array (N, C, …) as (N, C, elements of a channel)."""
    return x.reshape((x.shape[0], x.shape[1], x.size // max(x.shape[0] * x.shape[1], 1)))


@kernel
def pooled_statistics(means, variances):
    """Return the mean and variance of a batch in float64, from the means and variances of its samples."""
    total, spread = 0.0, 0.0
    for s in range(means.size):
        total += means[s]
    mean = total / means.size
    for s in range(means.size):
        distance = means[s] - mean
        spread += variances[s] + distance * distance
    return mean, spread / means.size


@kernel
def combine(upstream, row, result, mean, mean_gradient, correlation, scale):
    """Compute scale·(d − mean_gradient − (x − μ)·correlation) of a row; d is the upstream gradient."""
    for p in range(row.size):
        result[p] = scale * (upstream[p] - mean_gradient - (row[p] - mean) * correlation)


@operation(two_per_channel, part_of="batch_norm")
@kernel
def batch_norm_moments(x, moments):
    """Compute the mean and variance of each channel of each sample."""
    rows = as_rows(x)
    for n in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            moments[n, 0, c], moments[n, 1, c] = mean_and_variance(rows[n, c])


@operation(_of_channels(2), part_of="batch_norm")
@kernel
def batch_norm_statistics(moments, mean, variance, first=0, last=-1):
    """Compute μ, the mean of the samples' means, and σ², the mean over the samples of variance + (mean − μ)²."""
    for c in range(first, mean.size if last < 0 else last):
        mean[c], variance[c] = pooled_statistics(moments[:, 0, c], moments[:, 1, c])


@operation(_two_of_channels, flat=("scale",), part_of="batch_norm_inference", alone=True)
@kernel
def batch_norm_scale(gamma, beta, running_mean, running_variance, b, scale, epsilon=1e-5):
    """Compute addends β + (b − μ)·factor, then factors γ/√(σ² + ε). They replace the biases b of a convolution."""
    for c in range(gamma.size):
        factor = gamma[c] / np.sqrt(running_variance[c] + epsilon)
        bias = 0.0 if b is None else b[c]
        scale[c], scale[gamma.size + c] = beta[c] + (bias - running_mean[c]) * factor, factor


@operation(two_per_channel, part_of="batch_norm_backward")
@kernel
def batch_norm_products(dy, x, mean, products):
    """Compute Σ dy (x − μ) and Σ dy of each channel of each sample."""
    upstream, rows = as_rows(dy), as_rows(x)
    for n in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            product_sum, gradient_sum = gradient_sums(upstream[n, c], rows[n, c], mean[c])
            products[n, 0, c], products[n, 1, c] = product_sum, gradient_sum


@operation(_coefficients, accumulates=True, part_of="batch_norm_backward")
@kernel
def batch_norm_coefficients(
    products, gamma, variance, dgamma, dbeta, coefficients, epsilon=1e-5, cells=1, first=0, last=-1
):
    """Add to dγ and dβ, and compute the coefficients of `batch_norm_combination` for each channel.

    These are the mean of dy, the mean of dy (x − μ) over σ² + ε, and γ/√(σ² + ε).
    """
    count = products.shape[0]
    for c in range(first, gamma.size if last < 0 else last):
        product_sum, gradient_sum = 0.0, 0.0
        for s in range(count):
            product_sum += products[s, 0, c]
            gradient_sum += products[s, 1, c]
        inverse = 1.0 / np.sqrt(variance[c] + epsilon)
        dgamma[c] += product_sum * inverse
        dbeta[c] += gradient_sum
        coefficients[0, c] = gradient_sum / (count * cells)
        coefficients[1, c] = product_sum * inverse * inverse / (count * cells)
        coefficients[2, c] = gamma[c] * inverse


@operation(like(0), part_of="batch_norm_backward")
@kernel
def batch_norm_combination(dy, x, mean, coefficients, dx):
    """Compute dx from the coefficients; see `combine`."""
    upstream, rows, results = as_rows(dy), as_rows(x), as_rows(dx)
    for n in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            mean_gradient, correlation, scale = coefficients[0, c], coefficients[1, c], coefficients[2, c]
            combine(upstream[n, c], rows[n, c], results[n, c], mean[c], mean_gradient, correlation, scale)
