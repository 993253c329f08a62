"""Recognition of normalization layers that exporters write as several nodes.

A group of nodes ends with the multiplication by γ. An addition of β that follows becomes part of the layer.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.interop.onnx.messages import Attribute, OnnxNode
from chainrule.interop.onnx.operator_call import Call, Feature, Value

Array = NDArray[Any]

LEAST_INPUTS = {**dict.fromkeys(("Add", "Div", "Mul", "Pow", "Sub"), 2), "InstanceNormalization": 3}


class NormalizationRecognizer:
    """Finds the nodes of a normalization layer from its last node, the multiplication by γ.

    producers   nodes by the name of their result
    values      known values by name
    """

    def __init__(self, producers: Mapping[str, OnnxNode], values: Mapping[str, Value]) -> None:
        self._producers, self._values = producers, values

    def match(self, call: Call) -> tuple[OnnxNode, list[Value]] | None:
        """Return a node for the normalization that ends with a Mul, with its inputs; None if there is none.

        The node is LayerNormalization or GroupNormalization, with γ as the last input.
        """
        operands = list(zip(call.operation.inputs, call.values, strict=True))
        factors = [value for _, value in operands if isinstance(value, np.ndarray)]
        names = [name for name, value in operands if isinstance(value, Feature)]
        if call.operation.operator != "Mul" or len(factors) != 1 or len(names) != 1:
            return None
        gamma_name = next(name for name, value in operands if isinstance(value, np.ndarray))
        for find, operator in ((self._layer, "LayerNormalization"), (self._groups, "GroupNormalization")):
            if (result := find(names[0], factors[0])) is not None:
                source, gamma, attributes = result
                outputs, name = list(call.operation.outputs), call.operation.name
                node = OnnxNode([source, gamma_name], outputs, name, operator, attributes=attributes)
                return node, [self._values[source], gamma]
        return None

    def _node(self, name: str, *operators: str) -> OnnxNode | None:
        """Return the node with a result if it has one of the operators and enough inputs."""
        node = self._producers.get(name)
        if node is None or node.operator not in operators or len(node.inputs) < LEAST_INPUTS.get(node.operator, 1):
            return None
        return node

    def _number(self, name: str) -> float | None:
        value = self._values.get(name)
        return float(value.reshape(-1)[0]) if isinstance(value, np.ndarray) and value.size == 1 else None

    def _layer(self, name: str, gamma: Array) -> tuple[str, Array, list[Attribute]] | None:
        """Return the input, γ and attributes of a LayerNormalization: (x − mean) / √(variance + ε)."""
        quotient = self._node(name, "Div", "Mul")
        if quotient is None:
            return None
        centered, root = quotient.inputs[:2]
        if quotient.operator == "Mul":
            reciprocal = self._node(root, "Reciprocal")
            root = reciprocal.inputs[0] if reciprocal is not None else ""
        total = self._argument(root, "Sqrt")
        added = self._node(total, "Add")
        numbers = [self._number(operand) for operand in added.inputs] if added is not None else []
        if added is None or len(numbers) != 2 or numbers.count(None) != 1:
            return None
        epsilon, variance = next(number for number in numbers if number), added.inputs[numbers.index(None)]
        axes = self._mean_axes(variance)
        difference = self._node(centered, "Sub")
        if axes is None or difference is None or not self._is_square(self._argument(variance, "ReduceMean"), centered):
            return None
        source, mean = difference.inputs[:2]
        x = self._values.get(source)
        if self._argument(mean, "ReduceMean") != source or self._mean_axes(mean) != axes or not isinstance(x, Feature):
            return None
        rank = len(x.shape)
        normalized = sorted(axis % rank for axis in axes)
        if normalized != list(range(normalized[0], rank)) or gamma.shape != x.shape[normalized[0] :]:
            return None
        axis, size = Attribute("axis", 2, integer=normalized[0]), Attribute("epsilon", 1, real=epsilon)
        return source, gamma, [axis, size]

    def _argument(self, name: str, operator: str) -> str:
        """Return the name of the first input of the node with a result; "" if it has another operator."""
        node = self._node(name, operator)
        return node.inputs[0] if node is not None else ""

    def _mean_axes(self, name: str) -> list[int] | None:
        """Return the axes of a ReduceMean that keeps them, as an attribute or as a constant."""
        node = self._node(name, "ReduceMean")
        if node is None or any(part.name == "keepdims" and part.integer == 0 for part in node.attributes):
            return None
        axes = next((part.integers for part in node.attributes if part.name == "axes"), None)
        if axes is None and len(node.inputs) > 1 and isinstance(value := self._values.get(node.inputs[1]), np.ndarray):
            axes = [int(axis) for axis in value.reshape(-1)]
        return axes or None

    def _is_square(self, name: str, base: str) -> bool:
        """Return whether a value is the square of another."""
        node = self._node(name, "Pow", "Mul")
        if node is None or node.inputs[0] != base:
            return False
        return node.inputs[1] == base if node.operator == "Mul" else self._number(node.inputs[1]) == 2

    def _groups(self, name: str, gamma: Array) -> tuple[str, Array, list[Attribute]] | None:
        """Return the input, γ and attributes of a GroupNormalization: InstanceNormalization between two Reshapes."""
        norm = self._node(self._argument(name, "Reshape"), "InstanceNormalization")
        source = self._argument(norm.inputs[0], "Reshape") if norm is not None else ""
        x, y = self._values.get(source), self._values.get(name)
        if (
            norm is None
            or not isinstance(x, Feature)
            or not isinstance(y, Feature)
            or x.shape != y.shape
            or len(x.shape) < 2
        ):
            return None
        scale, shift = (self._values.get(constant) for constant in norm.inputs[1:3])
        unit = (
            isinstance(scale, np.ndarray) and isinstance(shift, np.ndarray) and (scale == 1).all() and not shift.any()
        )
        channels = x.shape[1]
        if not unit or not isinstance(scale, np.ndarray) or gamma.shape not in _channel_shapes(channels, len(x.shape)):
            return None
        epsilon = [part for part in norm.attributes if part.name == "epsilon"]
        return source, gamma.reshape(channels), [Attribute("num_groups", 2, integer=len(scale)), *epsilon]


def _channel_shapes(channels: int, rank: int) -> list[tuple[int, ...]]:
    by_channel = (channels, *[1] * (rank - 2))
    return [by_channel, (1, *by_channel)]
