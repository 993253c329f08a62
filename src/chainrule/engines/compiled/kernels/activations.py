"""Activations and their gradients, compiled. The equations are in reference/activations.py.

The element-wise kernels are generated; `python -m chainrule.operations.generator NAME` prints their source.
"""

import math

import numpy as np  # noqa: F401  for generated kernels

from chainrule.engines.compiled import compiler  # noqa: F401
from chainrule.engines.compiled.compiler import (
    expm1,  # noqa: F401
    exponential,
    inlined,
    kernel,
    log1p,  # noqa: F401
    mills_ratio,
)
from chainrule.engines.compiled.kernels.registry import (
    CHEAP_FROM,
    COSTLY_FROM,
    Attributes,
    always,
    elementwise,
    pointwise,
    slope,
)
from chainrule.operations import generator

DENSITY = 1 / math.sqrt(2 * math.pi)  # density of the standard normal distribution at 0


@inlined
def logistic(dtype, x):
    """Return σ(x) = 1/(1 + e^−|x|), or 1 minus that for negative x."""
    one = dtype.type(1)
    small = exponential(-abs(x))
    return (one if x >= 0 else small) / (one + small)


@inlined
def normal_density(dtype, x):
    """Return φ(x)."""
    return dtype.type(DENSITY) * exponential(-(x * x * dtype.type(0.5)))


@inlined
def normal_distribution(dtype, x):
    """Return Φ(x), computed from the tail on the same side as x, so that no digits cancel."""
    tail = normal_density(dtype, x) * mills_ratio(abs(x))
    return dtype.type(1) - tail if x > 0 else tail


def leaky_relu_slope(attributes: Attributes) -> float:
    """Return the slope of a leaky ReLU for negative x."""
    return attributes.get("slope", 0.01)


def upper_bound(attributes: Attributes) -> float:
    """Return the upper bound of a clip whose lower bound is 0, or 0 for any other clip."""
    return attributes.get("high", 0.0) if attributes.get("low", 0.0) == 0 else 0.0


# Activations that a convolution can apply as it writes its results: attribute of the kernel, and its value.
EPILOGUES = {"relu": ("rectify", always), "leaky_relu": ("leak", leaky_relu_slope), "clip": ("capped", upper_bound)}


def _define() -> None:
    """Define and register the kernels of the element-wise operations."""
    operations = generator.operations()
    sources = {
        f"{name}{'_dx' if gradient else ''}": generator.kernel_source(operation, gradient=gradient)
        for name, operation in operations.items()
        for gradient in (False, True)
    }
    generator.define(sources, "kernel", globals())
    for name, operation in operations.items():
        threshold = COSTLY_FROM if operation.costly else CHEAP_FROM
        epilogue, value = EPILOGUES.get(name, ("", always))
        register = pointwise(threshold, increasing=operation.increasing, epilogue=epilogue, epilogue_value=value)
        globals()[name] = register(kernel(globals()[name]))
        globals()[f"{name}_dx"] = slope(threshold)(kernel(globals()[f"{name}_dx"]))


_define()


@elementwise
def softmax(x, y):
    """Compute y = e^(x − max x) over its sum for each row, or for each position of an image."""
    samples, classes = x.shape[0], x.shape[1]
    positions = x.size // max(samples * classes, 1)
    rows, results = x.reshape(samples, classes, positions), y.reshape(samples, classes, positions)
    for s in range(samples):
        if positions == 1:
            _softmax_row(rows[s].reshape(classes), results[s].reshape(classes))
        else:
            _softmax_columns(rows[s], results[s])


@inlined
def _softmax_row(row, result):
    maximum = row[0]
    for k in range(row.size):
        maximum = row[k] if row[k] > maximum else maximum
    total = row.dtype.type(0)
    for k in range(row.size):
        result[k] = exponential(row[k] - maximum)
        total += result[k]
    for k in range(row.size):
        result[k] /= total


@inlined
def _softmax_columns(rows, results):
    """Compute softmax along the first axis."""
    for p in range(rows.shape[1]):
        maximum, total = rows[0, p], rows.dtype.type(0)
        for k in range(rows.shape[0]):
            maximum = rows[k, p] if rows[k, p] > maximum else maximum
        for k in range(rows.shape[0]):
            results[k, p] = exponential(rows[k, p] - maximum)
            total += results[k, p]
        for k in range(rows.shape[0]):
            results[k, p] /= total


@elementwise
def softmax_dx(dy, y, dx):
    """Compute dx = y (dy − Σ_j dy_j y_j)."""
    samples, classes = y.shape[0], y.shape[1]
    positions = y.size // max(samples * classes, 1)
    shape = (samples, classes, positions)
    slopes, values, results = dy.reshape(shape), y.reshape(shape), dx.reshape(shape)
    for s in range(samples):
        for p in range(positions):
            total = y.dtype.type(0)
            for k in range(classes):
                total += slopes[s, k, p] * values[s, k, p]
            for k in range(classes):
                results[s, k, p] = values[s, k, p] * (slopes[s, k, p] - total)
