"""A call of a Keras layer during translation: inputs, options, weights, results, and errors with the layer's name."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import Assembly
from chainrule.interop.flattening import channels_first, flattened_shape, to_channels_first
from chainrule.interop.keras.config import KerasLayer
from chainrule.interop.keras.layouts import KerasValue, axis_first, from_layout
from chainrule.interop.keras.values import as_list, is_whole
from chainrule.interop.keras.weights import ReadWeights
from chainrule.interop.names import NAMES
from chainrule.layers.node import Node

Translation: TypeAlias = "Callable[[KerasCall], KerasValue]"  # function that returns the result of a call
Translated: TypeAlias = KerasValue | list[KerasValue]
MultiTranslation: TypeAlias = "Callable[[KerasCall], Translated]"  # function that may return several results

UNUSED_ENDINGS = ("_initializer", "_regularizer", "_constraint")
# Keras writes some options even for layers that ignore them: in Keras 2, for example, `groups` for depthwise, separable
# and transposed convolutions. If a translation does not read such an option, it must have the value below.
NEUTRAL: dict[str, object] = {"groups": 1, "data_format": "channels_last"}


class KerasCall:
    """A call of a Keras layer, to be translated.

    layer      the Keras layer
    operands   inputs of the call: results of other layers and, for functions of keras.ops, constants
    inputs     the operands that are results of other layers
    assembly   assembly that receives the translated layers
    read_weights  function that returns the weights of a layer in the file
    version    version of Keras that wrote the file: 2 or 3
    is_shared  whether the layer is called several times with the same weights
    """

    def __init__(
        self,
        layer: KerasLayer,
        operands: Sequence[KerasValue | Array],
        assembly: Assembly,
        read_weights: ReadWeights,
        version: int,
        is_shared: bool = False,
    ) -> None:
        self.layer = layer
        self.operands = operands
        self.inputs = [operand for operand in operands if isinstance(operand, KerasValue)]
        self.assembly = assembly
        self.version = version
        self.is_shared = is_shared
        self._read_weights = read_weights
        self._read: set[str] = set()

    @property
    def x(self) -> KerasValue:
        """The only input; FormatError if there are several, or also constants."""
        if len(self.operands) != 1 or len(self.inputs) != 1:
            raise self.unsupported(f"{len(self.operands)} inputs", "one")
        return self.inputs[0]

    @property
    def positions(self) -> int:
        """Number of axes of positions of the only input: 2 for an image, 1 for a sequence."""
        return self.x.rank - 1

    # ------------------------------------------------------------------ options

    def option(self, name: str, default: object = None) -> object:
        """Return an option with its value in the file, and record that it was read."""
        self._read.add(name)
        return self.layer.options.get(name, default)

    def integer(self, name: str, default: int | None = None, least: int = 1) -> int:
        """Return an integer option; FormatError if it is below ``least``."""
        return self.integers(name, 1, default, least)[0]

    def integers(self, name: str, count: int, default: object = None, least: int = 1) -> tuple[int, ...]:
        """Return an option with one integer per axis, or a single integer for all axes."""
        value = self.option(name, default)
        entries = as_list(value)
        if entries is None:
            entries = [value] * count
        numbers: list[int] = []
        for entry in entries:
            number = _simplify(entry)
            if is_whole(number, least):
                numbers.append(number)
        if not len(numbers) == len(entries) == count:
            expected = f"{count} whole numbers" if count > 1 else "a whole number"
            raise self.unsupported(f"{name} {quoted(value)}", f"{expected} of at least {least}")
        return tuple(numbers)

    def number(self, name: str, default: float) -> float:
        """Return a numeric option."""
        value = self.option(name, default)
        number = _simplify(value)
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise self.unsupported(f"{name} {quoted(value)}", "a number")
        return float(number)

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean option; 1, 0 and null (false) are also accepted."""
        value = self.option(name, default)
        simplified = _simplify(value)
        if simplified not in (None, 0, 1):
            raise self.unsupported(f"{name} {quoted(value)}", "true or false")
        return bool(simplified)

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """Return an option that must be one of ``choices``; null means the default."""
        value = self.option(name)
        if value is None:
            value = default
        if not isinstance(value, str) or value not in choices:
            raise self.unsupported(f"{name} {quoted(value)}", " or ".join(choices))
        return value

    def axis(self, name: str, default: object = -1) -> int:
        """Return an option that is one axis of a sample."""
        axes = self.axes(name, default)
        if len(axes) != 1:
            raise self.unsupported(f"{name} {quoted(self.option(name))}", "one axis")
        return axes[0]

    def axes(self, name: str = "axis", default: object = None) -> list[int]:
        """Return an option that is one or more axes of a sample, in increasing order."""
        value: object = _simplify(self.option(name, default))
        entries = as_list(value)
        if entries is None:
            entries = [value]
        if value is None or not entries:
            raise self.unsupported(f"{name} {quoted(value)}, which includes the batch axis", "axes of a sample")
        rank = self.inputs[0].rank
        return sorted({self.sample_axis(_simplify(axis), rank) for axis in entries})

    def sample_axis(self, axis: object, rank: int) -> int:
        """Convert the index of an axis in Keras, where the batch axis is axis 0, to an axis of a sample from 0.

        rank   number of axes of a sample
        """
        if not is_whole(axis) or not -rank <= axis <= rank or axis == 0:
            raise self.unsupported(f"axis {quoted(axis)}", f"one of the {rank} axes of a sample")
        return axis - 1 if axis > 0 else axis + rank

    def channel_axis(self, rank: int) -> int:
        """Return the channel axis of an input with ``rank`` axes, according to the option data_format."""
        if self.x.rank != rank:
            raise self.unsupported(f"an input of {self.x.rank + 1} axes", f"{rank + 1}, the batch axis first")
        return 0 if self.has_channels_first() else rank - 1

    def has_channels_first(self) -> bool:
        """Return whether the channels are the first axis of a sample, according to the option data_format."""
        return self.choice("data_format", "channels_last", ("channels_last", "channels_first")) == "channels_first"

    def check_options(self) -> None:
        """Raise FormatError if the translation did not read all options, because they may affect the result."""
        for name, value in self.layer.options.items():
            if name in self._read or name in NAMES.groups["keras_unused"] or name.endswith(UNUSED_ENDINGS):
                continue
            neutral = NEUTRAL.get(name)
            if _simplify(value) not in (None, False, neutral):
                expected = f"no {name}" if neutral is None else str(neutral)
                raise self.unsupported(f"{name} {quoted(value)}", expected)

    # ------------------------------------------------------------------ weights

    def weights(self, **shapes: Sequence[int] | None) -> dict[str, Array]:
        """Return the layer's weights by name.

        shapes   expected names and shapes, in the file's order; weights with the shape None are omitted
        """
        try:
            return self._read_weights(self.layer, shapes)
        except FormatError as error:
            raise FormatError(f"{self.layer.kind} {quoted(self.layer.name)}: {error}") from None

    def filled(self, count: int, value: float) -> Array:
        """Return a constant array for a parameter that does not exist in the Keras layer."""
        self.assembly.budget.write(8 * count, f"{self.layer.kind} {quoted(self.layer.name)}")
        return np.full(count, value)

    # ------------------------------------------------------------------ results

    def inner_call(self, layer: KerasLayer, x: KerasValue) -> "KerasCall":
        """Return a call that applies another layer, such as this layer's activation, to x."""
        return KerasCall(layer, [x], self.assembly, self._read_weights, self.version, self.is_shared)

    def unsupported(self, actual: str, expected: str) -> FormatError:
        """Return the error for an unsupported layer, with its class and name, and the actual and expected values."""
        return FormatError(f"{self.layer.kind} {quoted(self.layer.name)}: {actual}; expected {expected}")

    def elementwise(self, x: KerasValue, kind: str, **options: object) -> KerasValue:
        """Apply an element-wise layer."""
        return x.with_node(self.assembly.apply(kind, x.node, **options))

    def spatial(self, x: KerasValue, kind: str, channels: int, **options: object) -> KerasValue:
        """Apply a layer without weights to an input with channels. The number of axes is unchanged.

        kind       name of the layer's class
        channels   axis of a sample with the channels
        """
        node = self.assembly.apply(kind, x.with_first(channels), **options)
        return from_layout(node, axis_first(channels, x.rank))

    def weighted(
        self,
        kind: str,
        x: KerasValue,
        channels: int,
        options: Mapping[str, object],
        weights: Mapping[str, Array],
        part: str | None = None,
    ) -> KerasValue:
        """Apply a layer with weights to an input with channels. The number of axes is unchanged.

        Weights for the elements of a vector are permuted to the order of the elements in the node; see `_vector`.

        kind       name of the layer's class
        channels   axis of a sample with the channels
        part       name of this layer if the Keras layer is translated to several layers; None otherwise
        """
        source = (*self.layer.path, kind, part)
        name = self.layer_name
        if part is not None:
            name = f"{name}_{part}"
        if x.rank > 1:
            node = self.assembly.apply_weighted(kind, x.with_first(channels), options, weights, name, source)
            return from_layout(node, axis_first(channels, x.rank))
        node, shape = self._vector(x)
        moved = {parameter: to_channels_first(parameter, array, shape) for parameter, array in weights.items()}
        y = self.assembly.apply_weighted(kind, node, options, moved, name, source)
        if flattened_shape(y) is None:
            return from_layout(y, [0])
        return x.with_node(y)

    def _vector(self, x: KerasValue) -> tuple[Node, Shape | None]:
        """Return the node of a vector, and the shape by which a layer's weights for it are permuted; None: as they are.

        Weights of another file are permuted as `interop.flattening` reads from the layers. Where this is not the order
        in Keras, `Permute` or `Reshape` record that the weights are in Keras' order.
        """
        node = x.flat()
        shape = flattened_shape(node)
        is_usual = shape is not None and np.array_equal(np.argsort(x.order()), channels_first(shape))
        if is_usual and not self.is_shared:
            return node, shape
        node = x.plain()
        if flattened_shape(node) is not None:
            node = self.assembly.apply("Reshape", node, shape=node.shape)
        return node, None

    @property
    def layer_name(self) -> str:
        """Name of the layer in the network."""
        return self.assembly.layer_names[self.layer.path]


def for_positions(translate: Callable[[KerasCall, int], KerasValue], axes: int, result: str) -> Translation:
    """Return the translation of a layer whose inputs have channels and this number of axes of positions.

    translate  function of a call and the axis of its channels
    result     what the function returns, for the list of layers
    """

    def translate_positions(call: KerasCall) -> KerasValue:
        return translate(call, call.channel_axis(axes + 1))

    translate_positions.__doc__ = f"Return {result}."
    return translate_positions


def _simplify(value: object) -> object:
    """Replace a list of one element by this element, and an integral float by an integer; return others unchanged."""
    entries = as_list(value)
    while entries is not None and len(entries) == 1:
        value = entries[0]
        entries = as_list(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
