"""A call of a Keras layer during translation: its inputs, options and weights, and errors that name it.

Values have Keras' axes (N, H, W, C); see `interop.onnx.node_builder`.
"""

from collections.abc import Sequence
from typing import Any, cast

from chainrule.core.arrays import Array
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import Assembly
from chainrule.interop.keras.config import KerasLayer
from chainrule.interop.keras.values import as_list, is_whole
from chainrule.interop.keras.weights import ReadWeights
from chainrule.interop.names import NAMES
from chainrule.interop.onnx.node_builder import NodeBuilder
from chainrule.interop.onnx.operator_call import Feature, Value

UNUSED_ENDINGS = ("_initializer", "_regularizer", "_constraint")
NEUTRAL: dict[str, object] = {"groups": 1, "data_format": "channels_last"}  # values of options that change nothing


class LayerCall(NodeBuilder):
    """A call of a Keras layer.

    layer     the layer in the file
    operands  inputs of the call: results of other layers, and constants
    inputs    those of the operands that are results
    version   version of Keras that wrote the file: 2 or 3
    """

    def __init__(
        self,
        layer: KerasLayer,
        operands: Sequence[Value],
        assembly: Assembly,
        read_weights: ReadWeights,
        version: int,
    ) -> None:
        super().__init__(layer.kind, layer.name, assembly.layer_names[layer.path], assembly)
        self.layer_in_file = layer
        self.operands = operands
        self.inputs = [operand for operand in operands if isinstance(operand, Feature)]
        self.version = version
        self._read_weights = read_weights
        self._read = set[str]()

    def nested(self, layer: KerasLayer, operand: Feature) -> "LayerCall":
        """Return the call of a layer that is an option of this one."""
        return LayerCall(layer, [operand], self.assembly, self._read_weights, self.version)

    @property
    def x(self) -> Feature:
        """The only input; FormatError if there are several, or also constants."""
        if len(self.operands) != 1 or len(self.inputs) != 1:
            raise self.unsupported(f"{len(self.operands)} inputs", "one")
        return self.inputs[0]

    # ------------------------------------------------------------------ options

    def has_option(self, name: str) -> bool:
        """Return whether the file contains an option."""
        return name in self.layer_in_file.options

    def value(self, name: str, default: Any = None) -> Any:
        """Return an option as the file contains it, and record that it was read."""
        self._read.add(name)
        return self.layer_in_file.options.get(name, default)

    def option(self, name: str, default: Any = None) -> Any:
        """Return an option. One-element lists and whole floats become numbers."""
        value = self.value(name, default)
        entries = as_list(value)
        while entries is not None and len(entries) == 1:
            (value,) = entries
            entries = as_list(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return a numeric option."""
        value = self.option(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.unsupported(f"{name} {quoted(value)}", "a number")
        return float(value)

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an option that is a whole number of at least 1."""
        value = self.option(name, default)
        if not is_whole(value, 1):
            raise self.unsupported(f"{name} {quoted(value)}", "a whole number of at least 1")
        return value

    def integers(self, name: str, count: int, default: Any = None, least: int = 1) -> list[int]:
        """Return an option with one integer for each axis, or a single one for all."""
        value = self.option(name, default)
        entries = as_list(value) or [value] * count
        if len(entries) != count or not all(is_whole(entry, least) for entry in entries):
            raise self.unsupported(f"{name} {quoted(value)}", f"{count} whole numbers of at least {least}")
        return cast("list[int]", entries)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return an option that is true or false; 1, 0 and null (false) are also accepted."""
        value = self.option(name, default)
        if value not in (None, 0, 1):
            raise self.unsupported(f"{name} {quoted(value)}", "true or false")
        return bool(value)

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """Return an option that must be one of the choices."""
        value = self.option(name) or default
        if value not in choices:
            raise self.unsupported(f"{name} {quoted(value)}", " or ".join(choices))
        return value

    def axes(self, name: str = "axis", default: Any = -1) -> list[int]:
        """Return an option that is one or more axes of a sample, from 1."""
        value = self.option(name, default)
        rank = len(self.inputs[0].shape)
        axes: list[int] = []
        for axis in as_list(value) or [value]:
            if not is_whole(axis) or not -rank <= axis < rank or axis % rank == 0:
                raise self.unsupported(f"{name} {quoted(value)}", "axes of a sample")
            axes.append(axis % rank)
        return sorted({*axes})

    def axis(self, name: str = "axis", default: Any = -1) -> int:
        """Return an option that is one axis of a sample."""
        axes = self.axes(name, default)
        if len(axes) != 1:
            raise self.unsupported(f"{name} {quoted(self.option(name))}", "one axis")
        return axes[0]

    def ignore_options(self) -> None:
        """Record that all options were read, for a layer without effect."""
        self._read.update(self.layer_in_file.options)

    def check_options(self) -> None:
        """Raise FormatError if an option that may affect the result was not read."""
        for name, value in self.layer_in_file.options.items():
            is_unused = name in NAMES.groups["keras_unused"] or name.endswith(UNUSED_ENDINGS)
            neutral = NEUTRAL.get(name)
            if name not in self._read and not is_unused and self.option(name) not in (None, False, neutral):
                raise self.unsupported(f"{name} {quoted(value)}", str(neutral or f"no {name}"))

    # ------------------------------------------------------------------ channels and weights

    def image(self) -> Feature:
        """Return the input with the channels on axis 1."""
        return self.moved_axis(self.x, -1, 1)

    def as_in_keras(self, y: Feature) -> Feature:
        """Return a result whose channels are on axis 1 with the channels on the last axis."""
        return self.moved_axis(y, 1, -1)

    def weights(self, **shapes: Sequence[int] | None) -> dict[str, Array]:
        """Return the weights of the layer by name; FormatError for weights of other shapes."""
        try:
            return self._read_weights(self.layer_in_file, shapes)
        except FormatError as error:
            raise FormatError(f"{self.kind} {quoted(self.name)}: {error}") from None

    def kernels(self, filters: int, **shapes: Sequence[int]) -> tuple[list[Array], Array | None]:
        """Return the kernels of the layer, and its bias unless `use_bias` is false."""
        if not self.flag("use_bias", default=True):
            return [*self.weights(**shapes).values()], None
        *kernels, bias = self.weights(**shapes, bias=(filters,)).values()
        return kernels, bias
