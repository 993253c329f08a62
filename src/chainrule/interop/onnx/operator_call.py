"""A node of an ONNX graph during translation to layers: its inputs, attributes and results, and errors that name it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.errors import quoted
from chainrule.interop.assembly import Assembly, permuted, reshaped
from chainrule.interop.onnx import tensors
from chainrule.interop.onnx.node_attributes import NodeAttributes
from chainrule.interop.onnx.weight_names import layer_name_of
from chainrule.layers.node import Node

INDEX_TYPE = np.dtype(np.int32)  # of the indices of elements that were moved


@dataclass(frozen=True)
class QuantizationParameters:
    """The numbers that a file stores as integers q from `low` to `high`: scale · (q − zero)."""

    scale: float
    zero: int
    low: int
    high: int


@dataclass(frozen=True)
class Feature:
    """A value that depends on the network's input.

    node      the value in the network, without the batch axis
    batch     batch size of the graph
    batched   whether the first axis of the value in the file is the batch axis. The batch axis can be missing only if
              the batch size is 1
    quantization   how the file stores the numbers of the node as integers; None if it does not
    scalar    whether the value in the file has shape (N,): the only axis of the node, of size 1, is not in the file
    indices   for a value whose elements were moved, the index of each element in the value (N, …) of the node, in the
              shape in the file; else None. See `operators/moved_elements.py`
    moved_by  the last of the calls that moved the elements
    """

    node: Node
    batch: int
    batched: bool = True
    quantization: QuantizationParameters | None = None
    scalar: bool = False
    indices: Array | None = None
    moved_by: Call | None = None

    @property
    def shape(self) -> Shape:
        """Return the shape in the file, with the batch axis if the value has one."""
        if self.indices is not None:
            return self.indices.shape
        if not self.batched:
            return self.node.shape
        if self.scalar:
            return (self.batch,)
        return (self.batch, *self.node.shape)

    def with_node(self, node: Node, *, scalar: bool | None = None) -> Feature:
        """Return a feature for another node, with a batch axis if this feature has one.

        scalar   as the attribute; None: that of this feature
        """
        if scalar is None:
            scalar = self.scalar
        return Feature(node, self.batch, self.batched, scalar=scalar)

    @property
    def element_indices(self) -> Array:
        """The index of each element in the value of the node, in the shape of the value in the file."""
        if self.indices is not None:
            return self.indices
        return np.arange(math.prod(self.shape), dtype=INDEX_TYPE).reshape(self.shape)

    def permuted(self, order: Sequence[int]) -> Feature:
        """Return the value with the axes of a sample in another order."""
        return self.with_node(permuted(self.node, order))

    def as_sample(self) -> Feature:
        """Treat all axes of the value in the file as axes of one sample. The batch size must be 1."""
        return Feature(reshaped(self.node, self.shape), self.batch, batched=False)

    def with_axes(self, rank: int) -> Feature:
        """Add leading axes of size 1, so that the value has `rank` axes. The batch size must be 1.

        The first axis becomes the batch axis if its size is 1 and another axis follows.
        """
        shape = (1,) * (rank - len(self.shape)) + self.shape
        if len(shape) > 1 and shape[0] == 1:
            return Feature(reshaped(self.node, shape[1:]), self.batch)
        return Feature(reshaped(self.node, shape), self.batch, batched=False)


Value = Feature | Array
FuseAdd = Callable[["Call", Shape], Array | None]


@dataclass
class Call(NodeAttributes):
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

    values: Sequence[Value | None]
    opset: int
    assembly: Assembly
    folder: Path | None = None
    fuse_add: FuseAdd | None = None
    open_batch: bool = False
    used_outputs: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.outputs = list(self.operation.outputs)

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

    def layer(self, kind: str, *inputs: Feature, **options: object) -> Feature:
        """Apply a layer without weights, and return its result. `kind` is the name of its class."""
        nodes = [value.node for value in inputs]
        return inputs[0].with_node(self.assembly.apply(kind, *nodes, **options))

    def weighted(
        self, kind: str, x: Feature, options: Mapping[str, object], weights: Mapping[str, Array], *, shared: bool = True
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
    def _weight_source(self) -> tuple[object, ...]:
        """The operator, the names of the constants and the attributes: equal for nodes with the same weights."""
        source: list[object] = [self.operation.operator, *self._constants()]
        for attribute in self.operation.attributes:
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


def for_one_sample(value: Array, shape: Sequence[int]) -> Array:
    """Remove the rows after the first from a constant that has equal rows for all samples of the batch.

    object other constant is returned unchanged.

    shape   shape in the file, with the batch axis, of the value that the constant is combined with
    """
    if value.ndim != len(shape) or not 1 < len(value) == shape[0]:
        return value
    first = value[:1]
    if np.array_equal(value, np.broadcast_to(first, value.shape), equal_nan=True):
        return first
    return value
