"""Recognition of normalization layers that exporters write as several nodes.

A group of nodes ends with the multiplication by γ. An addition of β that follows becomes part of the layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from chainrule.core.arrays import Array
from chainrule.interop.onnx.messages import INTEGER, REAL, Attribute, OnnxNode
from chainrule.interop.onnx.operator_call import Call, Feature, Value


@dataclass(frozen=True)
class ResultOf:
    """Matches the result of an operator whose first inputs match patterns; for a commutative one, in either order."""

    operator: str
    inputs: tuple[Pattern, ...]


@dataclass(frozen=True)
class OneOf:
    """Matches a value that matches one of several patterns."""

    patterns: tuple[Pattern, ...]


Pattern = ResultOf | OneOf | float | str  # a number matches this constant; a name any value, but the same everywhere


class NormalizationNodes(NamedTuple):
    """What a pattern matched.

    names   name of the value for each name in the pattern
    nodes   nodes of the operators in the pattern, the last one first
    x       value that is normalized
    gamma   constant that it is multiplied by
    gamma_name   name of this constant in the file, where a Reshape may follow
    """

    names: Mapping[str, str]
    nodes: Sequence[OnnxNode]
    x: Feature
    gamma: Array
    gamma_name: str


class NormalizationLayer(NamedTuple):
    """A normalization operator: its name, its attributes, and γ in the shape that it expects."""

    operator: str
    attributes: list[Attribute]
    gamma: Array


class RecognizedNode(NamedTuple):
    """A node that computes the same as several nodes of the file. Its inputs are a value of the file and γ."""

    node: OnnxNode
    gamma: Array


CENTERED = ResultOf("Sub", ("x", ResultOf("ReduceMean", ("x",))))
SQUARED = OneOf((ResultOf("Pow", (CENTERED, 2.0)), ResultOf("Mul", (CENTERED, CENTERED))))
VARIANCE = ResultOf("ReduceMean", (SQUARED,))
DEVIATION = ResultOf("Sqrt", (ResultOf("Add", (VARIANCE, "epsilon")),))
INVERSE_DEVIATION = ResultOf("Reciprocal", (DEVIATION,))
NORMALIZED = OneOf((ResultOf("Div", (CENTERED, DEVIATION)), ResultOf("Mul", (CENTERED, INVERSE_DEVIATION))))
GROUPED = ResultOf("InstanceNormalization", (ResultOf("Reshape", ("x",)), "scale", "shift"))
GROUPS = ResultOf("Reshape", (GROUPED,))
COMMUTATIVE = ("Add", "Mul")


class NormalizationRecognizer:
    """Finds the nodes of a normalization layer from its last node, the multiplication by γ.

    producers   nodes by the name of their result
    values      known values by name
    """

    def __init__(self, producers: Mapping[str, OnnxNode], values: Mapping[str, Value]) -> None:
        self._producers = producers
        self._values = values

    def match(self, call: Call) -> RecognizedNode | None:
        """Return a node for the normalization that ends with a Mul; None if there is none.

        The node is LayerNormalization or GroupNormalization.
        """
        for pattern, describe in ((NORMALIZED, self._layer_norm), (GROUPS, self._group_norm)):
            candidate = self._candidate(pattern, call)
            if candidate is None:
                continue
            normalization = describe(candidate)
            if candidate.x.shape != call.features[0].shape or normalization is None:
                continue
            node = replace(
                call.operation,
                inputs=[candidate.names["x"], candidate.gamma_name],
                outputs=list(call.operation.outputs),
                operator=normalization.operator,
                attributes=normalization.attributes,
            )
            return RecognizedNode(node, normalization.gamma)
        return None

    def _candidate(self, pattern: Pattern, call: Call) -> NormalizationNodes | None:
        """Return the nodes of a product of a pattern and a constant; None if the last node of a call is no such."""
        names: dict[str, str] = {}
        nodes: list[OnnxNode] = []
        if not self._matches(ResultOf("Mul", (pattern, "gamma")), call.operation.outputs[0], names, nodes):
            return None
        x = self._values[names["x"]]
        if not isinstance(x, Feature):
            return None
        for name, gamma in zip(call.operation.inputs, call.values, strict=True):
            if isinstance(gamma, np.ndarray):
                return NormalizationNodes(names, nodes, x, gamma, name)
        return None

    def _matches(self, pattern: Pattern, name: str, names: dict[str, str], nodes: list[OnnxNode]) -> bool:
        """Return whether a value matches a pattern; store the values with names, and the nodes with operators."""
        if isinstance(pattern, str):
            return names.setdefault(pattern, name) == name
        if isinstance(pattern, int | float):
            return self._number(name) == pattern
        if isinstance(pattern, OneOf):
            return any(self._matches(alternative, name, names, nodes) for alternative in pattern.patterns)
        node = self._producers.get(name)
        if node is None or node.operator != pattern.operator or len(node.inputs) < len(pattern.inputs):
            return False
        nodes.append(node)
        orders = [node.inputs]
        if node.operator in COMMUTATIVE:
            orders.append(node.inputs[::-1])
        for inputs in orders:
            pairs = zip(pattern.inputs, inputs, strict=False)
            if all(self._matches(part, source, names, nodes) for part, source in pairs):
                return True
        return False

    def _number(self, name: str) -> float | None:
        value = self._values.get(name)
        if not isinstance(value, np.ndarray) or value.size != 1:
            return None
        return float(value.reshape(-1)[0])

    def _layer_norm(self, candidate: NormalizationNodes) -> NormalizationLayer | None:
        """Return a LayerNormalization: (x − mean) / √(variance + ε); None if the nodes compute something else."""
        shape = candidate.x.shape
        epsilon = self._number(candidate.names["epsilon"])
        reduced = set[tuple[int, ...]]()
        for node in candidate.nodes:
            if node.operator == "ReduceMean":
                reduced.add(self._axes(node, len(shape)))
        if len(reduced) != 1 or not epsilon:
            return None
        (axes,) = reduced
        first = len(shape) - len(axes)
        if not axes or axes != tuple(range(first, len(shape))) or candidate.gamma.shape != shape[first:]:
            return None
        attributes = [Attribute("axis", INTEGER, integer=first), Attribute("epsilon", REAL, real=epsilon)]
        return NormalizationLayer("LayerNormalization", attributes, candidate.gamma)

    def _axes(self, node: OnnxNode, rank: int) -> tuple[int, ...]:
        """Return the axes of a ReduceMean that keeps them, as an attribute or as a constant; otherwise no axes."""
        axes: list[int] = []
        for attribute in node.attributes:
            if attribute.name == "keepdims" and attribute.integer == 0:
                return ()
            if attribute.name == "axes":
                axes += attribute.integers
        for name in node.inputs[1:2]:
            value = self._values.get(name)
            if isinstance(value, np.ndarray):
                axes += value.reshape(-1).tolist()
        return tuple(sorted(int(axis) % rank for axis in axes))

    def _group_norm(self, candidate: NormalizationNodes) -> NormalizationLayer | None:
        """Return a GroupNormalization: InstanceNormalization between two Reshapes; None for something else."""
        scale = self._values.get(candidate.names["scale"])
        shift = self._values.get(candidate.names["shift"])
        gamma = candidate.gamma
        rank = len(candidate.x.shape)
        by_channel = (*candidate.x.shape[1:2], *[1] * (rank - 2))
        if not isinstance(scale, np.ndarray) or not np.array_equal(scale, np.ones(len(scale))):
            return None
        if not isinstance(shift, np.ndarray) or shift.any() or gamma.shape not in (by_channel, (1, *by_channel)):
            return None
        attributes = [Attribute("num_groups", INTEGER, integer=len(scale))]
        for node in candidate.nodes:
            for attribute in node.attributes:
                if attribute.name == "epsilon":
                    attributes.append(attribute)
        return NormalizationLayer("GroupNormalization", attributes, gamma.reshape(-1))
