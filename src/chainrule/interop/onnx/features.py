"""The values of an ONNX graph during translation: constants, and features, which depend on the network's input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.interop.assembly import reshaped
from chainrule.layers.node import Node

if TYPE_CHECKING:
    from chainrule.interop.onnx.operator_call import Call

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


def for_one_sample(value: Array, shape: Sequence[int]) -> Array:
    """Remove the rows after the first from a constant that has equal rows for all samples of the batch.

    Any other constant is returned unchanged.

    shape   shape in the file, with the batch axis, of the value that the constant is combined with
    """
    if value.ndim != len(shape) or not 1 < len(value) == shape[0]:
        return value
    first = value[:1]
    if np.array_equal(value, np.broadcast_to(first, value.shape), equal_nan=True):
        return first
    return value
