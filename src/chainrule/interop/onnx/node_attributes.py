"""The attributes of an ONNX node, and errors that name the node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.errors import FormatError, quoted
from chainrule.interop.onnx.messages import Attribute, OnnxNode


class InvalidNodeError(FormatError):
    """Error for a node whose inputs are invalid for its operator at this batch size: no ONNX runtime could run it."""


@dataclass
class NodeAttributes:
    """The attributes of a node.

    operation     the node in the file
    """

    operation: OnnxNode

    def __post_init__(self) -> None:
        self._attributes = {attribute.name: attribute for attribute in self.operation.attributes}

    def attribute(self, name: str) -> Attribute | None:
        """Return an attribute, or None if it is omitted."""
        return self._attributes.get(name)

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an integer attribute, or the default if it is omitted; FormatError if there is no default."""
        attribute = self.attribute(name)
        value = default
        if attribute is not None:
            value = attribute.integer
        if value is None:
            raise self.unsupported(f"attribute {name} is missing", "a whole number")
        return value

    def real(self, name: str, default: float) -> float:
        """Return a float attribute as the shortest decimal number that rounds to the same float32, such as 1e-5."""
        attribute = self.attribute(name)
        if attribute is None or attribute.real is None:
            return default
        return float(str(np.float32(attribute.real)))

    def reals(self, name: str) -> list[float]:
        """Return an attribute that is a list of floats; empty if it is omitted."""
        attribute = self.attribute(name)
        return attribute.reals if attribute else []

    def text(self, name: str, default: str) -> str:
        """Return a string attribute."""
        attribute = self.attribute(name)
        if attribute is None or attribute.text is None:
            return default
        return bytes(attribute.text).decode(errors="replace")

    def choice(self, name: str, *options: str) -> str:
        """Return a string attribute, by default the first option; FormatError for any other value."""
        value = self.text(name, options[0])
        if value not in options:
            raise self.unsupported(f"{name} {value!r}", ", ".join(options))
        return value

    def integers(self, name: str, default: Sequence[int] | None = None) -> list[int]:
        """Return an attribute that is a list of integers, or the default; FormatError if there is no default."""
        attribute = self.attribute(name)
        if attribute is not None:
            if len(attribute.integers) > 64:
                raise self.unsupported(f"attribute {name} has {len(attribute.integers)} elements", "at most 64")
            return attribute.integers
        if default is None:
            raise self.unsupported(f"attribute {name} is missing", "whole numbers")
        return list(default)

    def axis(self, name: str, default: int, rank: int) -> int:
        """Return an attribute that is the index of an axis, converted by `normalize_axis`."""
        return self.normalize_axis(self.integer(name, default), rank)

    def normalize_axis(self, axis: int, rank: int) -> int:
        """Convert an index from −rank to rank − 1 to an axis from 0; InvalidNodeError for any other index."""
        if not -rank <= axis < rank:
            raise self.invalid(f"axis {axis} of {rank}", "an axis of its input")
        return axis % rank

    @property
    def label(self) -> str:
        """The operator and the name of the node, or of its result."""
        node = self.operation
        if node.name:
            return f"{node.operator} {quoted(node.name)}"
        return f"{node.operator} → {quoted(node.outputs[0])}"

    def unsupported(self, actual: str, expected: str) -> FormatError:
        """Return the error for an unsupported node: its operator and name, the actual and the expected value."""
        return FormatError(f"{self.label}: {actual}; expected {expected}")

    def invalid(self, actual: str, expected: str) -> InvalidNodeError:
        """Return the error for a node whose inputs are invalid for its operator."""
        return InvalidNodeError(str(self.unsupported(actual, expected)))
