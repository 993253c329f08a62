"""Losses and their gradients, compiled. The equations are in reference/losses.py and reference/joined_losses.py.

A loss has one value per row: per sample, or per position of a dense prediction. Rows are read as (N, K, positions).
`batch` is the number of rows in the batch, over which the loss is averaged; None: the arrays contain the whole batch.

All kernels are generated, except those of Dice, which sum over positions, and the comparison of indices;
`python -m chainrule.operations.generator NAME` prints their source.
"""

import numpy as np  # noqa: F401

# Formulas may contain every function of operations/functions.py, so the generated kernels need all of these.
from chainrule.engines.compiled import compiler  # noqa: F401
from chainrule.engines.compiled.compiler import expm1, exponential, inlined, kernel, log1p  # noqa: F401
from chainrule.engines.compiled.kernels.activations import (  # noqa: F401
    expm1_of_any,
    exponential_of_any,
    log1p_of_any,
    logistic,
    normal_density,
    normal_distribution,
)
from chainrule.engines.compiled.kernels.registry import elementwise, operation, per_row, per_sample
from chainrule.operations import generator
from chainrule.operations.loss_code import loss_kernel_source


@inlined
def positions_of(p):
    """Return the number of positions per sample; 1 for vectors (N, K)."""
    return p.size // max(p.shape[0] * p.shape[1], 1)


@inlined
def rows_of(p):
    """Return a view (N, K, positions)."""
    return p.reshape(p.shape[0], p.shape[1], positions_of(p))


@inlined
def row_count(p, batch):
    """Return the number of rows over which the loss is averaged."""
    return p.shape[0] * positions_of(p) if batch is None else batch


def _define() -> None:
    """Define and register the generated kernels."""
    sources = generator.loss_sources(loss_kernel_source)
    generator.define(sources, "kernel", globals())
    for name in sources:
        function = globals()[name]
        globals()[name] = elementwise(function) if name.endswith("_dp") else operation(per_row)(kernel(function))


_define()


@kernel
def _areas(outputs, targets):
    """Return Σ p t and Σ p + t over the positions of one class."""
    overlap, areas = outputs.dtype.type(0), outputs.dtype.type(0)
    for q in range(outputs.size):
        overlap += outputs[q] * targets[q]
        areas += outputs[q] + targets[q]
    return overlap, areas


@operation(per_sample)
@kernel
def dice(p, t, loss):
    """Compute 1 − 1/K Σ (2 Σ p t + 1)/(Σ p + t + 1)."""
    unit = p.dtype.type(1)
    outputs, targets = rows_of(p), rows_of(t)
    for n in range(p.shape[0]):
        total = p.dtype.type(0)
        for k in range(p.shape[1]):
            overlap, areas = _areas(outputs[n, k], targets[n, k])
            total += (overlap + overlap + unit) / (areas + unit)
        loss[n] = unit - total / p.dtype.type(p.shape[1])


@elementwise
def dice_dp(p, t, dp, batch=None):
    """Compute 1/K ((2 Σ p t + 1)/(Σ p + t + 1)² − 2 t/(Σ p + t + 1))/batch."""
    unit = p.dtype.type(1)
    divisor = p.dtype.type((p.shape[0] if batch is None else batch) * p.shape[1])
    outputs, targets, results = rows_of(p), rows_of(t), rows_of(dp)
    for n in range(p.shape[0]):
        for k in range(p.shape[1]):
            overlap, areas = _areas(outputs[n, k], targets[n, k])
            share = (overlap + overlap + unit) / (areas + unit)
            for q in range(positions_of(p)):
                results[n, k, q] = (share - targets[n, k, q] - targets[n, k, q]) / (areas + unit) / divisor


@kernel
def _index_of_largest(rows, q):
    """Return the index of the first NaN in column q or, without NaN, of the first maximum."""
    best = 0
    for k in range(rows.shape[0]):
        larger = rows[k, q] > rows[best, q] or rows[k, q] != rows[k, q]
        best = k if larger and rows[best, q] == rows[best, q] else best
    return best


@operation(per_row)
@kernel
def correct(p, t, right):
    """Compute 1 for each row where the maxima of p and t have the same index, else 0."""
    outputs, targets, results = rows_of(p), rows_of(t), right.reshape(p.shape[0], positions_of(p))
    for n in range(p.shape[0]):
        for q in range(results.shape[1]):
            results[n, q] = 1 if _index_of_largest(outputs[n], q) == _index_of_largest(targets[n], q) else 0
