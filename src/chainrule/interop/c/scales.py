"""Scales that map real numbers to int8: of activations, from measured ranges, and of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Floats
from chainrule.core.plan import Operation
from chainrule.data.normalization import BYTE, Normalization
from chainrule.errors import OptionError
from chainrule.interop.grids import BIAS_TOLERANCE, grid_steps, is_on_grid

INT8_MIN, INT8_MAX = -128, 127
MULTIPLIER_BITS, SUM_BITS = 30, 20  # bits of multipliers: for sums of products and means, and for a + b
MAX_MEAN_SHIFT = 40  # limit of the shift of a mean, so that its numerator and denominator fit into int64
MAX_SUM = 2**30  # limit of each sum of products and of the bias, so that their total fits into int32


@dataclass(frozen=True)
class Int8Scale:
    """A scale for int8 values: q represents the real number step · (q − zero). Zero is represented exactly."""

    step: float
    zero: int

    @staticmethod
    def of(low: float, high: float) -> Int8Scale:
        """Return a scale for the range from ``low`` to ``high``, extended to include 0."""
        low = min(low, 0.0)
        high = max(high, 0.0)
        step = (high - low) / (INT8_MAX - INT8_MIN) or 1.0
        return Int8Scale(step, INT8_MIN - round(low / step))

    @property
    def max_distance(self) -> int:
        """Maximum distance between an int8 value and `zero`."""
        return max(INT8_MAX - self.zero, self.zero - INT8_MIN)

    @staticmethod
    def of_layer(operation: Operation) -> Int8Scale:
        """Return the scale of a FakeQuantize layer; OptionError unless its integers have 8 bits."""
        step, zero, low, high = (operation.attributes[name] for name in ("scale", "zero", "low", "high"))
        if high - low not in (INT8_MAX - INT8_MIN, INT8_MAX - INT8_MIN - 1):
            layer = operation.result.name.rpartition(".")[0]
            raise OptionError(f"layer {layer!r} rounds to integers from {low:.0f} to {high:.0f}; expected 8 bits")
        return Int8Scale(step, int(zero - low) + INT8_MIN)

    def numbers(self, values: Array) -> NDArray[np.int8]:
        """Round real numbers to the nearest int8 values on this scale."""
        rounded = np.floor(values / self.step + self.zero + 0.5)
        return np.clip(rounded, INT8_MIN, INT8_MAX).astype(np.int8)

    def values(self, numbers: Array) -> Floats:
        """Return the real numbers represented by int8 values."""
        return self.step * (numbers.astype(np.float64) - self.zero)


class Scales(dict[str, Int8Scale]):
    """The scales of activations, by storage. A missing scale raises OptionError."""

    def __missing__(self, storage: str) -> Int8Scale:
        layer = storage.rpartition(".")[0]
        value = f"the result of layer {layer!r}" if layer else "its input"
        raise OptionError(
            f"the network does not contain the scale of {value}; pass images to measure it (--calibrate DATA)"
        )


def integer_input(scale: Int8Scale, normalization: Normalization, io: str) -> tuple[float, float]:
    """Return step and zero of an integer input that covers the range of a scale in all channels.

    A uint8 input contains the bytes of images if the model was trained on bytes, or if the range is that of bytes
    divided by 255.

    io   type of the integers, "int8" or "uint8"
    """
    origin, gain = normalization.constants
    low, high = (scale.values(np.array(end)) / np.where(gain == 0, 1, gain) + origin for end in (INT8_MIN, INT8_MAX))
    minimum = float(low.min())
    step = float(high.max() - low.min()) / (INT8_MAX - INT8_MIN)
    if io == "uint8" and normalization.white == BYTE:
        return 1.0, 0.0
    if io == "uint8" and normalization.white == 1 and minimum > -step and high.max() < 1 + step:
        return 1 / 255, 0.0
    return step, np.iinfo(io).min - minimum / step


class QuantizedFilters(NamedTuple):
    """Weights and biases as integers: q represents the weight step · (q − zero), and the bias step · x_step · q.

    weights     the weights, in their shape
    zeros       zero of each filter
    bias        the biases, in their shape
    sum_steps   step size of the sums of products of each filter: step · x_step
    """

    weights: NDArray[np.int8]
    zeros: NDArray[np.int8]
    bias: NDArray[np.int32]
    sum_steps: Floats

    @property
    def multiples(self) -> Floats:
        """The weights as multiples of the step size of their filter."""
        return self.weights.astype(np.float64) - _along_filters(self.zeros, self.weights)


def quantize_filters(weights: Array, bias: Array, x_scale: Int8Scale) -> QuantizedFilters:
    """Quantize weights to int8, and biases to int32, for inputs on a scale.

    Weights that are multiples of one number, as those of a quantized network, are represented exactly if 256 successive
    multiples include them. Other weights are rounded to 255 numbers, with 0 in the middle. The step size is chosen so
    that no sum of products and no bias can exceed MAX_SUM.
    """
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    sizes = np.abs(flat)
    biases = bias.reshape(len(weights), -1) / x_scale.step
    smallest = sizes.sum(1) * x_scale.max_distance / (MAX_SUM - flat.shape[1] * x_scale.max_distance / 2)
    smallest = np.maximum(smallest, np.abs(biases).max(1) / (MAX_SUM - 1))
    own_steps = _own_steps(flat, biases)
    steps = np.where(own_steps > smallest, own_steps, np.maximum(sizes.max(1) / INT8_MAX, smallest))
    steps[steps == 0] = 1.0
    multiples = np.rint(flat / steps[:, None])
    zeros = (INT8_MIN - multiples.min(1)).clip(0) + (INT8_MAX - multiples.max(1)).clip(None, 0)
    numbers = (multiples + zeros[:, None]).reshape(weights.shape)
    sum_steps = steps * x_scale.step
    whole = np.rint(bias / _along_filters(sum_steps, bias))
    return QuantizedFilters(numbers.astype(np.int8), zeros.astype(np.int8), whole.astype(np.int32), sum_steps)


def _along_filters(values: Array, array: Array) -> Array:
    """Return a number for each filter in a form that can be broadcast to an array of filters."""
    return values.reshape(-1, *(1,) * (array.ndim - 1))


def _own_steps(weights: Floats, bias: Array) -> Floats:
    """Return the smallest step that represents all weights of a filter exactly, for each filter; 0: none.

    A step that also represents the bias exactly is preferred.

    weights, bias   (filters, numbers of a filter)
    """
    steps = np.zeros(len(weights))
    has_exact = np.zeros(len(weights), bool)
    for number, filters in enumerate(weights):
        for step in grid_steps(filters):  # the largest first; smaller ones replace it
            is_exact = is_on_grid(bias[number], step, BIAS_TOLERANCE)
            if is_exact or not has_exact[number]:
                steps[number], has_exact[number] = step, is_exact
    return steps


def fixed_point(ratios: Floats) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Return 30-bit multipliers and shifts such that multiplier / 2^shift ≈ ratio."""
    exponents = np.frexp(ratios)[1]
    shifts = np.clip(MULTIPLIER_BITS - exponents, 1, 62)
    return np.rint(ratios * 2.0**shifts).clip(0, 2**31 - 1).astype(np.int32), shifts.astype(np.int8)


def rescale(
    sums: Floats, multipliers: NDArray[np.int32], shifts: NDArray[np.int8], scale: Int8Scale
) -> NDArray[np.int8]:
    """Convert sums (N, filters, …) to the scale of the result, with the same arithmetic as the C function `rescale`."""
    axes = (-1, *(1,) * (sums.ndim - 2))
    factors = multipliers.astype(np.int64).reshape(axes)
    shift = shifts.astype(np.int64).reshape(axes)
    rescaled = ((np.rint(sums).astype(np.int64) * factors + (np.int64(1) << (shift - 1))) >> shift) + scale.zero
    return np.clip(rescaled, -128, 127).astype(np.int8)
