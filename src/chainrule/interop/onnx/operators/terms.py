"""Formulas: sums, products, quotients and powers of values and constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.core.arrays import Array
from chainrule.interop.onnx.operator_call import Call, Feature, for_one_sample
from chainrule.interop.onnx.operators.moved_elements import repeated
from chainrule.interop.onnx.operators.operator import Reader
from chainrule.layers.node import ordered

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

    def layer(self, kind: str, **options: object) -> ScaledTerm:
        """Return the result of a layer. `kind` is the name of its class."""
        return ScaledTerm(self.call, self.call.layer(kind, self.feature, **options))

    def equals(self, other: ScaledTerm | Array | float) -> ScaledTerm:
        """Return 1 where both values are equal, else 0."""
        return self.exactly("Compare", other, by="equal")

    def exactly(self, kind: str, *others: ScaledTerm | Array | float, **options: object) -> ScaledTerm:
        """Return a layer of several values; some may be constants."""
        values = [self, *map(self._term, others)]
        like = next(term.feature for term in values if term.x is not None)
        features: list[Feature] = []
        for term in values:
            if term.x is None:
                features.append(constant(self.call, np.asarray(term.shift), like))
            else:
                features.append(term.feature)
        return ScaledTerm(self.call, combine(self.call, kind, *features, **options))

    def _term(self, other: ScaledTerm | Array | float) -> ScaledTerm:
        if isinstance(other, ScaledTerm):
            return other
        return ScaledTerm(self.call, None, shift=other)

    def __add__(self, other: ScaledTerm | Array | float) -> ScaledTerm:
        """Return the sum: Add for two variables."""
        other = self._term(other)
        if self.x is not None and other.x is not None:
            return self.exactly("Add", other)
        return replace(self if other.x is None else other, shift=self.shift + other.shift)

    def __mul__(self, other: ScaledTerm | Array | float) -> ScaledTerm:
        """Return the product: Multiply for two variables."""
        other = self._term(other)
        if self.x is not None and other.x is not None:
            return self.exactly("Multiply", other)
        term = self
        factor = other.shift
        if other.x is not None:
            term = other
            factor = self.shift
        shift: Array | float = 0.0
        if np.any(term.shift):
            shift = term.shift * factor
        return replace(term, scale=term.scale * factor, shift=shift)

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
        if exponent > 1:
            x = self.call.layer("Multiply", *[x] * int(exponent))
        return ScaledTerm(self.call, x)


def terms(call: Call, count: int | None = None) -> list[ScaledTerm]:
    """Return the first inputs of a node; None for all. Truth values and integers become floats.

    A constant with the name of a parameter, such as block.alpha, becomes a layer of this name, which can be loaded.
    """
    if count is None:
        count = len(call.values)
    inputs: list[ScaledTerm] = []
    for index in range(count):
        value = call.values[index] if call.has_input(index) else None
        if isinstance(value, Feature):
            inputs.append(ScaledTerm(call, value))
            continue
        number = call.constant(index)
        name = call.name_of(index)
        if name in call.assembly.parameters:
            parameter = constant(call, number, call.feature(call.first_feature), name)
            inputs.append(ScaledTerm(call, parameter))
            continue
        if number.dtype.kind in "biu":
            number = number.astype(np.float64)
        inputs.append(ScaledTerm(call, None, shift=number))
    return inputs


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
    if axes > len(x.shape) and x.batch == 1:
        x = x.with_axes(axes)
    factors = align_constant(call, scale, x)
    summands = align_constant(call, shift, x)
    shape = np.broadcast_shapes(x.node.shape, factors.shape, summands.shape)
    y = repeated(call, x, tuple(map(int, shape)))
    if factors.size == summands.size == 1 and np.isfinite(summands).all():
        return rescale(call, y, float(factors.item()), float(summands.item()))
    longer = np.broadcast_shapes(factors.shape, summands.shape)
    varying = [axis for axis, size in enumerate(longer) if size > 1]
    last = len(shape) - 1
    if varying in ([], [0]):
        return _scale_and_shift_channels(call, y, factors, summands)
    if varying == [last]:  # so that permutations of axes can cancel
        channels_first = y.permuted([last, *range(last)])
        scaled = _scale_and_shift_channels(call, channels_first, factors, summands)
        return scaled.permuted([*range(1, last + 1), 0])
    weights = {"w": np.broadcast_to(factors, shape), "b": np.broadcast_to(summands, shape)}
    return y.with_node(call.assembly.apply_weighted("FixedAffine", y.node, {"per": "element"}, weights, None))


def rescale(call: Call, x: Feature, scale: float, shift: float = 0.0) -> Feature:
    """Return scale · x + shift for two numbers."""
    if (scale, shift) == (1, 0):
        return x
    return call.layer("Rescaling", x, scale=scale, shift=shift)


def _scale_and_shift_channels(call: Call, x: Feature, factors: Array, summands: Array) -> Feature:
    """Return scale · x + shift for constants that vary along the first axis of a sample only."""
    channels = x.node.shape[:1]
    scale = np.broadcast_to(factors.reshape(-1), channels)
    shift = np.broadcast_to(summands.reshape(-1), channels)
    name = call.weighted_layer_name
    if name is not None:
        return x.with_node(call.assembly.affine(x.node, scale, shift if shift.any() else None, name))
    weights = {"w": scale, "b": shift}
    return x.with_node(call.assembly.apply_weighted("FixedAffine", x.node, {"per": "channel"}, weights, None))


def align_constant(call: Call, value: Array, x: Feature) -> Array:
    """Return a constant with as many axes as a sample; FormatError unless it can be broadcast with the sample.

    A constant may have the batch axis if it is equal for all samples.
    """
    rank = len(x.shape)
    problem = f"a constant of shape {value.shape} with {x.shape}"
    if value.ndim > rank:
        raise call.unsupported(problem, f"at most {rank} axes")
    aligned = value.reshape((1,) * (rank - value.ndim) + value.shape)
    for size, own_size in zip(aligned.shape, x.shape, strict=True):
        if size != own_size and 1 not in (size, own_size):
            raise call.invalid(problem, "a constant that can be broadcast to it")
    if not aligned.size:
        raise call.unsupported(problem, "one element or more")
    return sample_of(call, aligned, x)


def sample_of(call: Call, value: Array, x: Feature) -> Array:
    """Return a constant without the batch axis, if x has it; FormatError unless it is equal for all samples."""
    samples = for_one_sample(value, x.shape) if x.batched else value[None]
    if len(samples) > 1:
        problem = f"a constant of shape {value.shape} with {x.shape}"
        raise call.unsupported(problem, "a constant that is equal for all samples")
    return samples[0]


def constant(call: Call, value: Array, like: Feature, name: str | None = None) -> Feature:
    """Return a constant as a value with the axes of another, along which it can be broadcast.

    name   name of the constant in the file, if it is that of a parameter
    """
    if value.ndim > len(like.shape) and like.batch == 1:
        like = like.with_axes(value.ndim)
    return fixed_value(call, align_constant(call, value, like), like, name)


def fixed_value(call: Call, aligned: Array, like: Feature, name: str | None = None) -> Feature:
    """Return a constant without the batch axis as a value that is batched like another."""
    x = next(node for node in ordered(like.node) if node.layer is None)
    source = None if name is None else (name,)
    weights = {"b": aligned}
    return like.with_node(
        call.assembly.apply_weighted("FixedValue", x, {"shape": aligned.shape}, weights, name, source)
    )


# ---------------------------------------------------------------------- several variables


def combine(call: Call, kind: str, *values: Feature, **options: object) -> Feature:
    """Return a layer with several inputs, such as Add, which repeats values along axes of size 1."""
    return call.layer(kind, *_align_axes(call, *values), **options)


def _align_axes(call: Call, *values: Feature) -> list[Feature]:
    """Return values with the same number of axes, and the batch axis in all or none.

    As in NumPy, values with fewer axes get leading axes of size 1.
    """
    shapes = [value.shape for value in values]
    problem = f"inputs of {' and '.join(map(str, shapes))}"
    ranks = {*map(len, shapes)}
    if call.open_batch and len(ranks) > 1:  # the batch axis of one would be aligned with another axis
        raise call.unsupported(problem, "the same number of axes")
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise call.invalid(problem, "sizes that are equal or 1") from None
    if len(ranks) == 1 and _are_alike(values):
        return [*values]
    if values[0].batch != 1:
        raise call.unsupported(problem, "the same number of axes, and the same batch axis")
    aligned = [value.with_axes(max(ranks)) for value in values]
    if _are_alike(aligned):
        return aligned
    return [value.as_sample() for value in aligned]


def _are_alike(values: Sequence[Feature]) -> bool:
    """Return whether all values have a batch axis, or none."""
    return len({value.batched for value in values}) == 1
