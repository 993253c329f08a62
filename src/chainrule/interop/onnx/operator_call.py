"""A node of an ONNX graph during translation to layers: its inputs, attributes and results, and errors that name it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import Assembly, reshaped
from chainrule.interop.onnx import tensors
from chainrule.interop.onnx.features import Feature, Value
from chainrule.interop.onnx.messages import Attribute, OnnxNode
from chainrule.interop.onnx.weight_names import layer_name_of


class InvalidNodeError(FormatError):
    """Error for a node whose inputs are invalid for its operator at this batch size: no ONNX runtime could run it."""


FuseAdd = Callable[["Call", Shape], Array | None]


@dataclass
class Call:
    """A node of a graph, to be translated.

    operation     the node in the file
    values        inputs of the node; None for an optional input that is omitted
    opset         version of the ONNX operators in the file
    assembly      receives the layers of the translation
    folder        folder of the files with external tensors; None: external tensors are refused
    fuse_add      function called by `fuse_following_add`; None: no Add is fused
    open_batch    whether the batch size is unspecified in the file
    used_outputs  indices of the outputs that are used
    outputs       names of the results
    """

    operation: OnnxNode
    values: Sequence[Value | None]
    opset: int
    assembly: Assembly
    folder: Path | None = None
    fuse_add: FuseAdd | None = None
    open_batch: bool = False
    used_outputs: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.outputs = list(self.operation.outputs)
        self._attributes = {attribute.name: attribute for attribute in self.operation.attributes}

    def derived(self, operator: str, inputs: Sequence[int], values: Sequence[Value]) -> Call:
        """Return the call of another operator with some of this call's inputs, instead of this call.

        inputs   indices of the inputs
        values   values of the inputs
        """
        node = replace(self.operation, operator=operator, inputs=[self.name_of(index) for index in inputs])
        return replace(self, operation=node, values=values, fuse_add=None)

    @property
    def last_used_output(self) -> int:
        """The index of the last output that is used; 0 if none is."""
        return max(self.used_outputs, default=0)

    # ------------------------------------------------------------------ inputs

    def has_input(self, index: int) -> bool:
        """Return whether an input is present."""
        return index < len(self.values) and self.values[index] is not None

    @property
    def features(self) -> list[Feature]:
        """The inputs that are features."""
        return [value for value in self.values if isinstance(value, Feature)]

    @property
    def first_feature(self) -> int:
        """Index of the first input that is a feature."""
        return next(index for index, value in enumerate(self.values) if isinstance(value, Feature))

    def feature(self, index: int = 0) -> Feature:
        """Return an input that is a feature; FormatError if it is a constant or missing."""
        if not self.has_input(index):
            raise self.unsupported(f"input {index + 1} is missing", "a variable")
        value = self.values[index]
        if not isinstance(value, Feature):
            raise self.unsupported(f"input {index + 1} is a constant", "a variable")
        return value

    def batched_input(self, rank: int | None = None) -> Feature:
        """Return the first input with a batch axis, for operators that require one.

        rank   required number of axes; None: any

        Errors   InvalidNodeError for another rank, FormatError if the input has no batch axis
        """
        x = self.feature()
        if rank is not None and len(x.shape) != rank:
            raise self.invalid(f"an input of {len(x.shape)} axes", f"{rank} axes")
        return self.with_batch_axis(x)

    def with_batch_axis(self, x: Feature) -> Feature:
        """Return a value with a batch axis; FormatError if its first axis cannot be one."""
        if not x.batched:
            x = x.with_axes(len(x.shape))
        if not x.batched:
            raise self.unsupported(f"an input of {x.shape}, which has no batch axis", "the batch axis first")
        return x

    def constant(self, index: int) -> Array:
        """Return an input that is a constant; FormatError if it is a feature or missing."""
        value = self.optional_constant(index)
        if value is None:
            raise self.unsupported(f"input {index + 1} is missing", "a constant")
        return value

    def optional_constant(self, index: int) -> Array | None:
        """Return an input that is a constant, or None if it is missing; FormatError if it is a feature."""
        if not self.has_input(index):
            return None
        value = self.values[index]
        if isinstance(value, Feature):
            raise self.unsupported(f"input {index + 1} depends on the network's input", "a constant")
        return value

    def number_input(self, index: int, default: float) -> float:
        """Return the first number of a constant input; the default if it is missing."""
        value = self.optional_constant(index)
        if value is None:
            return default
        return float(value.reshape(-1)[0])

    def integer_input(self, index: int) -> list[int]:
        """Return the integers in a constant input; FormatError for any other input."""
        value = self.constant(index)
        if value.dtype.kind not in "iu" or value.ndim > 1 or value.size > 64:
            raise self.unsupported(f"input {index + 1} has type {value.dtype} and shape {value.shape}", "whole numbers")
        return value.reshape(-1).tolist()

    def name_of(self, index: int) -> str:
        """Return the name of an input in the file; "" if it is omitted."""
        return self.operation.inputs[index] if index < len(self.operation.inputs) else ""

    # ------------------------------------------------------------------ attributes

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

    def tensor(self, name: str) -> Array | None:
        """Return a tensor attribute, or None if it is omitted."""
        attribute = self.attribute(name)
        if attribute is None or attribute.tensor is None:
            return None
        return tensors.array(attribute.tensor, self.folder, self.assembly.budget)

    def input_or_attribute(self, name: str, index: int, since: int) -> list[int] | None:
        """Return integers from an input or, before opset `since`, from an attribute; None if they are omitted.

        name    name of the attribute
        index   index of the input
        """
        if self.opset < since:
            return self.integers(name) if self.attribute(name) else None
        return self.integer_input(index) if self.has_input(index) else None

    def axis(self, name: str, default: int, rank: int) -> int:
        """Return an attribute that is the index of an axis, converted by `normalize_axis`."""
        return self.normalize_axis(self.integer(name, default), rank)

    def normalize_axis(self, axis: int, rank: int) -> int:
        """Convert an index from −rank to rank − 1 to an axis from 0; InvalidNodeError for any other index."""
        if not -rank <= axis < rank:
            raise self.invalid(f"axis {axis} of {rank}", "an axis of its input")
        return axis % rank

    def sample_axes(self, x: Feature, axes: Sequence[int]) -> tuple[Feature, list[int]]:
        """Convert axes in the file to axes of a sample. Return the value and the converted indices.

        If the batch axis is among the axes, it becomes an axis of the sample. FormatError if its size is not 1.

        axes   indices in the file, not negative
        """
        if x.batched and 0 in axes:
            if x.batch != 1:
                raise self.unsupported(f"axis 0 of {x.shape}, the batch axis", "an axis of a sample")
            x = x.as_sample()
        return x, [axis - x.batched for axis in axes]

    # ------------------------------------------------------------------ cost

    def allocated(self, shape: Sequence[int], item: int) -> Shape:
        """Charge an array before it is computed, and return its shape; FormatError for a negative size.

        item   bytes per element
        """
        if any(size < 0 for size in shape) or len(shape) > tensors.MAX_AXES:
            raise self.unsupported(f"a result of shape {quoted(tuple(shape))}", "sizes of at least 0")
        self.charge(math.prod(shape) * item)
        return tuple(shape)

    def charge(self, count: int) -> None:
        """Charge bytes to the budget of the file."""
        self.assembly.budget.write(count, self.label)

    def visit(self, count: int) -> None:
        """Charge steps to the budget of the file."""
        self.assembly.budget.visit(count, self.label)

    # ------------------------------------------------------------------ results

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

    def layer(self, kind: str, *inputs: Feature, **options: Any) -> Feature:
        """Apply a layer without weights, and return its result. `kind` is the name of its class."""
        nodes = [value.node for value in inputs]
        return inputs[0].with_node(self.assembly.apply(kind, *nodes, **options))

    def weighted(
        self, kind: str, x: Feature, options: dict[str, Any], weights: dict[str, Array], *, shared: bool = True
    ) -> Feature:
        """Apply a layer with weights, and return its result.

        The layer is named after the first constant of the node, or after the module that contains the node.

        kind     name of the layer's class
        shared   whether nodes with the same constants become one layer with shared weights
        """
        name = self.weighted_layer_name or self._scope
        source = self._weight_source if shared else None
        return x.with_node(self.assembly.apply_weighted(kind, x.node, options, weights, name, source))

    @property
    def _weight_source(self) -> tuple[Any, ...]:
        """The operator, the names of the constants and the attributes: equal for nodes with the same weights."""
        source: list[Any] = [self.operation.operator, *self._constants()]
        for attribute in self._attributes.values():
            source.append((attribute.name, attribute.real, attribute.integer, *attribute.integers))
        return tuple(source)

    @property
    def weighted_layer_name(self) -> str | None:
        """The layer's name, from the name of the node's first constant; None if this is not a name of weights."""
        constants = self._constants()
        return layer_name_of(constants[0]) if constants else None

    @property
    def _scope(self) -> str | None:
        """Path of the module in PyTorch's name of a node: layer1.0.conv in /layer1/layer1.0/conv/MatMul; else None."""
        root, *parts = self.operation.name.split("/")
        if root or len(parts) < 2:
            return None
        path: list[str] = []
        for part in parts[:-1]:
            if path and part.startswith(f"{path[-1]}."):
                path.pop()
            path.append(part)
        return ".".join(path)

    def _constants(self) -> list[str]:
        """Return the names of the inputs that are constants."""
        pairs = zip(self.operation.inputs, self.values, strict=True)
        return [name for name, value in pairs if isinstance(value, np.ndarray)]

    def reshape(self, x: Feature, shape: Sequence[int], *, scalar: bool | None = None) -> Feature:
        """Return a value in another shape.

        shape   new shape, without the batch axis
        """
        if not all(size > 0 for size in shape):
            raise self.unsupported(f"shape {tuple(shape)}", "sizes above 0, and the batch axis first")
        return x.with_node(reshaped(x.node, tuple(shape)), scalar=scalar)

    def fuse_following_add(self, shape: Sequence[int]) -> Array | None:
        """Return the constant that the next node, an Add, adds to this node's result. The Add node is then skipped.

        Return None if there is no such Add, if another node reads the result, or if the constant does not fit.

        shape   shape that the constant must fit, with as many axes as the result has in the file
        """
        return self.fuse_add(self, tuple(shape)) if self.fuse_add else None
