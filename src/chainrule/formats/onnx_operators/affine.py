"""Multiplication by constants and addition of constants, as a convolution with a kernel of 1×1 for each channel."""

import numpy as np

from chainrule.formats.onnx_call import Array, Call, Feature


def scaled(call: Call, x: Feature, scale: Array, shift: Array | None = None) -> Feature:
    """Return scale · x + shift.

    Each is one number or one for every channel, and shift may have an entry for every value of a sample; both as ONNX
    aligns them, by their last axes.
    """
    entries = None if shift is None else _spread(call, shift, x, whole=True)
    return Feature(call.assembly.affine(x.node, _spread(call, scale, x, whole=False), entries, call.stem), x.batch)


def _spread(call: Call, value: Array, x: Feature, *, whole: bool) -> Array:
    """Return a constant with an entry for every channel, (C, 1, …); or, if it differs within one, for every value."""
    shape = x.node.shape
    aligned = value.reshape((1,) * (len(x.shape) - value.ndim) + value.shape) if value.ndim <= len(x.shape) else value
    if aligned.ndim != len(x.shape) or aligned.shape[0] != 1:
        raise call.refusal(f"a constant of shape {value.shape} with {x.shape}", "one that is the same for all samples")
    entry = aligned[0]
    if any(size not in (1, axis) for size, axis in zip(entry.shape, shape, strict=True)):
        raise call.refusal(f"a constant of shape {value.shape} with {x.shape}", "one that fits")
    if all(size == 1 for size in entry.shape[1:]):
        return np.broadcast_to(entry, (shape[0], *entry.shape[1:]))
    if not whole:
        raise call.refusal(f"a factor of shape {value.shape}", f"one number, or one for each of {shape[0]} channels")
    return np.broadcast_to(entry, shape)
