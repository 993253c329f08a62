"""Batch normalization, compiled. The equations are in reference/normalization.py.

The statistics need the whole batch: threads meet here, and share the channels instead of the samples, so that every
sum has one order whatever the number of threads. `first` and `last` are the channels of one thread's share.

Each kernel reads a group of channels once for its sums and once more, mostly from the cache, for its result. A group is
one channel, or several short ones (`SHORT`), whose cells lie side by side in every sample and fill vectors together.

The activation around it is y = v where v > 0, else slope·v, with slope 0 for ReLU and 1 for none.
"""

import numpy as np

from chainrule.engines.compiled.compiler import kernel
from chainrule.engines.compiled.kernels.divided_normalization import as_rows, combine, pooled_statistics
from chainrule.engines.compiled.kernels.registry import CHEAP_FROM, always, elementwise, like, operation
from chainrule.engines.compiled.kernels.row_sums import bent, finite_mean, gradient_sums, mean_and_variance

SHORT = 64  # cells of a channel below which channels are processed side by side
GROUP = 1024  # cells of such channels together
STEPS = {"rectify": always, "leak": always}


@kernel
def _together(cells):
    """Return the number of channels in a group."""
    return max(GROUP // max(cells, 1), 1)


@kernel
def _statistics(rows, first, last, mean, variance):
    """Compute mean and variance of long channels."""
    means, variances = np.empty(rows.shape[0]), np.empty(rows.shape[0])
    for c in range(first, last):
        for s in range(rows.shape[0]):
            means[s], variances[s] = mean_and_variance(rows[s, c])
        mean[c], variance[c] = pooled_statistics(means, variances)


@kernel
def _short_statistics(rows, first, last, mean, variance):
    """Compute mean and variance of short channels: for every cell sums over the batch, about its first sample."""
    count, channels, cells = rows.shape
    lines = rows.reshape((count, channels * cells))
    begin, width = first * cells, (last - first) * cells
    center, total, squares = np.zeros(width), np.zeros(width), np.zeros(width)
    for c in range(first, last):
        center[(c - first) * cells : (c - first + 1) * cells] = finite_mean(rows[0, c])
    for s in range(count):
        line = lines[s, begin : begin + width]
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
    """Return the values of channels, each repeated for the channel's cells."""
    found = np.empty((last - first) * cells, dtype)
    for c in range(first, last):
        found[(c - first) * cells : (c - first + 1) * cells] = values[c]
    return found


@kernel
def _normalize(rows, results, some, scale, mean, beta, activation, within):
    """Compute y = (x − μ)·scale + β, and the activation.

    some        first channel, and the one after the last
    activation  slope where the result is not positive, and the largest result
    within      first cell of each channel, and the one after the last
    """
    count, channels, cells = rows.shape
    (first, last), (part, most), (left, right) = some, activation, within
    if cells >= SHORT or right - left < cells:
        for s in range(count):
            for c in range(first, last):
                row, result = rows[s, c][left:right], results[s, c][left:right]
                m, a, b = mean[c], scale[c], beta[c]
                for p in range(row.size):
                    v = (row[p] - m) * a + b
                    v = bent(v, v, part)
                    result[p] = most if v >= most else v
        return
    begin, end = first * cells, last * cells
    m = _spread(mean, first, last, cells, rows.dtype)
    a = _spread(scale, first, last, cells, rows.dtype)
    b = _spread(beta, first, last, cells, rows.dtype)
    lines, written = rows.reshape((count, channels * cells)), results.reshape((count, channels * cells))
    for s in range(count):
        line, result = lines[s, begin:end], written[s, begin:end]
        for q in range(m.size):
            v = (line[q] - m[q]) * a[q] + b[q]
            v = bent(v, v, part)
            result[q] = most if v >= most else v


@operation(like(0, 1, 1), epilogues=STEPS)
@kernel
def batch_norm(x, gamma, beta, y, mean, variance, epsilon=1e-5, rectify=False, leak=1.0, first=0, last=-1):
    """Compute mean, variance and y, one group of channels after the other.

    rectify, leak  the activation that follows: ReLU, or the slope of a leaky ReLU
    """
    rows, results = as_rows(x), as_rows(y)
    channels, cells = rows.shape[1:]
    end, step, part = channels if last < 0 else last, _together(cells), x.dtype.type(0 if rectify else leak)
    scale = np.empty_like(mean)
    for c in range(first, end, step):
        behind = min(c + step, end)
        if cells < SHORT:
            _short_statistics(rows, c, behind, mean, variance)
        else:
            _statistics(rows, c, behind, mean, variance)
        for k in range(c, behind):
            scale[k] = gamma[k] / np.sqrt(variance[k] + epsilon)
        _normalize(rows, results, (c, behind), scale, mean, beta, (part, x.dtype.type(np.inf)), (0, cells))


@operation(
    like(0),
    epilogues={**STEPS, "capped": always},
    by_channel=("first", "last"),
    by_row=("top", "bottom"),
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
    leak=1.0,
    capped=0.0,
    first=0,
    last=-1,
    top=0,
    bottom=-1,
):
    """Compute y = γ (x − μ)/√(σ² + ε) + β with the running statistics; activation and shares as in `batch_norm`.

    capped       the upper bound of a clipping from 0 on that follows, unless it is 0
    top, bottom  rows of all channels, of a thread
    """
    rows, results = as_rows(x), as_rows(y)
    channels, cells = rows.shape[1], rows.shape[2]
    step = channels if cells >= SHORT else _together(cells)
    part, most = x.dtype.type(0 if rectify or capped > 0 else leak), x.dtype.type(capped if capped > 0 else np.inf)
    within = (top * x.shape[-1], cells if bottom < 0 else bottom * x.shape[-1])
    scale = np.empty_like(gamma)
    for c in range(channels):
        scale[c] = gamma[c] / np.sqrt(running_variance[c] + epsilon)
    end = channels if last < 0 else last
    for c in range(first, end, step):
        _normalize(rows, results, (c, min(c + step, end)), scale, running_mean, beta, (part, most), within)


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
def _gradient_sums(upstream, rows, signs, first, last, mean, part, along, total):
    """Compute Σ d (x − μ) and Σ d of some channels in float64, d the upstream gradient behind the activation."""
    count, channels, cells = rows.shape
    if cells >= SHORT:
        for c in range(first, last):
            along[c], total[c] = 0.0, 0.0
        for s in range(count):
            for c in range(first, last):
                tilted, flat = gradient_sums(upstream[s, c], rows[s, c], signs[s, c], mean[c], part)
                along[c] += tilted
                total[c] += flat
        return
    begin, end, size = first * cells, last * cells, channels * cells
    m = _spread(mean, first, last, cells, rows.dtype)
    tilted, flat = np.zeros(end - begin), np.zeros(end - begin)
    above, lines, kinds = upstream.reshape((count, size)), rows.reshape((count, size)), signs.reshape((count, size))
    for s in range(count):
        slope, line, sign = above[s, begin:end], lines[s, begin:end], kinds[s, begin:end]
        for q in range(m.size):
            d = bent(slope[q], sign[q], part)
            tilted[q] += d * (line[q] - m[q])
            flat[q] += d
    for c in range(first, last):
        k = (c - first) * cells
        along[c], total[c] = tilted[k : k + cells].sum(), flat[k : k + cells].sum()


@kernel
def _input_gradient(upstream, rows, signs, results, first, last, mean, level, tilt, scale, part):
    """Compute dx = scale·(d − level − (x − μ)·tilt) of some channels."""
    count, channels, cells = rows.shape
    if cells >= SHORT:
        for s in range(count):
            for c in range(first, last):
                combine(
                    upstream[s, c], rows[s, c], signs[s, c], results[s, c], mean[c], level[c], tilt[c], scale[c], part
                )
        return
    begin, end, size = first * cells, last * cells, channels * cells
    m = _spread(mean, first, last, cells, rows.dtype)
    flat = _spread(level, first, last, cells, rows.dtype)
    t = _spread(tilt, first, last, cells, rows.dtype)
    a = _spread(scale, first, last, cells, rows.dtype)
    above, lines, kinds = upstream.reshape((count, size)), rows.reshape((count, size)), signs.reshape((count, size))
    written = results.reshape((count, size))
    for s in range(count):
        slope, line, sign, result = above[s, begin:end], lines[s, begin:end], kinds[s, begin:end], written[s, begin:end]
        for q in range(m.size):
            result[q] = a[q] * (bent(slope[q], sign[q], part) - flat[q] - (line[q] - m[q]) * t[q])


@operation(like(2, 2), accumulates=True)
@kernel
def batch_norm_dw(dy, x, mean, variance, dgamma, dbeta, epsilon=1e-5, first=0, last=-1):
    """Add Σ dy x̂ to dγ and Σ dy to dβ."""
    upstream, rows = as_rows(dy), as_rows(x)
    channels, cells = rows.shape[1:]
    end, step = channels if last < 0 else last, _together(cells)
    along, total = np.empty(channels), np.empty(channels)
    for c in range(first, end, step):
        _gradient_sums(upstream, rows, rows, c, min(c + step, end), mean, x.dtype.type(1), along, total)
    for c in range(first, end):
        dgamma[c] += along[c] / np.sqrt(variance[c] + epsilon)
        dbeta[c] += total[c]


@operation(like(2, 2, 0), joins=("batch_norm_dw", "batch_norm_dx"), accumulates=True)
@kernel
def batch_norm_backward(dy, x, gamma, mean, variance, y, dgamma, dbeta, dx, epsilon=1e-5, slope=1.0, first=0, last=-1):
    """Compute dx and add to dγ and dβ, with the sums made once; dy is the gradient of the activation's result y.

    slope  of the activation where y ≤ 0
    """
    upstream, rows, signs, results = as_rows(dy), as_rows(x), as_rows(y), as_rows(dx)
    channels, cells = rows.shape[1:]
    end, step, part = channels if last < 0 else last, _together(cells), x.dtype.type(slope)
    along, total = np.empty(channels), np.empty(channels)
    level, tilt, scale = np.empty_like(mean), np.empty_like(mean), np.empty_like(mean)
    many = rows.shape[0] * cells
    for c in range(first, end, step):
        behind = min(c + step, end)
        _gradient_sums(upstream, rows, signs, c, behind, mean, part, along, total)
        for k in range(c, behind):
            inverse = 1.0 / np.sqrt(variance[k] + epsilon)
            dgamma[k] += along[k] * inverse
            dbeta[k] += total[k]
            level[k] = total[k] / many
            tilt[k] = along[k] * inverse * inverse / many
            scale[k] = gamma[k] * inverse
        _input_gradient(upstream, rows, signs, results, c, behind, mean, level, tilt, scale, part)


@elementwise
def batch_norm_dx(dy, x, gamma, mean, variance, dx, epsilon=1e-5, first=0, last=-1):
    """Compute dx = γ/√(σ² + ε) (dy − mean dy − x̂ mean(dy x̂))."""
    unused = np.zeros((2, x.shape[1]), x.dtype)
    batch_norm_backward(dy, x, gamma, mean, variance, x, unused[0], unused[1], dx, epsilon, 1.0, first, last)


@operation(like(2, 2))
@kernel
def running_statistics(mean, variance, running_mean, running_variance, new_mean, new_variance, momentum=0.1, count=1):
    """Compute running ← (1 − m)·running + m·batch, the variance unbiased."""
    for c in range(mean.size):
        unbiased = variance[c] * (count / max(count - 1, 1))
        new_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c]
        new_variance[c] = (1 - momentum) * running_variance[c] + momentum * unbiased
