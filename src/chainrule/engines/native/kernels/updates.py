"""Updates of optimizers, and other kernels of a training step, compiled.

The equations of the updates are in reference/updates.py. An update is one pass over parameters p, gradients g and
moments, and works in place.

In other kernels, `sums` contains Σ loss, the number of correct predictions, and then numbers that add up to Σ g².
"""

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.registry import like, operation, update


@operation(like(0))
@in_c
def clip_factor(norm, factor, limit=1.0):
    """Compute the factor of each norm."""


@update
@in_c
def sgd_update(p, g, rate=0.01, decay=0.0):
    """Compute p ← (1 − rate·decay)·p − rate·g."""


@update
@in_c
def momentum_update(p, g, v, rate=0.01, momentum=0.9, nesterov=False, decay=0.0):
    """Compute h = g + decay·p;  v ← μ v + h;  p ← p − rate·v, or with Nesterov p − rate·(h + μ v)."""


@update
@in_c
def rmsprop_update(p, g, v, u, rate=0.01, alpha=0.99, epsilon=1e-8, momentum=0.0, decay=0.0):
    """Compute h = g + decay·p;  v ← α v + (1 − α) h²;  u ← μ u + h/(√v + ε);  p ← p − rate·u."""


@update
@in_c
def adam_update(p, g, m, v, rate=0.001, step=1, beta1=0.9, beta2=0.999, epsilon=1e-8, decay=0.0):
    """Update the moments m and v, correct their bias, and take the step. `decay` first shrinks p, as in AdamW."""


@in_c
def clear(parts, k=0, first=0, last=0):
    """Set the elements `first` to `last` − 1 of gradient k, a row of `parts`, to 0."""


@in_c
def add_up(parts, sums, first=0, last=0, k=0):
    """Sum the gradients in the rows of `parts` into row 0, in order, for parameters `first` to `last` − 1.

    Also add Σ g² of this range of the sum to sums[2 + k].
    """


@in_c
def add_parts(parts, sums):
    """Compute the sum of the rows of `parts`, at least two. Rows are added in order."""


@in_c
def ends(loss, correct, sums):
    """Add the losses of all samples to sums[0], and the number of correct predictions to sums[1]."""


@in_c
def scaled(g, scale=1.0):
    """Multiply a gradient by `scale` in place."""


@in_c
def copied(values, copy):
    """Copy `values` to `copy`."""


@in_c
def accepted(after, statistics, sums, outcomes, number=0, clip=1.0):
    """Accept the results of a training step, unless a loss, gradient or new running statistic is not finite.

    The running statistics are stored. Row `number` of `outcomes` is set to Σ loss, the number of correct predictions,
    Σ g², and the factor for the gradient, which is less than 1 if the norm of the gradient exceeds `clip`.

    after       new running statistics
    statistics  running statistics, which are overwritten
    number      index of the step

    Errors   FloatingPointError if a number is not finite; nothing is stored
    """


@in_c
def outer_squares(x, dy, sums):
    """Add Σ g² = |dy|² |x|² to sums[2], for the gradient g = dy xᵀ of a dense layer for one sample."""


@in_c
def outer_rows(x, dy, g, first=0, last=0, scale=1.0):
    """Compute rows `first` to `last` − 1 of the gradient dy xᵀ, times `scale`, as a flat array g."""
