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
from chainrule.interop.c.quantized import Quantized
from chainrule.interop.c.routines import float_literal
from chainrule.interop.c.streaming import Stream

if TYPE_CHECKING:
    from chainrule.models.model import Model

RECORDED = 16  # outputs that are recorded, at regular intervals
TOLERANCE = {"float": 1e-3, "int8": 2e-2}  # accepted error, relative to the largest recorded output
LEVELS = 3  # accepted error of integer outputs


def pattern(count: int) -> NDArray[np.uint8]:
    """Return the bytes that templates/selftest.c generates: a linear congruential generator."""
    state, values = 1, np.empty(count, np.uint8)
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


def scaling_calls(model: Model, int8: Quantized | None, plan: Plan) -> list[CCall]:
    """Return the calls that convert the pattern in the array `image` to the units of the training data, in place."""
    if int8 is not None and int8.io != "float":
        return []
    return program.normalization_calls(plan, pattern_units(model.normalization), {})


def values(model: Model, int8: Quantized | None, streamed: Stream | None) -> dict[str, Any]:
    """Return the values of the placeholders of templates/selftest.c."""
    expected = _expected_of_stream(model, streamed) if streamed else _expected(model, int8)
    stride = math.ceil(expected.size / RECORDED)
    recorded = expected[::stride]
    is_integer = expected.dtype.kind == "i"
    largest = max(float(np.abs(recorded[np.isfinite(recorded)]).max(initial=0)), 1e-6)
    tolerance = LEVELS if is_integer else largest * TOLERANCE["int8" if int8 else "float"]
    return {
        "first": 128 if int8 is not None and int8.io == "int8" else 0,
        "recorded": ", ".join(map(str if is_integer else float_literal, recorded.tolist())),
        "count": recorded.size,
        "stride": stride,
        "tolerance": float_literal(tolerance),
    }


def _expected(model: Model, int8: Quantized | None) -> Array:
    """Return the outputs for the pattern, in the order of the C program."""
    plan, shape, values = model.plan(), model.input_shape, pattern(model.plan().input.size).astype(np.float64)
    if int8 is not None and int8.io != "float":
        step, zero = int8.input_scale
        pixels = step * (values - (128 if int8.io == "int8" else 0) - zero)
        x = np.moveaxis(pixels.reshape(1, *channels_last.rotated(shape)), -1, 1)
        step, zero = int8.output_scale
        outputs = int8.predict(x.astype(np.float32)).reshape(-1)[channels_last.order(model.output_shape)]
        return np.rint(outputs / step + zero).astype(np.int64)
    x = _scaled(values, plan, pattern_units(model.normalization))
    if int8 is not None:
        return int8.predict(x.reshape(1, *shape)).reshape(-1)
    return model.apply(_scaled(x, plan, model.normalization).reshape(1, *shape)).reshape(-1)


def _expected_of_stream(model: Model, streamed: Stream) -> Array:
    """Return the outputs of the last call of a stream, whose samples are the pattern."""
    plan = streamed.plan
    numbers = pattern(plan.input.size * streamed.calls).astype(np.float64)
    origin, gain = pattern_units(model.normalization).constants
    signal = streamed.signal(numbers)
    units = (signal - origin.reshape(-1, 1)) * gain.reshape(-1, 1)
    origin, gain = model.normalization.constants
    normalized = (units - origin.reshape(-1, 1)) * gain.reshape(-1, 1)
    return streamed.outputs(model, normalized).reshape(-1)


def _scaled(values: Floats, plan: Plan, normalization: Normalization) -> Floats:
    """Return one packed sample (F,), normalized in float64."""
    result = values.copy()
    for part, first, size in program.input_parts(plan, normalization):
        origin, gain = part.constants
        channels = values[first : first + size].reshape(gain.size, -1)
        result[first : first + size] = ((channels - origin[:, None]) * gain[:, None]).reshape(-1)
    return result
