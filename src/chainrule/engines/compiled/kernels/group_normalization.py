"""Group normalization and local response normalization, compiled. The equations are in reference/normalization.py.

The values of one group in one sample are contiguous, and form a row. Parts of a row are summed in the precision of the
arrays, and these sums are added in float64 (see `row_sums.py`). If a channel has a single element, every element of a
row has a different γ and β; otherwise they are constant over a channel.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engines.compiled.compiler import inlined, kernel
from chainrule.engines.compiled.kernels.registry import Attributes, Shapes, elementwise, like, operation
from chainrule.engines.compiled.kernels.row_sums import PART, gradient_sums, mean_and_variance


def _with_statistics(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shapes of y, mean and variance."""
    x = arrays[0]
    return [x.shape, *[(x.shape[0], attributes.get("groups", 1))] * 2]


def _of_parameters(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shapes of dγ and dβ."""
    channels = arrays[0].shape[1]
    return [(channels // attributes.get("groups", 1) if attributes.get("shared") else channels,)] * 2


@kernel
def _as_rows(x, groups):
    """Return an array (N, C, …) as (N, groups, elements of a group)."""
    return x.reshape((x.shape[0], groups, x.size // max(x.shape[0] * groups, 1)))


@kernel
def _cells(x):
    """Return the number of elements in a channel."""
    return x.size // max(x.shape[0] * x.shape[1], 1)


@kernel
def _normalize(row, result, mean, inverse, gamma, beta, cells):
    """Compute y = γ (x − μ)/σ + β for the row of a group.

    inverse      1/σ
    gamma, beta  γ and β of the channels in the group
    cells        elements of a channel
    """
    if cells == 1:
        for d in range(row.size):
            result[d] = (row[d] - mean) * inverse * gamma[d] + beta[d]
        return
    for d in range(gamma.size):
        source, written = row[d * cells : (d + 1) * cells], result[d * cells : (d + 1) * cells]
        scale, shift = gamma[d] * inverse, beta[d]
        for p in range(cells):
            written[p] = (source[p] - mean) * scale + shift


@operation(_with_statistics)
@kernel
def group_norm(x, gamma, beta, y, mean, variance, groups=1, shared=False, epsilon=1e-5):
    """Compute mean, variance and y, one group of one sample at a time.

    shared  whether all groups have the same γ and β
    """
    rows, results = _as_rows(x, groups), _as_rows(y, groups)
    depth, cells, number = x.shape[1] // groups, _cells(x), x.dtype.type
    for n in range(x.shape[0]):
        for g in range(groups):
            m, v = mean_and_variance(rows[n, g])
            mean[n, g], variance[n, g] = m, v
            k = 0 if shared else g * depth
            inverse = number(1.0 / np.sqrt(v + epsilon))
            scale, shift = gamma[k : k + depth], beta[k : k + depth]
            _normalize(rows[n, g], results[n, g], number(m), inverse, scale, shift, cells)


@kernel
def _weighted_products(upstream, row, gamma, center):
    """Return Σ γ d and Σ γ d (x − center) over a row with one γ per element, where d is the upstream gradient."""
    gradient_sum, product_sum = row.dtype.type(0), row.dtype.type(0)
    for p in range(row.size):
        d = gamma[p] * upstream[p]
        gradient_sum += d
        product_sum += d * (row[p] - center)
    return gradient_sum, product_sum


@kernel
def _group_sums(upstream, row, gamma, center, cells):
    """Return Σ γ d and Σ γ d (x − center) over a group, in float64, where d is the upstream gradient."""
    gradient_sum, product_sum = 0.0, 0.0
    if cells == 1:
        for p in range(0, row.size, PART):
            q = min(p + PART, row.size)
            part_gradient, part_product = _weighted_products(upstream[p:q], row[p:q], gamma[p:q], center)
            gradient_sum += part_gradient
            product_sum += part_product
        return gradient_sum, product_sum
    for d in range(gamma.size):
        source = row[d * cells : (d + 1) * cells]
        part_product, part_gradient = gradient_sums(upstream[d * cells : (d + 1) * cells], source, center)
        gradient_sum += gamma[d] * part_gradient
        product_sum += gamma[d] * part_product
    return gradient_sum, product_sum


@kernel
def _input_gradient(upstream, row, result, gamma, mean, mean_gradient, correlation, inverse, cells):
    """Compute dx = (γ d − mean_gradient − (x − μ)·correlation)/σ of a group, where d is the upstream gradient."""
    if cells == 1:
        for p in range(row.size):
            result[p] = (gamma[p] * upstream[p] - mean_gradient - (row[p] - mean) * correlation) * inverse
        return
    for d in range(gamma.size):
        slope, source = upstream[d * cells : (d + 1) * cells], row[d * cells : (d + 1) * cells]
        written, scale = result[d * cells : (d + 1) * cells], gamma[d]
        for p in range(cells):
            written[p] = (scale * slope[p] - mean_gradient - (source[p] - mean) * correlation) * inverse


@operation(like(1))
@kernel
def group_norm_dx(dy, x, gamma, mean, variance, dx, groups=1, shared=False, epsilon=1e-5):
    """Compute dx = (γ dy − mean γ dy − x̂ mean(γ dy x̂))/√(σ² + ε). Means are over a group of one sample."""
    all_upstream, rows, results = _as_rows(dy, groups), _as_rows(x, groups), _as_rows(dx, groups)
    depth, cells, number = x.shape[1] // groups, _cells(x), x.dtype.type
    for n in range(x.shape[0]):
        for g in range(groups):
            k = 0 if shared else g * depth
            scale, upstream, row, m = gamma[k : k + depth], all_upstream[n, g], rows[n, g], mean[n, g]
            gradient_sum, product_sum = _group_sums(upstream, row, scale, m, cells)
            inverse = 1.0 / np.sqrt(variance[n, g] + epsilon)
            mean_gradient = number(gradient_sum / row.size)
            correlation = number(product_sum * inverse * inverse / row.size)
            _input_gradient(upstream, row, results[n, g], scale, m, mean_gradient, correlation, number(inverse), cells)


@operation(_of_parameters, accumulates=True)
@kernel
def group_norm_dw(dy, x, mean, variance, dgamma, dbeta, groups=1, shared=False, epsilon=1e-5):
    """Add Σ dy x̂ to dγ and Σ dy to dβ. The samples of the block are summed in float64.

    Channel d of group g has the parameters with index k + d: those of its group or, if `shared`, those of all groups.
    A channel of one element needs no sum over elements.
    """
    all_upstream, rows = _as_rows(dy, groups), _as_rows(x, groups)
    depth, cells = x.shape[1] // groups, _cells(x)
    scale, shift = np.zeros(dgamma.size), np.zeros(dgamma.size)
    for n in range(x.shape[0]):
        for g in range(groups):
            k = 0 if shared else g * depth
            upstream, row, m = all_upstream[n, g], rows[n, g], mean[n, g]
            inverse = 1.0 / np.sqrt(variance[n, g] + epsilon)
            if cells == 1:
                for d in range(depth):
                    scale[k + d] += upstream[d] * (row[d] - m) * inverse
                    shift[k + d] += upstream[d]
                continue
            for d in range(depth):
                p, q = d * cells, (d + 1) * cells
                product_sum, gradient_sum = gradient_sums(upstream[p:q], row[p:q], m)
                scale[k + d] += product_sum * inverse
                shift[k + d] += gradient_sum
    for k in range(dgamma.size):
        dgamma[k] += scale[k]
        dbeta[k] += shift[k]


@inlined
def _divide_by_power(value, s, beta):
    """Return value · s^−β."""
    return value / np.sqrt(s * np.sqrt(s)) if beta == 0.75 else value * s ** (-beta)


@kernel
def _as_channel_rows(x):
    """Return an array (N, C, …) as (N, C, elements of a channel)."""
    return x.reshape((x.shape[0], x.shape[1], x.size // max(x.shape[0] * x.shape[1], 1)))


@kernel
def _add_window(rows, c, half, total):
    """Set total[p] to the sum over the window of channel c, the channels c − half to c + half, at each position p."""
    for p in range(total.size):
        total[p] = 0
    for m in range(max(0, c - half), min(rows.shape[0], c + half + 1)):
        row = rows[m]
        for p in range(total.size):
            total[p] += row[p]


@kernel
def _set_scales(rows, squares, scales, half, factor, k):
    """Set `scales` to k + factor · Σ x² over the window of each channel of a sample.

    squares  scratch buffer for x²
    """
    for c in range(rows.shape[0]):
        row, square = rows[c], squares[c]
        for p in range(row.size):
            square[p] = row[p] * row[p]
    for c in range(rows.shape[0]):
        scale = scales[c]
        _add_window(squares, c, half, scale)
        for p in range(scale.size):
            scale[p] = k + factor * scale[p]


@elementwise
def local_response_norm(x, y, size=1, alpha=1e-4, beta=0.75, k=1.0):
    """Compute y = x s^−β, where s = k + α/size Σ x² over a window of `size` channels."""
    rows, results, number = _as_channel_rows(x), _as_channel_rows(y), x.dtype.type
    squares, scales, power = np.empty_like(rows[0]), np.empty_like(rows[0]), number(beta)
    for n in range(x.shape[0]):
        _set_scales(rows[n], squares, scales, size // 2, number(alpha / size), number(k))
        for c in range(x.shape[1]):
            row, result, scale = rows[n, c], results[n, c], scales[c]
            for p in range(row.size):
                result[p] = _divide_by_power(row[p], scale[p], power)


@elementwise
def local_response_norm_dx(dy, x, dx, size=1, alpha=1e-4, beta=0.75, k=1.0):
    """Compute dx = dy s^−β − 2αβ/size · x Σ dy x s^(−β−1) over the window of channels.

    The first term is stored in dx, and the summands dy x s^(−β−1) of all channels in `products`. Then the sums over
    windows are subtracted.
    """
    all_upstream, rows, results, number = _as_channel_rows(dy), _as_channel_rows(x), _as_channel_rows(dx), x.dtype.type
    products, scales, total = np.empty_like(rows[0]), np.empty_like(rows[0]), np.empty_like(rows[0, 0])
    factor, power = number(2 * alpha * beta / size), number(beta)
    for n in range(x.shape[0]):
        _set_scales(rows[n], products, scales, size // 2, number(alpha / size), number(k))
        for c in range(x.shape[1]):
            upstream = all_upstream[n, c]
            row = rows[n, c]
            result = results[n, c]
            scale = scales[c]
            product = products[c]
            for p in range(row.size):
                result[p] = _divide_by_power(upstream[p], scale[p], power)
                product[p] = result[p] * row[p] / scale[p]
        for c in range(x.shape[1]):
            _add_window(products, c, size // 2, total)
            row, result = rows[n, c], results[n, c]
            for p in range(row.size):
                result[p] -= factor * row[p] * total[p]
