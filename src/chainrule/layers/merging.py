"""Layers that join several branches of a network, and `Slice`, which splits a tensor into branches."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import is_repeatable, text
from chainrule.errors import OptionError, ShapeError
from chainrule.layers.base import Layer, Shape, check_choice, check_whole, example
from chainrule.layers.peers import Peer, Peers

__all__ = ["Add", "Compare", "Concatenate", "Maximum", "Minimum", "Multiply", "Slice", "Where"]


@dataclass(frozen=True)
class Merge(Layer):
    """Base class of layers with two or more inputs. The operation `kind` combines two tensors of the same shape.

    count   number of inputs; 0: two or more
    """

    count: ClassVar[int] = 0

    def joint_shape(self, shapes: Sequence[Shape], name: str) -> Shape:
        """Return the output shape; raise OptionError for fewer than two inputs, ShapeError for incompatible shapes."""
        if len(shapes) < 2:
            raise OptionError(f"{name}: {self.describe()} takes two inputs or more, found {len(shapes)}")
        return self.merged_shape(shapes, name)

    def merged_shape(self, shapes: Sequence[Shape], name: str) -> Shape:
        """Return the common shape after broadcasting."""
        if self.count and len(shapes) != self.count:
            raise OptionError(f"{name}: {self.describe()} takes {self.count} inputs, found {len(shapes)}")
        whole = tuple(map(max, zip_longest(*shapes, fillvalue=1)))
        for shape in shapes:
            if not is_repeatable(shape, whole):
                both = " and ".join(map(text, shapes))
                raise ShapeError(
                    f"{type(self).__name__} {name!r}: {both} do not fit; expected equal sizes, or 1, along each axis"
                )
        return whole

    def joint_emit(self, builder: Builder, inputs: Sequence[Tensor]) -> Tensor:
        """Broadcast all inputs to one shape and combine them in order. Emit the gradients in reverse order."""
        shape = self.merged_shape([source.shape for source in inputs], builder.layer)
        fitted = [_repeat(builder, source, shape, number) for number, source in enumerate(inputs, 1)]
        y = self.combined(builder, fitted, shape)
        for x, repeated in zip(inputs, fitted, strict=True):
            if x is not repeated:
                builder.backward("broadcast_dx", (repeated.gradient(),), (x.gradient(),), shape=x.shape)
        return y

    def combined(self, builder: Builder, inputs: Sequence[Tensor], shape: Shape) -> Tensor:
        """Emit the combination of inputs of the same shape, and its gradients."""
        total, *others = inputs
        pairs = list[tuple[Tensor, Tensor, Tensor]]()
        for number, other in enumerate(others, 2):
            y = builder.activation("y" if number == len(inputs) else f"y{number}", shape)
            builder.forward(self.kind, (total, other), (y,))
            pairs.append((total, other, y))
            total = y
        for a, b, y in reversed(pairs):
            self.emit_gradients(builder, a, b, y)
        return total

    def emit_gradients(self, builder: Builder, a: Tensor, b: Tensor, y: Tensor) -> None:
        """Emit the gradients with respect to a and b for y = kind(a, b), from the gradient with respect to y."""
        raise NotImplementedError


def _repeat(builder: Builder, x: Tensor, shape: Shape, number: int) -> Tensor:
    """Return x, repeated along axes of size 1. `number` makes the name of the result unique."""
    if x.shape == shape:
        return x
    y = builder.activation(f"repeated{number}", shape)
    builder.forward("broadcast", (x,), (y,), shape=shape)
    return y


@dataclass(frozen=True)
class Add(Merge):
    """Sum of the inputs, as in a residual connection.

    y = x_1 + x_2 + …,  dx_k = dy

    Shapes   equal for all inputs, or 1 along axes that are repeated: (C, 1, 1) fits (C, H, W)
    Errors   ShapeError when the shapes are incompatible
    Source   He et al. 2015; reference/merging.py
    """

    kind: ClassVar[str] = "add"
    peers = Peers(keras=Peer("Add"), torch=Peer("add"))

    def emit_gradients(self, builder: Builder, a: Tensor, b: Tensor, y: Tensor) -> None:
        """Emit dy as the gradient of both inputs."""
        for term in (b, a):
            builder.backward("add_dx", (y.gradient(),), (term.gradient(),))


@dataclass(frozen=True)
class Multiply(Merge):
    """Element-wise product of the inputs, as in a gate.

    y = x_1 · x_2 · …;  for two inputs, dx_1 = dy · x_2 and dx_2 = dy · x_1

    Shapes   equal for all inputs, or 1 along axes that are repeated: (C, 1, 1) fits (C, H, W)
    Errors   ShapeError when the shapes are incompatible
    Source   Hu et al. 2017; reference/merging.py
    """

    kind: ClassVar[str] = "multiply"
    peers = Peers(keras=Peer("Multiply"), torch=Peer("mul"))

    def emit_gradients(self, builder: Builder, a: Tensor, b: Tensor, y: Tensor) -> None:
        """Emit da = dy · b and db = dy · a."""
        builder.backward("multiply", (y.gradient(), a), (b.gradient(),))
        builder.backward("multiply", (y.gradient(), b), (a.gradient(),))


@dataclass(frozen=True)
class Maximum(Merge):
    """Largest of the inputs at every position; NaN propagates.

    y = max(x_1, x_2, …);  for two inputs, dx_1 is dy where x_1 > x_2, dy/2 where they are equal, and 0 elsewhere

    Shapes   the same; (C, 1, 1) and (1, H, W) are broadcast to (C, H, W)
    Errors   ShapeError when the shapes are incompatible
    Source   Goodfellow et al. 2013; reference/merging.py
    """

    kind: ClassVar[str] = "maximum"
    peers = Peers(keras=Peer("Maximum"), torch=Peer("maximum"))

    def emit_gradients(self, builder: Builder, a: Tensor, b: Tensor, y: Tensor) -> None:
        """Emit the gradients of the larger input at each position; equal inputs share the gradient."""
        builder.backward("maximum_dx", (y.gradient(), a, b), (a.gradient(),))
        builder.backward("maximum_dx", (y.gradient(), b, a), (b.gradient(),))


@dataclass(frozen=True)
class Minimum(Merge):
    """Smallest of the inputs at every position; NaN propagates.

    y = min(x_1, x_2, …);  for two inputs, dx_1 is dy where x_1 < x_2, dy/2 where they are equal, and 0 elsewhere

    Shapes   the same; (C, 1, 1) and (1, H, W) are broadcast to (C, H, W)
    Errors   ShapeError when the shapes are incompatible
    Source   reference/merging.py
    """

    kind: ClassVar[str] = "minimum"
    peers = Peers(keras=Peer("Minimum"), torch=Peer("minimum"))

    def emit_gradients(self, builder: Builder, a: Tensor, b: Tensor, y: Tensor) -> None:
        """Emit the gradients of the smaller input at each position: that of a maximum with its inputs exchanged."""
        builder.backward("maximum_dx", (y.gradient(), b, a), (a.gradient(),))
        builder.backward("maximum_dx", (y.gradient(), a, b), (b.gradient(),))


@dataclass(frozen=True)
class Compare(Merge):
    """Comparison of two inputs at every position: 1 where it is true, else 0. Its gradient is 0.

    by   "greater": whether the first is greater than the second; "equal": whether they are equal

    A comparison with NaN is 0. For a ≥ b, add both comparisons.

    Shapes   the same; (C, 1, 1) and (1, H, W) are broadcast to (C, H, W)
    Errors   ShapeError when the shapes are incompatible
    Source   reference/merging.py
    """

    by: str = "greater"

    kind: ClassVar[str] = "compare"
    count: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, "by", self.by, ("greater", "equal"))

    def combined(self, builder: Builder, inputs: Sequence[Tensor], shape: Shape) -> Tensor:
        """Emit the comparison, and gradients that are 0."""
        y = builder.activation("y", shape)
        builder.forward(self.by, inputs, (y,))
        for x in inputs:
            builder.backward("heaviside_dx", (y.gradient(), y), (x.gradient(),))
        return y


@dataclass(frozen=True)
class Where(Merge):
    """One of two inputs at every position: the second where the first is not 0, else the third.

    y = a where test ≠ 0, else b;  da = dy where test ≠ 0, else 0;  db = dy where test = 0, else 0;  dtest = 0

    The input that is not taken has no effect, even if it is infinite or NaN.

    Shapes   the same; (C, 1, 1) and (1, H, W) are broadcast to (C, H, W)
    Errors   ShapeError when the shapes are incompatible
    Source   reference/merging.py
    """

    kind: ClassVar[str] = "where"
    count: ClassVar[int] = 3

    def combined(self, builder: Builder, inputs: Sequence[Tensor], shape: Shape) -> Tensor:
        """Emit the selection; the gradient passes to the input that is taken."""
        y = builder.activation("y", shape)
        test, a, b = inputs
        builder.forward("where", inputs, (y,))
        builder.backward("where_db", (y.gradient(), test), (b.gradient(),))
        builder.backward("where_da", (y.gradient(), test), (a.gradient(),))
        builder.backward("heaviside_dx", (y.gradient(), test), (test.gradient(),))
        return y


@dataclass(frozen=True)
class Concatenate(Merge):
    """Concatenation of the inputs along an axis of the sample, by default the channels.

    axis   0: channels (or features), 1: rows, 2: columns

    Shapes   (C_k, H, W) → (C_1 + C_2 + …, H, W), or the same along another axis
    Errors   ShapeError when another axis differs, OptionError unless the axis is a whole number from 0
    Source   Szegedy et al. 2014; reference/merging.py
    """

    axis: int = 0

    kind: ClassVar[str] = "concatenate"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "axis", self.axis, 0)

    def merged_shape(self, shapes: Sequence[Shape], name: str) -> Shape:
        """Return the shape of the inputs, with the sum of their sizes along the axis."""
        first = shapes[0]
        if self.axis >= len(first):
            raise ShapeError(f"Concatenate {name!r}: {text(first)} has no axis {self.axis}")
        before = first[: self.axis]
        after = first[self.axis + 1 :]
        for shape in shapes:
            if len(shape) != len(first) or (shape[: self.axis], shape[self.axis + 1 :]) != (before, after):
                raise ShapeError(
                    f"Concatenate {name!r}: {text(first)} and {text(shape)} differ in another axis than {self.axis}"
                )
        return (*before, sum(shape[self.axis] for shape in shapes), *after)

    def joint_emit(self, builder: Builder, inputs: Sequence[Tensor]) -> Tensor:
        """Emit the concatenation. The gradient with respect to an input is the corresponding slice of dy."""
        y = builder.activation("y", self.merged_shape([source.shape for source in inputs], builder.layer))
        builder.forward("concatenate", inputs, (y,), axis=self.axis)
        end = y.shape[self.axis]
        for source in reversed(inputs):
            begin = end - source.shape[self.axis]
            ends = _cut(y.shape, self.axis, begin, end)
            builder.backward("crop", (y.gradient(),), (source.gradient(),), **ends)
            end = begin
        return y


@dataclass(frozen=True)
class Slice(Layer):
    """Slice of the input along an axis of the sample, with the indices from `start` to `stop` (exclusive).

    axis          0: channels (or features), 1: rows, 2: columns
    start, stop   non-negative whole numbers; if `stop` is None, the slice extends to the end of the axis

    Several slices split a tensor into branches, which `Concatenate` can join again.

    Errors   ShapeError when the slice is empty or extends beyond the input
    Source   reference/geometry.py
    """

    axis: int
    start: int
    stop: int | None = None

    kind: ClassVar[str] = "slice"
    examples = (example((4, 3, 5), axis=0, start=1, stop=3),)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "axis", self.axis, 0)
        check_whole(self, "start", self.start, 0)
        if self.stop is not None:
            check_whole(self, "stop", self.stop)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the input's shape, with the slice's size along the axis."""
        if self.axis >= len(shape):
            raise ShapeError(f"Slice {name!r}: {text(shape)} has no axis {self.axis}")
        size = shape[self.axis]
        stop = size if self.stop is None else self.stop
        if not self.start < stop <= size:
            raise ShapeError(f"Slice {name!r}: {self.start} to {stop} is not within the {size} of {text(shape)}")
        return (*shape[: self.axis], stop - self.start, *shape[self.axis + 1 :])

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the slice of x;  dx = dy padded with zeros to the shape of x."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        ends = _cut(x.shape, self.axis, self.start, self.start + y.shape[self.axis])
        builder.forward("crop", (x,), (y,), **ends)
        builder.backward("pad", (y.gradient(),), (x.gradient(),), **ends)
        return y


def _cut(shape: Shape, axis: int, begin: int, end: int) -> dict[str, tuple[int, ...]]:
    """Return the attributes of `crop` that keep the indices from `begin` to `end` (exclusive) along an axis."""
    before = [0] * len(shape)
    after = [0] * len(shape)
    before[axis] = begin
    after[axis] = shape[axis] - end
    return {"before": tuple(before), "after": tuple(after)}
