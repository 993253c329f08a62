"""Products and sums of values with constants."""

import numpy as np

from chainrule.interop.assembly import permuted
from chainrule.interop.onnx.operator_call import Array, Call, Feature, for_one_sample
from chainrule.interop.onnx.operators.resampling import expand

ONE = np.array(1.0)


def scale_and_shift(call: Call, x: Feature, scale: Array, shift: Array | None = None) -> Feature:
    """Return scale · x + shift, with constants that ONNX can broadcast to x or that x can be broadcast to.

    Two numbers become Rescaling. Constants by channel or along the last axis become a 1×1 depthwise convolution if the
    first constant of the node has the name of a layer's weights. All other constants become FixedAffine.
    """
    shift = np.array(0.0) if shift is None else shift
    axes = max(scale.ndim, shift.ndim)
    if axes > len(x.shape) and x.batch == 1:
        x = x.with_axes(axes)
    factors, terms = (_align_constant(call, value, x) for value in (scale, shift))
    shape = np.broadcast_shapes(x.node.shape, factors.shape, terms.shape)
    x = expand(call, x, tuple(map(int, shape)))
    if factors.size == terms.size == 1:
        return rescale(call, x, float(factors.reshape(())), float(terms.reshape(())))
    varying = {axis for value in (factors, terms) for axis, size in enumerate(value.shape) if size > 1}
    if varying == {len(shape) - 1} and len(shape) > 1:  # so that permutations of axes can cancel
        rows = [value.reshape(-1, *[1] * (len(shape) - 1)) for value in (factors, terms)]
        first = x.with_node(permuted(x.node, [len(shape) - 1, *range(len(shape) - 1)]))
        y = _scale_and_shift_channels(call, first, *rows)
        return x.with_node(permuted(y.node, [*range(1, len(shape)), 0]))
    if varying == {0}:
        return _scale_and_shift_channels(call, x, factors, terms)
    weights = {name: np.broadcast_to(value, shape) for name, value in (("w", factors), ("b", terms))}
    return x.with_node(call.assembly.apply_weighted("FixedAffine", x.node, {"per": "element"}, weights, ""))


def rescale(call: Call, x: Feature, scale: float, shift: float = 0.0) -> Feature:
    """Return scale · x + shift for two numbers."""
    return x if (scale, shift) == (1, 0) else call.layer("Rescaling", x, scale=scale, shift=shift)


def _scale_and_shift_channels(call: Call, x: Feature, factors: Array, terms: Array) -> Feature:
    """Return scale · x + shift for constants that vary along the first axis of a sample only."""
    scale, shift = (np.broadcast_to(value.reshape(-1), x.node.shape[:1]) for value in (factors, terms))
    if call.stem:
        return x.with_node(call.assembly.affine(x.node, scale, shift if shift.any() else None, call.stem))
    weights = {"w": scale, "b": shift}
    return x.with_node(call.assembly.apply_weighted("FixedAffine", x.node, {"per": "channel"}, weights, ""))


def _align_constant(call: Call, value: Array, x: Feature) -> Array:
    """Return a constant with as many axes as a sample; FormatError unless it can be broadcast with the sample.

    A constant may have the batch axis if it is equal for all samples.
    """
    rank, problem = len(x.shape), f"a constant of shape {value.shape} with {x.shape}"
    if value.ndim > rank:
        raise call.unsupported(problem, f"at most {rank} axes")
    aligned = value.reshape((1,) * (rank - value.ndim) + value.shape)
    if any(size != axis and 1 not in (size, axis) for size, axis in zip(aligned.shape, x.shape, strict=True)):
        raise call.invalid(problem, "a constant that can be broadcast to it")
    if 0 in aligned.shape:
        raise call.unsupported(problem, "one element or more")
    if not x.batched:
        return aligned
    aligned = for_one_sample(aligned, x.shape)
    if len(aligned) > 1:
        raise call.unsupported(problem, "a constant that is equal for all samples")
    return aligned[0]
