"""Formulas: sums, products, quotients and powers of values and constants."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Shape
from chainrule.interop.assembly import permuted
from chainrule.interop.onnx.operator_call import Array, Call, Feature, for_one_sample
from chainrule.interop.onnx.operators.operator import Reader
from chainrule.interop.onnx.operators.resampling import expand

MAX_POWER = 8  # largest exponent for repeated multiplication


@dataclass(frozen=True)
class ScaledTerm:
    """A value in a formula: scale · x + shift. Operators and functions add layers, and return new terms.

    Constant factors and summands are collected, so that several of them become one layer.

    call   the node that the formula computes
    x      None for a constant, whose value is `shift`
    """

    call: Call
    x: Feature | None
    scale: Array | float = 1.0
    shift: Array | float = 0.0

    @property
    def feature(self) -> Feature:
        """Return the value with its constants applied; FormatError for a constant."""
        if self.x is None:
            raise self.call.unsupported("only constants", "a value that depends on the network's input")
        return scale_and_shift(self.call, self.x, np.asarray(self.scale), np.asarray(self.shift))

    def layer(self, kind: str, **options: Any) -> ScaledTerm:
        """Return the result of a layer. `kind` is the name of its class."""
        return ScaledTerm(self.call, self.call.layer(kind, self.feature, **options))

    def _joined(self, kind: str, other: ScaledTerm) -> ScaledTerm:
        return ScaledTerm(self.call, combine(self.call, kind, self.feature, other.feature))

    def _term(self, other: ScaledTerm | Array | float) -> ScaledTerm:
        return other if isinstance(other, ScaledTerm) else ScaledTerm(self.call, None, shift=other)

    def __add__(self, other: ScaledTerm | Array | float) -> ScaledTerm:
        """Return the sum: Add for two variables."""
        other = self._term(other)
        if self.x is not None and other.x is not None:
            return self._joined("Add", other)
        return replace(self if other.x is None else other, shift=self.shift + other.shift)

    def __mul__(self, other: ScaledTerm | Array | float) -> ScaledTerm:
        """Return the product: Multiply for two variables."""
        other = self._term(other)
        if self.x is not None and other.x is not None:
            return self._joined("Multiply", other)
        term, factor = (self, other.shift) if other.x is None else (other, self.shift)
        return replace(term, scale=term.scale * factor, shift=term.shift * factor if np.any(term.shift) else 0.0)

    def __neg__(self) -> ScaledTerm:
        """Return the negative."""
        return self * -1.0

    def __sub__(self, other: ScaledTerm | Array | float) -> ScaledTerm:
        """Return the difference."""
        return self + self._term(other) * -1.0

    def __rsub__(self, other: float) -> ScaledTerm:
        """Return a number minus the term."""
        return self._term(other) - self

    def __truediv__(self, other: ScaledTerm) -> ScaledTerm:
        """Return the quotient: a product with Reciprocal for a variable divisor."""
        if other.x is not None:
            return self * other.layer("Reciprocal")
        with np.errstate(divide="ignore"):
            return self * replace(other, shift=1 / np.asarray(other.shift))

    def __pow__(self, exponent: float) -> ScaledTerm:
        """Return a power."""
        if exponent < 0:
            return (self**-exponent).layer("Reciprocal")
        if exponent == 0.5:
            return self.layer("Sqrt")
        if exponent != int(exponent):
            return (self.layer("Log") * exponent).layer("Exp")
        if not 1 <= exponent <= MAX_POWER:
            raise self.call.unsupported(
                f"the exponent {exponent:g}", f"at most {MAX_POWER}, or a number that is not whole"
            )
        x = self.feature
        return ScaledTerm(self.call, x if exponent == 1 else self.call.layer("Multiply", *[x] * int(exponent)))


def terms(call: Call, count: int | None = None) -> list[ScaledTerm]:
    """Return the first inputs of a node; None for all. Truth values and integers become floats.

    Before opset 7, the attribute `axis` is the axis of the other input aligned with the first axis of a constant.
    """
    values = list[ScaledTerm]()
    for index in range(len(call.values) if count is None else count):
        value = call.values[index] if call.has_input(index) else call.constant(index)
        if isinstance(value, Feature):
            values.append(ScaledTerm(call, value))
            continue
        assert value is not None
        if call.opset < 7 and call.attribute("axis") and value.ndim:
            rank = len(call.feature(1 - index).shape)
            value = value.reshape(*value.shape, *[1] * max(rank - call.axis("axis", 0, rank) - value.ndim, 0))
        values.append(ScaledTerm(call, None, shift=value.astype(np.float64) if value.dtype.kind in "biu" else value))
    return values


def formula(count: int | None, text: str, compute: Callable[..., ScaledTerm]) -> Reader:
    """Return the reader of an operator that a formula of its inputs computes.

    count     number of inputs; None: any
    text      the layers of the formula, for the list of operators
    compute   function of the inputs, as terms
    """

    def read(call: Call) -> Feature:
        return compute(*terms(call, count)).feature

    read.__doc__ = f"Return {text}."
    return read


def unary(text: str, compute: Callable[[ScaledTerm], ScaledTerm]) -> Reader:
    """Return the reader of an operator with one input; see `formula`."""
    return formula(1, text, compute)


def binary(text: str, compute: Callable[[ScaledTerm, ScaledTerm], ScaledTerm]) -> Reader:
    """Return the reader of an operator with two inputs; see `formula`."""
    return formula(2, text, compute)


# ---------------------------------------------------------------------- products and sums with constants


def scale_and_shift(call: Call, x: Feature, scale: Array, shift: Array) -> Feature:
    """Return scale · x + shift, with constants that ONNX can broadcast to x or that x can be broadcast to.

    Two numbers become Rescaling. Constants by channel or along the last axis become a 1×1 depthwise convolution if the
    first constant of the node has the name of a layer's weights. All other constants become FixedAffine.
    """
    axes = max(scale.ndim, shift.ndim)
    value = x.with_axes(axes) if axes > len(x.shape) and x.batch == 1 else x
    factors, summands = (align_constant(call, constant, value) for constant in (scale, shift))
    shape = np.broadcast_shapes(value.node.shape, factors.shape, summands.shape)
    y = expand(call, value, tuple(map(int, shape)))
    if factors.size == summands.size == 1:
        return rescale(call, y, float(factors.reshape(())), float(summands.reshape(())))
    varying = {axis for array in (factors, summands) for axis, size in enumerate(array.shape) if size > 1}
    last = len(shape) - 1
    if varying == {0}:
        return _scale_and_shift_channels(call, y, factors, summands)
    if varying == {last}:  # so that permutations of axes can cancel
        rows = [constant.reshape(-1, *[1] * last) for constant in (factors, summands)]
        channels_first = y.with_node(permuted(y.node, [last, *range(last)]))
        scaled = _scale_and_shift_channels(call, channels_first, *rows)
        return y.with_node(permuted(scaled.node, [*range(1, last + 1), 0]))
    weights = {name: np.broadcast_to(constant, shape) for name, constant in (("w", factors), ("b", summands))}
    return y.with_node(call.assembly.apply_weighted("FixedAffine", y.node, {"per": "element"}, weights, ""))


def rescale(call: Call, x: Feature, scale: float, shift: float = 0.0) -> Feature:
    """Return scale · x + shift for two numbers."""
    return x if (scale, shift) == (1, 0) else call.layer("Rescaling", x, scale=scale, shift=shift)


def _scale_and_shift_channels(call: Call, x: Feature, factors: Array, summands: Array) -> Feature:
    """Return scale · x + shift for constants that vary along the first axis of a sample only."""
    scale, shift = (np.broadcast_to(value.reshape(-1), x.node.shape[:1]) for value in (factors, summands))
    if call.stem:
        return x.with_node(call.assembly.affine(x.node, scale, shift if shift.any() else None, call.stem))
    weights = {"w": scale, "b": shift}
    return x.with_node(call.assembly.apply_weighted("FixedAffine", x.node, {"per": "channel"}, weights, ""))


def align_constant(call: Call, value: Array, x: Feature) -> Array:
    """Return a constant with as many axes as a sample; FormatError unless it can be broadcast with the sample.

    A constant may have the batch axis if it is equal for all samples.
    """
    rank, problem = len(x.shape), f"a constant of shape {value.shape} with {x.shape}"
    if value.ndim > rank:
        raise call.unsupported(problem, f"at most {rank} axes")
    aligned = value.reshape((1,) * (rank - value.ndim) + value.shape)
    if any(size != axis and 1 not in (size, axis) for size, axis in zip(aligned.shape, x.shape, strict=True)):
        raise call.invalid(problem, "a constant that can be broadcast to it")
    if not aligned.size:
        raise call.unsupported(problem, "one element or more")
    samples = for_one_sample(aligned, x.shape) if x.batched else aligned[None]
    if len(samples) > 1:
        raise call.unsupported(problem, "a constant that is equal for all samples")
    return samples[0]


# ---------------------------------------------------------------------- two variables


def combine(call: Call, kind: str, a: Feature, b: Feature) -> Feature:
    """Return a layer with two inputs, such as Add, applied to values that are broadcast along axes of size 1."""
    a, b = _align_axes(call, a, b)
    shape = tuple(int(size) for size in np.broadcast_shapes(a.node.shape, b.node.shape))
    if a.node.shape == b.node.shape:
        return call.layer(kind, a, b)
    if shape not in (a.node.shape, b.node.shape):
        a = expand(call, a, shape)
    groups = _merged_axes(shape, a.node.shape, b.node.shape)
    if len(groups) <= 2:
        sizes = [[math.prod(value.node.shape[first:last]) for first, last in groups] for value in (a, b)]
        pair = [call.reshape(value, (*own, *[1] * (3 - len(own)))) for value, own in zip((a, b), sizes, strict=True)]
        return call.reshape(call.layer(kind, *pair), shape)
    return call.layer(kind, *(expand(call, value, shape) for value in (a, b)))


def _merged_axes(shape: Shape, *shapes: Shape) -> list[tuple[int, int]]:
    """Return the ranges of adjacent axes along which the same values are broadcast. Axes of size 1 fit any range."""
    groups: list[tuple[int, int]] = []
    previous: list[bool] | None = None
    for axis, size in enumerate(shape):
        broadcast = [own[axis] != size for own in shapes]
        if groups and (size == 1 or previous is None or broadcast == previous):
            groups[-1] = (groups[-1][0], axis + 1)
        else:
            groups.append((axis, axis + 1))
        previous = previous if size == 1 else broadcast
    return groups


def _align_axes(call: Call, a: Feature, b: Feature) -> tuple[Feature, Feature]:
    """Return two values with the same number of axes, and the batch axis in both or neither.

    As in NumPy, the value with fewer axes gets leading axes of size 1.
    """
    problem, rank = f"inputs of {a.shape} and {b.shape}", max(len(a.shape), len(b.shape))
    if call.open_batch and len(a.shape) != len(b.shape):  # the batch axis of one would be aligned with another axis
        raise call.unsupported(problem, "the same number of axes")
    sizes = itertools.zip_longest(a.shape[::-1], b.shape[::-1], fillvalue=1)
    if any(size != other_size and 1 not in (size, other_size) for size, other_size in sizes):
        raise call.invalid(problem, "sizes that are equal or 1")
    if a.batched == b.batched and len(a.shape) == len(b.shape):
        return a, b
    if a.batch != 1 or b.batch != 1 or call.opset < 7:
        raise call.unsupported(problem, "the same number of axes, and the same batch axis")
    first, second = a.with_axes(rank), b.with_axes(rank)
    return (first, second) if first.batched == second.batched else (first.as_sample(), second.as_sample())
