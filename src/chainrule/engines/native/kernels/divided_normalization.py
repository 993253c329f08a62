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

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.registry import Attributes, Shapes, like, operation


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


@operation(two_per_channel, part_of="batch_norm")
@in_c
def batch_norm_moments(x, moments):
    """Compute the mean and variance of each channel of each sample."""


@operation(_of_channels(2), part_of="batch_norm")
@in_c
def batch_norm_statistics(moments, mean, variance, first=0, last=-1):
    """Compute μ, the mean of the samples' means, and σ², the mean over the samples of variance + (mean − μ)²."""


@operation(_two_of_channels, flat=("scale",), part_of="batch_norm_inference", alone=True)
@in_c
def batch_norm_scale(gamma, beta, running_mean, running_variance, b, scale, epsilon=1e-5):
    """Compute addends β + (b − μ)·factor, then factors γ/√(σ² + ε). They replace the biases b of a convolution."""


@operation(two_per_channel, part_of="batch_norm_backward")
@in_c
def batch_norm_products(dy, x, mean, products):
    """Compute Σ dy (x − μ) and Σ dy of each channel of each sample."""


@operation(_coefficients, accumulates=True, part_of="batch_norm_backward")
@in_c
def batch_norm_coefficients(
    products, gamma, variance, dgamma, dbeta, coefficients, epsilon=1e-5, cells=1, first=0, last=-1
):
    """Add to dγ and dβ, and compute the coefficients of `batch_norm_combination` for each channel.

    These are the mean of dy, the mean of dy (x − μ) over σ² + ε, and γ/√(σ² + ε).
    """


@operation(like(0), part_of="batch_norm_backward")
@in_c
def batch_norm_combination(dy, x, mean, coefficients, dx):
    """Compute dx = scale (dy − mean_gradient − (x − μ) correlation), with the three coefficients of each channel."""
