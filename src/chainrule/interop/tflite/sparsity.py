"""Sparse constants of a TensorFlow Lite file: the places of the stored numbers.

The axes of a tensor, and then those of its blocks if it is divided into blocks, are stored one after the other, in an
order of their own. Each is dense, or has a list of indices for each place of the axes before it.
"""

import math
from typing import Any

import numpy as np

from chainrule._io.budget import Budget
from chainrule.core.arrays import Array, Ints, Shape
from chainrule.errors import FormatError

DENSE = 0  # DimensionType
VECTORS = {1: "Int32Vector", 2: "Uint16Vector", 3: "Uint8Vector"}  # by SparseIndexVector


def densified(library: Any, sparsity: Any, values: Array, shape: Shape, budget: Budget) -> Array:
    """Return a tensor with the stored values at their places, and 0 elsewhere; FormatError for a damaged description.

    library    the package tflite
    sparsity   its description of the places
    values     all stored values
    """
    order: list[int] = sparsity.TraversalOrderAsNumpy().tolist()
    block_count = sparsity.BlockMapLength()
    if sorted(order) != [*range(len(shape) + block_count)] or sparsity.DimMetadataLength() != len(order):
        raise FormatError(f"a sparse tensor of shape {shape} has axes {order}")
    places = np.zeros((1, 0), np.int64)
    for level in range(len(order)):
        places = _with_axis(library, sparsity.DimMetadata(level), places, math.prod(shape), budget)
    if len(places) != len(values):
        raise FormatError(f"a sparse tensor has {len(values)} values; expected {len(places)}")
    coordinates = [places[:, order.index(axis)] for axis in range(len(shape))]
    for number in range(block_count):
        axis = int(sparsity.BlockMap(number))
        level = order.index(len(shape) + number)
        size = sparsity.DimMetadata(level).DenseSize()
        coordinates[axis] = coordinates[axis] * size + places[:, level]
    for indices, size in zip(coordinates, shape, strict=True):
        if indices.min() < 0 or indices.max() >= size:
            raise FormatError(f"a sparse tensor has values outside its shape {shape}")
    dense = np.zeros(shape, values.dtype)
    dense[tuple(coordinates)] = values
    return dense


def _with_axis(library: Any, axis: Any, places: Ints, limit: int, budget: Budget) -> Ints:
    """Return the places along another axis: for each place, all indices of a dense axis, or those that are listed.

    limit   number of elements of the tensor, which no number of places exceeds
    """
    if axis.Format() == DENSE:
        size = axis.DenseSize() if 0 < axis.DenseSize() * len(places) <= limit else 0
        counts = np.full(len(places), size)
        indices = np.tile(np.arange(size), len(places))
    else:
        counts = np.diff(_numbers(library, axis.ArraySegmentsType(), axis.ArraySegments()))
        indices = _numbers(library, axis.ArrayIndicesType(), axis.ArrayIndices())
    total = int(counts.sum())
    if len(counts) != len(places) or counts.min(initial=0) < 0 or not 0 < total == len(indices) <= limit:
        raise FormatError(f"a sparse tensor has {len(indices)} indices for {len(counts)} of {len(places)} places")
    budget.write(8 * total * (places.shape[1] + 1), "a sparse tensor")
    return np.column_stack([np.repeat(places, counts, axis=0), indices])


def _numbers(library: Any, kind: int, table: Any) -> Ints:
    """Return the numbers of a vector of one of several types."""
    vector = getattr(library, VECTORS[kind])()
    vector.Init(table.Bytes, table.Pos)
    return np.array(vector.ValuesAsNumpy(), np.int64)
