"""Batch normalization, compiled. The equations are in reference/normalization.py.

The statistics need the whole batch. Threads synchronize and divide the channels instead of the samples, so that the
order of every sum does not depend on the number of threads. A thread's chunk consists of the channels `first` to
`last` − 1.

Each kernel reads a group of channels once for its sums and a second time, mostly from the cache, for its result. A
group is one channel, or several short channels (`SHORT_CHANNEL`), which are contiguous in a sample and fill vectors.

The activation after the normalization clamps the result to bounds, which are −∞ and ∞ without a ReLU.
"""

import numpy as np

from chainrule.engines.compiled.compiler import kernel
from chainrule.engines.compiled.kernels.divided_normalization import as_rows, combine, pooled_statistics
from chainrule.engines.compiled.kernels.registry import CHEAP_FROM, always, elementwise, like, operation
from chainrule.engines.compiled.kernels.row_sums import finite_mean, gradient_sums, mean_and_variance

SHORT_CHANNEL = 64  # elements; shorter channels are processed in groups
GROUP_CELLS = 1024  # elements of a group of short channels
ACTIVATIONS = {"rectify": always}


@kernel
def _channels_per_group(cells):
    """Return the number of channels with `cells` elements in a group of short channels."""
    return max(GROUP_CELLS // max(cells, 1), 1)


@kernel
def _statistics(rows, first, last, mean, variance):
    """Compute the mean and variance of long channels, from the mean and variance of each sample."""
    means, variances = np.empty(rows.shape[0]), np.empty(rows.shape[0])
    for c in range(first, last):
        for n in range(rows.shape[0]):
            means[n], variances[n] = mean_and_variance(rows[n, c])
        mean[c], variance[c] = pooled_statistics(means, variances)


@kernel
def _short_statistics(rows, first, last, mean, variance):
    """Compute the mean and variance of short channels, from the deviations from the channel's mean in sample 0.

    A short channel does not fill vectors. The elements of all channels are therefore summed side by side over the
    samples, and those of each channel are added up at the end. Without the deviations, the difference of two large
    numbers would be the variance, E[x²] − E[x]². Rounding may still make it negative, and then it is 0.
    """
    count, channels, cells = rows.shape
    lines = rows.reshape((count, channels * cells))
    begin, width = first * cells, (last - first) * cells
    center, total, squares = np.zeros(width), np.zeros(width), np.zeros(width)
    for c in range(first, last):
        center[(c - first) * cells : (c - first + 1) * cells] = finite_mean(rows[0, c])
    for n in range(count):
        line = lines[n, begin : begin + width]
        for q in range(width):
            deviation = line[q] - center[q]
            total[q] += deviation
            squares[q] += deviation * deviation
    for c in range(first, last):
        k = (c - first) * cells
        distance = total[k : k + cells].sum() / (count * cells)
        spread = squares[k : k + cells].sum() / (count * cells) - distance * distance
        mean[c], variance[c] = center[k] + distance, 0.0 if spread < 0 else spread


@kernel
def _spread(values, first, last, cells, dtype):
    """Return the values of channels `first` to `last` − 1. Each is repeated for all elements of its channel."""
    repeated = np.empty((last - first) * cells, dtype)
    for c in range(first, last):
        repeated[(c - first) * cells : (c - first + 1) * cells] = values[c]
    return repeated


@kernel
def _normalize(rows, results, channel_range, scale, mean, beta, activation, cell_range):
    """Compute y = (x − μ)·scale + β, and the activation.

    channel_range  first channel, and the channel after the last
    activation     minimum and maximum of the result
    cell_range     first element of each channel, and the element after the last

    Short channels are treated as one row of elements, with the numbers of each channel repeated for its elements, so
    that they fill vectors.
    """
    count, channels, cells = rows.shape
    (first, last), (minimum, maximum), (first_cell, end_cell) = channel_range, activation, cell_range
    if cells >= SHORT_CHANNEL or end_cell - first_cell < cells:
        for n in range(count):
            for c in range(first, last):
                row, target = rows[n, c][first_cell:end_cell], results[n, c][first_cell:end_cell]
                mu, factor, shift = mean[c], scale[c], beta[c]
                for k in range(row.size):
                    value = (row[k] - mu) * factor + shift
                    target[k] = minimum if value <= minimum else maximum if value >= maximum else value
        return
    begin, end = first * cells, last * cells
    means = _spread(mean, first, last, cells, rows.dtype)
    scales = _spread(scale, first, last, cells, rows.dtype)
    shifts = _spread(beta, first, last, cells, rows.dtype)
    lines, result_lines = rows.reshape((count, channels * cells)), results.reshape((count, channels * cells))
    for n in range(count):
        line, target = lines[n, begin:end], result_lines[n, begin:end]
        for k in range(means.size):
            value = (line[k] - means[k]) * scales[k] + shifts[k]
            target[k] = minimum if value <= minimum else maximum if value >= maximum else value


@operation(like(0, 1, 1), epilogues=ACTIVATIONS)
@kernel
def batch_norm(x, gamma, beta, y, mean, variance, epsilon=1e-5, rectify=False, first=0, last=-1):
    """Compute mean, variance and y, one group of channels at a time.

    rectify  whether a ReLU follows
    """
    rows, results = as_rows(x), as_rows(y)
    channels, cells = rows.shape[1:]
    end, step = channels if last < 0 else last, _channels_per_group(cells)
    bounds = x.dtype.type(0 if rectify else -np.inf), x.dtype.type(np.inf)
    scale = np.empty_like(mean)
    for c in range(first, end, step):
        group_end = min(c + step, end)
        if cells < SHORT_CHANNEL:
            _short_statistics(rows, c, group_end, mean, variance)
        else:
            _statistics(rows, c, group_end, mean, variance)
        for k in range(c, group_end):
            scale[k] = gamma[k] / np.sqrt(variance[k] + epsilon)
        _normalize(rows, results, (c, group_end), scale, mean, beta, bounds, (0, cells))


@operation(
    like(0),
    epilogues={**ACTIVATIONS, "capped": always},
    shared_from=CHEAP_FROM,
)
@kernel
def batch_norm_inference(
    x,
    gamma,
    beta,
    running_mean,
    running_variance,
    y,
    epsilon=1e-5,
    rectify=False,
    capped=0.0,
    first=0,
    last=-1,
):
    """Compute y = γ (x − μ)/√(σ² + ε) + β with the running statistics.

    `batch_norm` describes the parameters for the activation and for a chunk of channels.

    capped  maximum of the ReLU that follows; 0 for none
    """
    rows, results = as_rows(x), as_rows(y)
    channels, cells = rows.shape[1], rows.shape[2]
    step = channels if cells >= SHORT_CHANNEL else _channels_per_group(cells)
    minimum = x.dtype.type(0 if rectify or capped > 0 else -np.inf)
    bounds = minimum, x.dtype.type(capped if capped > 0 else np.inf)
    scale = np.empty_like(gamma)
    for c in range(channels):
        scale[c] = gamma[c] / np.sqrt(running_variance[c] + epsilon)
    end = channels if last < 0 else last
    for c in range(first, end, step):
        _normalize(rows, results, (c, min(c + step, end)), scale, running_mean, beta, bounds, (0, cells))


@operation(like(0))
@kernel
def batch_norm_inference_dx(dy, gamma, running_variance, dx, epsilon=1e-5):
    """Compute dx = γ/√(σ² + ε) · dy with the running variance."""
    rows, results = as_rows(dy), as_rows(dx)
    scale = np.empty_like(gamma)
    for c in range(rows.shape[1]):
        scale[c] = gamma[c] / np.sqrt(running_variance[c] + epsilon)
    for n in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            for p in range(rows.shape[2]):
                results[n, c, p] = scale[c] * rows[n, c, p]


@kernel
def _gradient_sums(upstream, rows, first, last, mean, product_sum, gradient_sum):
    """Compute Σ d (x − μ) and Σ d of channels `first` to `last` − 1, in float64. d is the upstream gradient.

    The elements of short channels are summed side by side over the samples, as in `_short_statistics`.
    """
    count, channels, cells = rows.shape
    if cells >= SHORT_CHANNEL:
        for c in range(first, last):
            product_sum[c], gradient_sum[c] = 0.0, 0.0
        for n in range(count):
            for c in range(first, last):
                products, gradients = gradient_sums(upstream[n, c], rows[n, c], mean[c])
                product_sum[c] += products
                gradient_sum[c] += gradients
        return
    begin, end, size = first * cells, last * cells, channels * cells
    m = _spread(mean, first, last, cells, rows.dtype)
    products, gradients = np.zeros(end - begin), np.zeros(end - begin)
    all_upstream = upstream.reshape((count, size))
    lines = rows.reshape((count, size))
    for n in range(count):
        slope, line = all_upstream[n, begin:end], lines[n, begin:end]
        for q in range(m.size):
            products[q] += slope[q] * (line[q] - m[q])
            gradients[q] += slope[q]
    for c in range(first, last):
        k = (c - first) * cells
        product_sum[c], gradient_sum[c] = products[k : k + cells].sum(), gradients[k : k + cells].sum()


@kernel
def _input_gradient(upstream, rows, results, first, last, mean, mean_gradient, correlation, scale):
    """Compute dx = scale·(d − mean_gradient − (x − μ)·correlation) of some channels; see `_gradient_sums` for d."""
    count, channels, cells = rows.shape
    if cells >= SHORT_CHANNEL:
        for n in range(count):
            for c in range(first, last):
                combine(
                    upstream[n, c],
                    rows[n, c],
                    results[n, c],
                    mean[c],
                    mean_gradient[c],
                    correlation[c],
                    scale[c],
                )
        return
    begin, end, size = first * cells, last * cells, channels * cells
    means = _spread(mean, first, last, cells, rows.dtype)
    mean_gradients = _spread(mean_gradient, first, last, cells, rows.dtype)
    correlations = _spread(correlation, first, last, cells, rows.dtype)
    scales = _spread(scale, first, last, cells, rows.dtype)
    all_upstream = upstream.reshape((count, size))
    lines = rows.reshape((count, size))
    result_lines = results.reshape((count, size))
    for n in range(count):
        slope = all_upstream[n, begin:end]
        line = lines[n, begin:end]
        target = result_lines[n, begin:end]
        for k in range(means.size):
            target[k] = scales[k] * (slope[k] - mean_gradients[k] - (line[k] - means[k]) * correlations[k])


@operation(like(2, 2), accumulates=True)
@kernel
def batch_norm_dw(dy, x, mean, variance, dgamma, dbeta, epsilon=1e-5, first=0, last=-1):
    """Add Σ dy x̂ to dγ and Σ dy to dβ, where x̂ = (x − μ)/√(σ² + ε)."""
    upstream, rows = as_rows(dy), as_rows(x)
    channels, cells = rows.shape[1:]
    end, step = channels if last < 0 else last, _channels_per_group(cells)
    product_sum, gradient_sum = np.empty(channels), np.empty(channels)
    for c in range(first, end, step):
        _gradient_sums(upstream, rows, c, min(c + step, end), mean, product_sum, gradient_sum)
    for c in range(first, end):
        dgamma[c] += product_sum[c] / np.sqrt(variance[c] + epsilon)
        dbeta[c] += gradient_sum[c]


@operation(like(2, 2, 0), joins=("batch_norm_dw", "batch_norm_dx"), accumulates=True)
@kernel
def batch_norm_backward(dy, x, gamma, mean, variance, dgamma, dbeta, dx, epsilon=1e-5, first=0, last=-1):
    """Compute dx and add to dγ and dβ, with shared sums.

        dβ = Σ dy    dγ = Σ dy x̂    dx = γ/σ · (dy − dβ/n − x̂ dγ/n)        n elements in a channel, x̂ = (x − μ)/σ

    A few channels at a time are summed and then read a second time, while they are still in a cache.
    """
    upstream, rows, results = as_rows(dy), as_rows(x), as_rows(dx)
    channels, cells = rows.shape[1:]
    end, step = channels if last < 0 else last, _channels_per_group(cells)
    product_sum, gradient_sum = np.empty(channels), np.empty(channels)
    mean_gradient, correlation, scale = np.empty_like(mean), np.empty_like(mean), np.empty_like(mean)
    count = rows.shape[0] * cells
    for c in range(first, end, step):
        group_end = min(c + step, end)
        _gradient_sums(upstream, rows, c, group_end, mean, product_sum, gradient_sum)
        for k in range(c, group_end):
            inverse = 1.0 / np.sqrt(variance[k] + epsilon)
            dgamma[k] += product_sum[k] * inverse
            dbeta[k] += gradient_sum[k]
            mean_gradient[k] = gradient_sum[k] / count
            correlation[k] = product_sum[k] * inverse * inverse / count
            scale[k] = gamma[k] * inverse
        _input_gradient(upstream, rows, results, c, group_end, mean, mean_gradient, correlation, scale)


@elementwise
def batch_norm_dx(dy, x, gamma, mean, variance, dx, epsilon=1e-5, first=0, last=-1):
    """Compute dx = γ/√(σ² + ε) (dy − mean dy − x̂ mean(dy x̂))."""
    unused = np.zeros((2, x.shape[1]), x.dtype)
    batch_norm_backward(dy, x, gamma, mean, variance, unused[0], unused[1], dx, epsilon, first, last)


@operation(like(2, 2))
@kernel
def running_statistics(mean, variance, running_mean, running_variance, new_mean, new_variance, momentum=0.1, count=1):
    """Compute running ← (1 − m)·running + m·batch, with m = `momentum` and the unbiased variance of the batch.

    count  number of elements over which the mean of a channel is computed
    """
    for c in range(mean.size):
        unbiased = variance[c] * (count / max(count - 1, 1))
        new_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c]
        new_variance[c] = (1 - momentum) * running_variance[c] + momentum * unbiased
