"""Base classes of all layers: hyperparameters, output shapes, parameters and emitted operations.

A layer contains no arrays and no state. Its only fields are its options, so that it can be saved to a file and loaded
again.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core.arrays import Array
from chainrule.core.options import Arguments, plain
from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import expected_integer, is_whole, text
from chainrule.core.words import match_name
from chainrule.errors import OptionError, ShapeError, quoted, unknown_name
from chainrule.layers import initializers, node
from chainrule.layers.initializers import Fans
from chainrule.layers.node import Node, Shape
from chainrule.layers.peers import Peers

# Kinds of layers that networks or training treat differently
CUSTOM, PACK, UNPACK, QUANTIZED = "student", "pack", "input", "fake_quantize"
ONE = Fans(1, 1)


class Example(NamedTuple):
    """An input shape, and options of a layer that accepts it, for the gradient checker and the tests."""

    shape: Shape
    options: dict[str, Any]


def example(shape: Shape = (3, 4, 5), /, **options: Any) -> Example:
    """Return an example for the table `Layer.examples`."""
    return Example(shape, options)


@dataclass(frozen=True, eq=False)
class Parameter:
    """A parameter or running statistic of a layer: its name within the layer, its shape and its initial values.

    initializer   name of an initializer (`initializers.find`)
    fans          numbers of connections per neuron, used by some initializers
    trained       False for running statistics, which have no gradient
    values        fixed initial values, as in a custom layer; None: use the initializer
    """

    name: str
    shape: Shape
    initializer: str
    fans: Fans = ONE
    trained: bool = True
    values: Array | None = None

    def begin(self, generator: np.random.Generator, dtype: DTypeLike) -> Array:
        """Return the initial values in a dtype, drawn from a random generator unless they are fixed."""
        if self.values is not None:
            return self.values.astype(dtype)
        return initializers.draw(self.initializer, self.shape, self.fans, generator, dtype)


class LayerType(type):
    """Metaclass of layers, which checks their options. ``activation="relu"`` adds an activation layer after a layer."""

    if not TYPE_CHECKING:  # type checkers read the signature of each layer

        def __call__(cls, *args: Any, activation: Any = None, **kwargs: Any) -> Any:
            """Create a layer or, with an activation, a `Chain` of two layers."""
            if activation is not None and not cls.takes_activation:
                kwargs["activation"] = activation
            values, options = _arguments(cls.__init__, cls.__name__).checked(args, kwargs)
            layer = super().__call__(*values, **options)
            if activation in (None, "linear"):
                return layer
            return Chain((layer, activation_layer(activation)))

    @property
    def __signature__(cls) -> inspect.Signature:
        """Signature of the class, for `help` and editors."""
        return inspect.signature(MethodType(cls.__init__, cls))


_arguments = cache(Arguments)  # the options of a class of layers


class Chain(tuple[Any, ...]):
    """Layers that are applied one after the other, as the result of ``Conv2D(8, 3, activation="relu")``."""

    def __call__(self, *nodes: Node, name: str | None = None) -> Node:
        """Apply the layers to nodes of a graph, and return the last new node. The first layer gets the name."""
        first, *others = self
        result = first(*nodes, name=name)
        for layer in others:
            result = layer(result)
        return result


def activation_layer(activation: object) -> Any:
    """Return the layer for an activation: a layer, a class, or its name without regard to case and separators.

    Errors   OptionError for an unknown name
    """
    if isinstance(activation, Layer):
        return activation
    from chainrule.layers import ACTIVATIONS

    named = ACTIVATIONS.get(match_name(activation, ACTIVATIONS) or "", activation)
    if not isinstance(named, LayerType):
        raise unknown_name("activation", activation, sorted(ACTIVATIONS))
    return named()


@dataclass(frozen=True)
class Layer(metaclass=LayerType):
    """Base class of all layers. Shapes are those of a single sample: (C, H, W), (C, W) or (F,).

    The class is the layer's only registration. Export, gradient checker, documentation and tests read its attributes.

    kind             prefix of the names of such layers, as in conv1
    examples         input shapes and options in which mistakes show: the sizes differ, and every option occurs
    keeps_positions  whether each output element belongs to the input element at the same position
    peers            names in other libraries
    """

    kind: ClassVar[str] = ""
    examples: ClassVar[tuple[Example, ...]] = (Example((3, 4, 5), {}),)
    keeps_positions: ClassVar[bool] = False
    peers: ClassVar[Peers] = Peers()
    origin: ClassVar[Any] = None  # where its weights are: `Origin` or `Origins` of `network.carried_weights`
    takes_activation: ClassVar[bool] = False  # whether ``activation="relu"`` adds an activation after the layer

    def __post_init__(self) -> None:
        """Convert NumPy arrays and lists among the options to tuples."""
        for field in fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))

    def __call__(self, *nodes: Node, name: str | None = None) -> Node:
        """Apply the layer to the outputs of other layers, and return a node for its own output.

        If a layer is applied several times, all applications share its parameters.

        name   the node's name in the graph, at the first application; by default its kind and number, such as conv1
        """
        return node.apply(self, nodes, name)

    def joint_shape(self, shapes: Sequence[Shape], name: str) -> Shape:
        """Return the output shape for the shapes of all inputs. Except for `Merge`, there must be exactly one input."""
        if len(shapes) != 1:
            raise OptionError(f"{name}: {self.describe()} takes one input, found {len(shapes)}")
        return self.output_shape(shapes[0], name)

    def joint_emit(self, builder: Builder, inputs: Sequence[Tensor]) -> Tensor:
        """Emit the layer's operations for all inputs, and return the output tensor."""
        return self.emit(builder, *inputs)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the output shape for an input of ``shape``; ShapeError if it is invalid. `name` is used in errors."""
        return shape

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return the layer's parameters and running statistics for an input of ``shape``."""
        return ()

    @classmethod
    def parameter_names(cls) -> tuple[str, ...]:
        """Return the names of the layer's parameters and running statistics, in order."""
        shape, options = cls.examples[0]
        return tuple(parameter.name for parameter in cls(**options).parameters(shape, ""))

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit the layer's forward and backward operations for the input x, and return the output tensor."""
        return x

    def to_config(self) -> dict[str, Any]:
        """Return the class name, under "layer", and the options, as values that can be written to a file."""
        config: dict[str, Any] = {"layer": type(self).__name__}
        for field in fields(self):
            config[field.name] = getattr(self, field.name)
        return config

    def describe(self) -> str:
        """Return the layer as a Python expression without default options, such as "Conv2D(8, 3, stride=2)"."""
        shown: list[str] = []
        named = False
        for field in fields(self):
            named = named or field.kw_only
            value = getattr(self, field.name)
            if value == field.default:
                named = True
                continue
            shown.append(f"{field.name}={value!r}" if named else repr(value))
        return f"{type(self).__name__}({', '.join(shown)})"

    def _expect(self, shape: Shape, name: str, axes: int, meaning: str) -> None:
        if len(shape) != axes:
            raise ShapeError(
                f"{type(self).__name__} {name!r}: expected an input {meaning}, found {text(shape) or '()'}"
            )


@dataclass(frozen=True)
class Activation(Layer):
    """Base class of element-wise layers: an operation, and its gradient computed from the input x or the output y.

    The last of its examples is plotted.

    keeps   the tensor that the gradient is computed from, as in the operation's formulas: "x" or "y"
    """

    keeps_positions: ClassVar[bool] = True
    keeps: ClassVar[str] = "x"

    def attributes(self) -> dict[str, float]:
        """Return the operation's attributes: the layer's options."""
        return {field.name: float(getattr(self, field.name)) for field in fields(self)}

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = f(x) and dx = f'(x) dy."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        kept = y if self.keeps == "y" else x
        builder.forward(self.kind, (x,), (y,), **self.attributes())
        builder.backward(f"{self.kind}_dx", (y.gradient(), kept), (x.gradient(),), **self.attributes())
        return y


def as_image(tensor: Tensor) -> Tensor:
    """Return a view of a (C, W) tensor as an image of height 1, (C, 1, W); return other tensors unchanged."""
    if len(tensor.shape) != 2:
        return tensor
    channels, width = tensor.shape
    return tensor.viewed((channels, 1, width))


def check_whole(layer: object, what: str, value: object, least: int = 1) -> None:
    """Raise OptionError unless an option is a whole number of at least ``least``. `what` is the option's name."""
    if not is_whole(value, least):
        raise OptionError(f"{type(layer).__name__}: {what} {quoted(value)}: expected {expected_integer(value, least)}")


def check_choice(layer: object, what: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise OptionError unless an option is one of ``choices``. `what` is the option's name."""
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return
    raise unknown_name(f"{type(layer).__name__} {what}", value, list(map(str, choices)))


def type_of(layer: Layer) -> str | None:
    """Return the name of a layer's class; None for a custom layer, because its outputs are unknown."""
    if layer.kind == CUSTOM:
        return None
    return type(layer).__name__
