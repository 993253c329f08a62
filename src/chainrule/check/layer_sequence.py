"""Layers that are applied one after the other, as one layer."""

from dataclasses import dataclass
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.layers import Layer
from chainrule.layers.base import Parameter
from chainrule.layers.node import Shape


@dataclass(frozen=True)
class LayerSequence(Layer):
    """Layers that are applied one after the other. Only the first has parameters."""

    layers: tuple[Layer, ...]
    kind: ClassVar[str] = "series"

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the output shape of the last layer."""
        for layer in self.layers:
            shape = layer.output_shape(shape, name)
        return shape

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return the parameters of the first layer."""
        return self.layers[0].parameters(shape, name)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit the operations of all layers."""
        for number, layer in enumerate(self.layers):
            if number:
                builder.begin(f"{layer.kind}{number}")
            x = layer.emit(builder, x)
        return x

    def describe(self) -> str:
        """Return the layers as Python expressions."""
        return " | ".join(layer.describe() for layer in self.layers)
