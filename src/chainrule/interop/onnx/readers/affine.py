"""Multiplication by constants and addition of constants, as a convolution with a kernel of 1×1 for each channel."""

import numpy as np

from chainrule.interop.assembly import first_last, last_first
from chainrule.interop.onnx.call import Array, Call, Feature, for_one_sample


def scaled(call: Call, x: Feature, scale: Array, shift: Array | None = None) -> Feature:
    """Return scale · x + shift.

    Each is one number or one for every channel, and shift may have an entry for every value of a sample; both as ONNX
    aligns them, by their last axes. They may have one for every entry of the last axis too.
    """
    axes = max(scale.ndim, 0 if shift is None else shift.ndim)
    if axes > len(x.shape) and x.batch == 1:
        x = x.with_axes(axes)
    shape, rank, affine = x.node.shape, len(x.node.shape), call.assembly.affine
    factors = _aligned(call, scale, x)
    terms = None if shift is None else _aligned(call, shift, x)
    given = [factors] if terms is None else [factors, terms]
    if rank > 1 and {_varying(each) for each in given} in ({rank - 1}, {None, rank - 1}):
        rows = [np.broadcast_to(each, (*each.shape[:-1], shape[-1])).reshape(-1) for each in given]
        return x.at(first_last(affine(last_first(x.node), *rows, stem=call.stem), shape))
    if any(size != 1 for size in factors.shape[1:]):
        raise call.refusal(f"a factor of shape {scale.shape}", f"one number, or one for each of {shape[0]} channels")
    factors = np.broadcast_to(factors, (shape[0], *factors.shape[1:]))
    if terms is not None:
        whole = any(size != 1 for size in terms.shape[1:])
        terms = np.broadcast_to(terms, shape if whole else (shape[0], *terms.shape[1:]))
    return x.at(affine(x.node, factors, terms, call.stem))


def _varying(value: Array) -> int | None:
    """Return the last axis along which a constant varies if it is the only one, −1 if there are several, else None."""
    axes = [axis for axis, size in enumerate(value.shape) if size > 1]
    return None if not axes else axes[0] if len(axes) == 1 else -1


def _aligned(call: Call, value: Array, x: Feature) -> Array:
    """Return a constant with as many axes as a sample has; FormatError unless its sizes are 1 or the sample's.

    A constant may have the batch axis if it is the same for all samples.
    """
    rank, found = len(x.shape), f"a constant of shape {value.shape} with {x.shape}"
    if value.ndim > rank:
        raise call.refusal(found, f"at most {rank} axes")
    aligned = value.reshape((1,) * (rank - value.ndim) + value.shape)
    if any(size != axis and 1 not in (size, axis) for size, axis in zip(aligned.shape, x.shape, strict=True)):
        raise call.mismatch(found, "one that fits")
    if x.batched:
        aligned = for_one_sample(aligned, x.shape)
        if len(aligned) > 1:
            raise call.refusal(found, "one that is the same for all samples")
        aligned = aligned[0]
    if any(size not in (1, axis) for size, axis in zip(aligned.shape, x.node.shape, strict=True)):
        raise call.refusal(found, "one that fits")
    return aligned
