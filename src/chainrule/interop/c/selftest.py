"""The self-test of an exported program: a pattern as its input, and outputs that are recorded at export."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Floats
from chainrule.core.plan import Plan
from chainrule.data.normalization import BYTE, JointNormalization, Normalization
from chainrule.interop.c import channels_last, program
from chainrule.interop.c.calls import CCall
from chainrule.interop.c.networks import ExportedNetwork
from chainrule.interop.c.quantized import Quantized
from chainrule.interop.c.routines import float_literal
from chainrule.interop.c.streaming import Stream

if TYPE_CHECKING:
    from chainrule.models.model import Model

RECORDED = 16  # outputs that are recorded, at regular intervals
TOLERANCE, INT8_TOLERANCE = 1e-3, 2e-2  # accepted error, relative to the largest recorded output
SMALLEST = 1e-6  # the error is relative to at least this, if all recorded outputs are smaller
LEVELS = 3  # accepted error of integer outputs
FIRST = {"int8": 128}  # what is subtracted from the bytes of the pattern, by type of the input; 0 for other types


def pattern(count: int) -> NDArray[np.uint8]:
    """Return the bytes that templates/selftest.c generates: a linear congruential generator."""
    state = 1
    values = np.empty(count, np.uint8)
    for k in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        values[k] = state >> 24
    return values


def pattern_units(normalization: Normalization) -> Normalization:
    """Return the map from bytes to the range of the training data, or to about two standard deviations.

    All steps are powers of two that float32 can add to the values, which it thus represents exactly.
    """
    if normalization.parts:
        return JointNormalization.of({name: pattern_units(part) for name, part in normalization.parts.items()})
    if normalization.white:
        return Normalization("scale", 2.0 ** np.floor(np.log2(normalization.white / BYTE)))
    origin, gain = normalization.constants
    gain = np.where(gain == 0, 1, gain)
    low, high = (0, 1) if normalization.kind == "scale" else (-2, 2)
    first = low / gain + origin
    finest = np.maximum(np.abs(first) * 2.0**-23, np.finfo(np.float32).tiny)
    step = 2.0 ** np.maximum(np.floor(np.log2((high - low) / 256 / np.abs(gain))), np.ceil(np.log2(finest)))
    return Normalization("scale", tuple(step), tuple(-np.rint(first / step)))


def scaling_calls(network: ExportedNetwork) -> list[CCall]:
    """Return the calls that convert the pattern in the array `image` to the units of the training data, in place."""
    if network.io != "float":
        return []
    return program.normalization_calls(network.plan, pattern_units(network.model.normalization), {})


def values(network: ExportedNetwork) -> dict[str, Any]:
    """Return the values of the placeholders of templates/selftest.c."""
    int8 = network.int8
    first = FIRST.get(network.io, 0)
    are_integers = int8 is not None and network.io != "float"
    if network.streamed:
        expected = _expected_of_stream(network.model, network.streamed)
    elif int8 is None:
        expected = _expected(network.model)
    elif are_integers:
        expected = _expected_integers(network.model, int8, first)
    else:
        expected = int8.predict(_units(network.model)).reshape(-1)
    stride = math.ceil(expected.size / RECORDED)
    recorded = expected[::stride]
    literal = float_literal
    if are_integers:
        literal = str
        accepted = LEVELS
    else:
        largest = max(float(np.abs(recorded[np.isfinite(recorded)]).max(initial=0)), SMALLEST)
        accepted = (TOLERANCE if int8 is None else INT8_TOLERANCE) * largest
    return {
        "first": first,
        "recorded": ", ".join(map(literal, recorded.tolist())),
        "count": recorded.size,
        "stride": stride,
        "tolerance": float_literal(accepted),
    }


def _units(model: Model) -> Floats:
    """Return the pattern as a sample (1, …) in the units of the training data."""
    plan = model.plan()
    numbers = pattern(plan.input.size).astype(np.float64)
    return _scaled(numbers, plan, pattern_units(model.normalization)).reshape(1, *model.input_shape)


def _expected(model: Model) -> Array:
    """Return the outputs for the pattern."""
    x = _units(model)
    normalized = _scaled(x.reshape(-1), model.plan(), model.normalization)
    return model.apply(normalized.reshape(x.shape)).reshape(-1)


def _expected_integers(model: Model, int8: Quantized, first: int) -> Array:
    """Return the outputs for the pattern as integers, in the order of the C program.

    first   what the program subtracts from the bytes of the pattern
    """
    numbers = pattern(model.plan().input.size).astype(np.float64)
    step, zero = int8.input_scale
    pixels = step * (numbers - first - zero)
    x = np.moveaxis(pixels.reshape(1, *channels_last.rotated(model.input_shape)), -1, 1)
    step, zero = int8.output_scale
    outputs = int8.predict(x.astype(np.float32)).reshape(-1)[channels_last.order(model.output_shape)]
    return np.rint(outputs / step + zero).astype(np.int64)


def _expected_of_stream(model: Model, streamed: Stream) -> Array:
    """Return the outputs of the last call of a stream, whose samples are the pattern."""
    numbers = pattern(streamed.plan.input.size * streamed.calls).astype(np.float64)
    signal = streamed.signal(numbers)
    for normalization in (pattern_units(model.normalization), model.normalization):
        origin, gain = normalization.constants
        signal = (signal - origin.reshape(-1, 1)) * gain.reshape(-1, 1)
    return streamed.outputs(model, signal).reshape(-1)


def _scaled(values: Floats, plan: Plan, normalization: Normalization) -> Floats:
    """Return one packed sample (F,), normalized in float64."""
    result = values.copy()
    for part, first, size in program.input_parts(plan, normalization):
        origin, gain = part.constants
        channels = values[first : first + size].reshape(gain.size, -1)
        result[first : first + size] = ((channels - origin[:, None]) * gain[:, None]).reshape(-1)
    return result
