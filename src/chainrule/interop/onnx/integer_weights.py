"""Weights of quantized networks as integers and scales, which represent exactly the same numbers."""

from typing import NamedTuple

import numpy as np

from chainrule.core.arrays import Array
from chainrule.interop.grids import BIAS_TOLERANCE, LEVELS, grid_steps, is_on_grid


class IntegerWeights(NamedTuple):
    """Integers q that represent the weights scale · (q − zero), with one scale or one for each index of an axis."""

    integers: Array
    scale: Array
    zero: Array
    axis: int


def integer_weights(w: Array, bias: Array | None = None) -> IntegerWeights | None:
    """Return float32 weights as 8-bit integers, with one scale or one for each index of axis 0 or 1; None: impossible.

    The integers represent all weights with all their bits. Those of a file are found again, or their quotients by a
    common divisor. Runtimes round biases to multiples of the scale, so that a scale with such biases is preferred.

    bias   biases of the filters, of axis 0, divided by the scale of the input; None: none, or an unknown scale
    """
    if w.dtype != np.float32 or not np.isfinite(w).all() or not w.any():
        return None
    for axis in (None, 0, 1):
        groups = w.reshape(1, -1)
        biases = np.zeros((1, 0)) if bias is None else bias.reshape(1, -1)
        if axis is not None:
            groups = np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1)
            biases = np.zeros((len(groups), 0)) if bias is None or axis else bias.reshape(-1, 1)
        steps = _steps(groups, biases)
        if steps is None:
            continue
        multiples = np.rint(groups.astype(np.float64) / steps[:, None])
        zeros = _zeros(multiples)
        if zeros is None:
            continue
        integers = (multiples + zeros[:, None]).astype(zeros.dtype)
        if axis is None:
            return IntegerWeights(integers.reshape(w.shape), steps[0], zeros[0], 0)
        shape = (w.shape[axis], *np.delete(w.shape, axis))
        return IntegerWeights(np.moveaxis(integers.reshape(shape), 0, axis), steps, zeros, axis)
    return None


def _zeros(multiples: Array) -> Array | None:
    """Return a zero point for each group (G, N), of type int8 if it is 0 for all, else uint8; None if none fits.

    On x86 processors without VNNI instructions, sums of ONNX Runtime saturate for int8 weights of 8 bits, but not for
    uint8 weights.
    """
    low = multiples.min(1)
    high = multiples.max(1)
    if low.min() >= -64 and high.max() < 64:
        return np.zeros(len(multiples), np.int8)
    zeros = np.maximum(-low, 0)
    if low.min() >= -128 and high.max() < 128:
        zeros = np.full(len(multiples), 128)
    if (high + zeros).max() >= LEVELS:
        return None
    return zeros.astype(np.uint8)


def _steps(groups: Array, biases: Array) -> Array | None:
    """Return the largest step (G,) whose multiples are the numbers of each group (G, N); None if there is none.

    Steps whose multiples include the biases (G, M) of the group are preferred.
    """
    steps = np.zeros(len(groups), np.float32)
    is_zero = ~groups.any(1)
    for number, values in enumerate(groups):
        has_bias = False
        for candidate in grid_steps(values.astype(np.float64)):  # the largest first
            step = _exact_step(values, candidate)
            if not step or has_bias:
                continue
            has_bias = bool(is_on_grid(biases[number], float(step), BIAS_TOLERANCE))
            if has_bias or not steps[number]:
                steps[number] = step
        if not steps[number]:
            return None
    steps[is_zero] = steps[~is_zero].min()
    return steps


def _exact_step(values: Array, step: float) -> np.float32:
    """Return the float32 number near a step whose multiples have the bits of all values; 0 if there is none."""
    multiples = np.rint(values / step)
    nearest = np.float32(step)
    for candidate in (nearest, np.nextafter(nearest, np.float32(0)), np.nextafter(nearest, np.float32(np.inf))):
        if np.array_equal((multiples.astype(np.float64) * candidate).astype(np.float32), values):
            return candidate
    return np.float32(0)
