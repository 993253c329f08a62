"""Updates of optimizers, and other kernels of a training step, compiled.

The equations of the updates are in reference/updates.py. An update is one pass over parameters p, gradients g and
moments, and works in place. With separate output arrays, the compiler could not know that inputs and outputs do not
overlap, so the loops would not be vectorized and would take ten times as long.

In other kernels, `sums` contains Σ loss, the number of correct predictions, and then numbers that add up to Σ g².
"""

import numpy as np

from chainrule.engines.compiled.compiler import inlined, kernel, ticks
from chainrule.engines.compiled.kernels.registry import elementwise, update


@inlined
def clipping(norm, limit):
    """Return min(1, limit / (norm + 10⁻⁶))."""
    ratio = limit / (norm + 1e-6)
    return 1.0 if ratio > 1.0 else ratio


@elementwise
def clip_factor(norm, factor, limit=1.0):
    """Compute the factor of each norm."""
    norms, factors = norm.reshape(norm.size), factor.reshape(factor.size)
    for k in range(factors.size):
        factors[k] = clipping(np.float64(norms[k]), limit)


@update
def sgd_update(p, g, rate=0.01, decay=0.0):
    """Compute p ← (1 − rate·decay)·p − rate·g."""
    r, keep = p.dtype.type(rate), p.dtype.type(1 - rate * decay)
    for k in range(p.size):
        p[k] = keep * p[k] - r * g[k]


@update
def momentum_update(p, g, v, rate=0.01, momentum=0.9, nesterov=False, decay=0.0):
    """Compute h = g + decay·p;  v ← μ v + h;  p ← p − rate·v, or with Nesterov p − rate·(h + μ v)."""
    r, mu, shrink = p.dtype.type(rate), p.dtype.type(momentum), p.dtype.type(decay)
    for k in range(p.size):
        slope = g[k] + shrink * p[k]
        speed = mu * v[k] + slope
        p[k] -= r * (slope + mu * speed if nesterov else speed)
        v[k] = speed


@update
def rmsprop_update(p, g, v, u, rate=0.01, alpha=0.99, epsilon=1e-8, momentum=0.0, decay=0.0):
    """Compute h = g + decay·p;  v ← α v + (1 − α) h²;  u ← μ u + h/(√v + ε);  p ← p − rate·u."""
    r, mu = p.dtype.type(rate), p.dtype.type(momentum)
    a, rest, eps, shrink = p.dtype.type(alpha), p.dtype.type(1 - alpha), p.dtype.type(epsilon), p.dtype.type(decay)
    for k in range(p.size):
        slope = g[k] + shrink * p[k]
        square = a * v[k] + rest * slope * slope
        speed = mu * u[k] + slope / (np.sqrt(square) + eps)
        p[k] -= r * speed
        v[k], u[k] = square, speed


@update
def adam_update(p, g, m, v, rate=0.001, step=1, beta1=0.9, beta2=0.999, epsilon=1e-8, decay=0.0):
    """Update the moments m and v, correct their bias, and take the step. `decay` first shrinks p, as in AdamW."""
    b1, b2, eps = p.dtype.type(beta1), p.dtype.type(beta2), p.dtype.type(epsilon)
    c1, c2 = p.dtype.type(1 - beta1), p.dtype.type(1 - beta2)
    corrected_rate = p.dtype.type(rate / (1 - beta1**step))
    correction = p.dtype.type(1 / np.sqrt(1 - beta2**step))
    keep = p.dtype.type(1 - rate * decay)
    for k in range(p.size):
        first = b1 * m[k] + c1 * g[k]
        second = b2 * v[k] + c2 * g[k] * g[k]
        p[k] = keep * p[k] - corrected_rate * first / (np.sqrt(second) * correction + eps)
        m[k], v[k] = first, second


@kernel
def clear(parts, k, first, last):
    """Set the elements `first` to `last` − 1 of gradient k, a row of `parts`, to 0."""
    part = parts[k, first:last]
    for p in range(part.size):
        part[p] = 0


@kernel
def add_up(parts, sums, first, last, k):
    """Sum the gradients in the rows of `parts` into row 0, in order, for parameters `first` to `last` − 1.

    Also add Σ g² of this range of the sum to sums[2 + k].
    """
    total, squares = parts[0, first:last], parts.dtype.type(0)
    for part in range(1, parts.shape[0]):
        other = parts[part, first:last]
        for p in range(total.size):
            total[p] += other[p]
    for p in range(total.size):
        squares += total[p] * total[p]
    sums[2 + k] += squares


@kernel
def add_parts(parts, sums):
    """Compute the sum of the rows of `parts`, at least two. Rows are added in order."""
    row_0, row_1 = parts[0], parts[1]
    for p in range(sums.size):
        sums[p] = row_0[p] + row_1[p]
    for part in range(2, parts.shape[0]):
        other = parts[part]
        for p in range(sums.size):
            sums[p] += other[p]


@kernel
def ends(loss, correct, sums):
    """Add the losses of all samples to sums[0], and the number of correct predictions to sums[1]."""
    for s in range(loss.size):
        sums[0] += loss[s]
        sums[1] += correct[s]


@kernel
def scaled(g, scale):
    """Multiply a gradient by `scale` in place."""
    if scale != 1:
        factor = g.dtype.type(scale)
        for k in range(g.size):
            g[k] *= factor


@kernel
def stamp(times, column):
    """Add the time since the last stamp, which times[0] contains, to a column; column 0: only set the stamp."""
    now = ticks(times)
    if column > 0:
        times[column] += now - times[0]
    times[0] = now


@kernel
def copied(values, copy):
    """Copy `values` to `copy`."""
    for k in range(values.size):
        copy[k] = values[k]


@kernel
def accepted(sums, after, statistics, outcomes, number, clip):
    """Accept the results of a training step, unless a loss, gradient or new running statistic is not finite.

    The running statistics are stored. Row `number` of `outcomes` is set to Σ loss, the number of correct predictions,
    Σ g², and the factor for the gradient, which is less than 1 if the norm of the gradient exceeds `clip`.

    after       new running statistics
    statistics  running statistics, which are overwritten
    number      index of the step

    Errors   FloatingPointError if a number is not finite; nothing is stored
    """
    squares = 0.0
    for k in range(2, sums.size):
        squares += sums[k]
    finite = abs(sums[0]) < np.inf and abs(squares) < np.inf
    for k in range(after.size):
        finite = finite and abs(after[k]) < np.inf
    if not finite:
        raise FloatingPointError
    for k in range(after.size):
        statistics[k] = after[k]
    outcomes[number, 0], outcomes[number, 1], outcomes[number, 2] = sums[0], sums[1], squares
    outcomes[number, 3] = clipping(np.sqrt(squares), clip)


@kernel
def outer_squares(x, dy, sums):
    """Add Σ g² = |dy|² |x|² to sums[2], for the gradient g = dy xᵀ of a dense layer for one sample."""
    x_square, dy_square = x.dtype.type(0), x.dtype.type(0)
    for k in range(x.size):
        x_square += x[0, k] * x[0, k]
    for o in range(dy.size):
        dy_square += dy[0, o] * dy[0, o]
    sums[2] += np.float64(x_square) * np.float64(dy_square)


@kernel
def outer_rows(x, dy, g, first, last, scale):
    """Compute rows `first` to `last` − 1 of the gradient dy xᵀ, times `scale`, as a flat array g."""
    for o in range(first, last):
        slope, row = x.dtype.type(scale) * dy[o], g[(o - first) * x.size : (o - first + 1) * x.size]
        for k in range(x.size):
            row[k] = slope * x[k]
