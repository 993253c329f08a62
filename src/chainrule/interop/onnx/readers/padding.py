"""Padding: with zeros, with another number, or with entries of the image."""

import itertools
from typing import Any, cast

import numpy as np

from chainrule.core.shapes import Pair
from chainrule.interop.onnx.call import Array, Call, Feature
from chainrule.interop.onnx.readers.affine import scaled
from chainrule.interop.onnx.readers.moving import part
from chainrule.interop.onnx.readers.windows import image, lowered

REPEATED = ("edge", "reflect", "wrap")  # modes of ONNX, and of numpy.pad
MOST_PARTS = 128  # that an axis is put together of


def pad(call: Call) -> Feature:
    """Return Pad2D, Crop2D for negative numbers, and Concatenate of Slices for entries that are repeated."""
    x = call.samples()
    ends, mode, value = _ends(call, len(x.shape)), call.text("mode", "constant"), _value(call)
    if not any(map(any, ends)):
        return x
    if any(ends[0]):
        raise call.refusal(f"pads {ends[0]} of the batch axis", "axes of a sample alone")
    if mode in REPEATED:
        for axis, (before, after) in enumerate(ends):
            x = _repeated(call, x, axis, mode, before, after)
        return x
    if mode != "constant" or not np.isfinite(value):
        raise call.refusal(f"mode {mode!r}, value {value}", f"a finite number, or one of {', '.join(REPEATED)}")
    if any(ends[1]) or len(ends) not in (3, 4):
        raise call.refusal(f"pads {ends} of {len(ends)} axes", "around the positions of (N, C, H, W) or (N, C, W)")
    y = _with_zeros(call, x, ends)
    if not value:
        return y
    kept = [size + sum(min(end, 0) for end in pair) for size, pair in zip(x.shape, ends, strict=True)]
    added = [tuple(max(end, 0) for end in pair) for pair in ends]
    border = np.pad(np.zeros((1, *kept[1:])), added, constant_values=value)
    return scaled(call, y, np.array(1.0), border)


def _with_zeros(call: Call, x: Feature, ends: list[Pair]) -> Feature:
    """Return an image with zeros around it, or without what negative numbers cut off."""
    sides = ((0, 0),) * (4 - len(ends)) + tuple(ends[2:])
    y = image(call, x)
    for kind, option, sign in (("Crop2D", "cropping", -1), ("Pad2D", "padding", 1)):
        amounts = tuple(tuple(max(sign * end, 0) for end in side) for side in sides)
        y = call.layer(kind, y, **{option: amounts}) if any(map(any, amounts)) else y
    return lowered(call, y, x)


def _repeated(call: Call, x: Feature, axis: int, mode: str, before: int, after: int) -> Feature:
    """Return a value with entries of an axis, counted with the batch axis, repeated at its ends."""
    if (before, after) == (0, 0):
        return x
    size = x.shape[axis]
    if min(before, after) < 0 or before + after > MOST_PARTS or (mode == "reflect" and size == 1):
        raise call.refusal(f"pads {before}, {after} of an axis of {size}, mode {mode!r}", f"0 to {MOST_PARTS} entries")
    entries: list[int] = np.asarray(np.pad(np.arange(size), (before, after), cast("Any", mode))).tolist()
    starts = [0, *(at for at in range(1, len(entries)) if entries[at] != entries[at - 1] + 1), len(entries)]
    runs = [(entries[start], entries[stop - 1] + 1) for start, stop in itertools.pairwise(starts)]
    return call.layer("Concatenate", *(part(call, x, axis, *run) for run in runs), axis=axis - 1)


def _ends(call: Call, rank: int) -> list[Pair]:
    """Return how many entries are added before and after each axis; a negative number of them is cut off."""
    pads = call.listed("pads", 1, 11) or call.integers("paddings", [])
    axes = call.whole_numbers(3) if call.opset >= 18 and call.has(3) else [*range(rank)]
    if len(pads) != 2 * len(axes):
        raise call.refusal(f"pads {pads}", f"{2 * len(axes)} numbers")
    ends = [(0, 0)] * rank
    for place, axis in enumerate(axes):
        ends[call.axis_in(axis, rank)] = (pads[place], pads[place + len(axes)])
    return ends


def _value(call: Call) -> float:
    if call.opset < 11:
        return call.real("value", 0.0)
    given: Array | None = call.constant(2) if call.has(2) else None
    return float(given.reshape(-1)[0]) if given is not None and given.size else 0.0


OPERATORS = {"Pad": pad}
