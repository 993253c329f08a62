"""Recognition of normalization layers that exporters write as several nodes.

A group of nodes ends with the multiplication by γ. An addition of β that follows becomes part of the layer.

A pattern is one of these: an operator with the patterns of its first inputs; a list of alternatives; a number, for a
constant; or a name. A name matches any value, but the same value wherever it occurs.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from chainrule.interop.onnx.messages import Attribute, OnnxNode
from chainrule.interop.onnx.operator_call import Array, Call, Feature, Value

Pattern = str | float | tuple[Any, ...] | list[Any]
Found = tuple[Array, list[Attribute]]

CENTERED = ("Sub", "x", ("ReduceMean", "x"))
VARIANCE = ("ReduceMean", [("Pow", CENTERED, 2.0), ("Mul", CENTERED, CENTERED)])
DEVIATION = ("Sqrt", ("Add", VARIANCE, "epsilon"))
NORMALIZED = [("Div", CENTERED, DEVIATION), ("Mul", CENTERED, ("Reciprocal", DEVIATION))]
GROUPS = ("Reshape", ("InstanceNormalization", ("Reshape", "x"), "scale", "shift"))
COMMUTATIVE = ("Add", "Mul")


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
        return self._described(call, NORMALIZED, "LayerNormalization", self._layer) or self._described(
            call, GROUPS, "GroupNormalization", self._groups
        )

    def _described(
        self, call: Call, pattern: Pattern, operator: str, describe: Callable[..., Found | None]
    ) -> tuple[OnnxNode, list[Value]] | None:
        """Return a node of an operator, with its inputs, if the nodes before a call match a pattern; else None.

        describe   function that returns γ and the attributes of the operator; None if the nodes compute something else
        """
        names, nodes = dict[str, str](), list[OnnxNode]()
        if not self._matches(("Mul", pattern, "gamma"), call.operation.outputs[0], names, nodes):
            return None
        place = nodes[0].inputs.index(names["gamma"])
        x, y, gamma = self._values[names["x"]], call.values[1 - place], call.values[place]
        if not (
            isinstance(x, Feature) and isinstance(y, Feature) and isinstance(gamma, np.ndarray) and x.shape == y.shape
        ):
            return None
        if (description := describe(names, nodes, x, gamma)) is None:
            return None
        scale, attributes = description
        inputs, outputs = [names["x"], call.operation.inputs[place]], list(call.operation.outputs)
        return OnnxNode(inputs, outputs, call.operation.name, operator, attributes=attributes), [x, scale]

    def _matches(self, pattern: Pattern, name: str, names: dict[str, str], nodes: list[OnnxNode]) -> bool:
        """Return whether a value matches a pattern; store the values with names, and the nodes with operators.

        A pattern is one of:

            "x"                       any value; the same value wherever "x" occurs
            2.0                       this constant
            ["x", ("Mul", …)]         one of several patterns
            ("Sub", "x", "mean")      the result of this operator; for a commutative one, in either order
        """
        if isinstance(pattern, str):
            return names.setdefault(pattern, name) == name
        if isinstance(pattern, float):
            return self._number(name) == pattern
        if isinstance(pattern, list):
            return any(self._matches(alternative, name, names, nodes) for alternative in cast("list[Pattern]", pattern))
        operator, *arguments = cast("tuple[Any, ...]", pattern)
        node = self._producers.get(name)
        if node is None or node.operator != operator or len(node.inputs) < len(arguments):
            return False
        nodes.append(node)
        orders = (node.inputs, node.inputs[::-1]) if operator in COMMUTATIVE else (node.inputs,)
        return any(
            all(self._matches(*pair, names, nodes) for pair in zip(arguments, inputs, strict=False))
            for inputs in orders
        )

    def _number(self, name: str) -> float | None:
        value = self._values.get(name)
        return float(value.reshape(-1)[0]) if isinstance(value, np.ndarray) and value.size == 1 else None

    def _layer(self, names: Mapping[str, str], nodes: list[OnnxNode], x: Feature, gamma: Array) -> Found | None:
        """Return γ and the attributes of a LayerNormalization: (x − mean) / √(variance + ε)."""
        rank, epsilon = len(x.shape), self._number(names["epsilon"])
        axes = {self._axes(node, rank) for node in nodes if node.operator == "ReduceMean"}
        first = min(min(axes), default=0)
        if axes != {tuple(range(first, rank))} or gamma.shape != x.shape[first:] or not epsilon:
            return None
        return gamma, [Attribute("axis", 2, integer=first), Attribute("epsilon", 1, real=epsilon)]

    def _axes(self, node: OnnxNode, rank: int) -> tuple[int, ...]:
        """Return the axes of a ReduceMean that keeps them, as an attribute or as a constant; otherwise no axes."""
        if any(part.name == "keepdims" and part.integer == 0 for part in node.attributes):
            return ()
        constants = [self._values.get(name) for name in node.inputs[1:2]]
        axes = [*(axis for part in node.attributes if part.name == "axes" for axis in part.integers)]
        axes += [int(axis) for value in constants if isinstance(value, np.ndarray) for axis in value.reshape(-1)]
        return tuple(sorted(axis % rank for axis in axes))

    def _groups(self, names: Mapping[str, str], nodes: list[OnnxNode], x: Feature, gamma: Array) -> Found | None:
        """Return γ and the attributes of a GroupNormalization: InstanceNormalization between two Reshapes."""
        scale, shift = (self._values.get(names[name]) for name in ("scale", "shift"))
        by_channel = (*x.shape[1:2], *[1] * (len(x.shape) - 2))
        if not isinstance(scale, np.ndarray) or not np.array_equal(scale, np.ones(len(scale))):
            return None
        if not isinstance(shift, np.ndarray) or shift.any() or gamma.shape not in (by_channel, (1, *by_channel)):
            return None
        epsilon = [part for node in nodes for part in node.attributes if part.name == "epsilon"]
        return gamma.reshape(-1), [Attribute("num_groups", 2, integer=len(scale)), *epsilon]
