"""Selection of the kernel for an operation: the one with the operation's name, or one of its `SPECIAL_KERNELS`.

The arguments of a kernel are the arrays that it reads, the arrays that it writes, and its attributes, in the order of
its signature. Results are overwritten, except for gradients of parameters: kernels add to them, so that the blocks of a
batch are summed. Facts about a kernel are stated where it is registered (see `registry`); a new file of kernels is
listed in `FAMILIES`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.native.kernels import (
    activations,
    convolution,
    dense,
    depthwise,
    direct_rows,
    divided_normalization,
    filters,
    geometry,
    group_normalization,
    losses,
    merging,
    normalization,
    pooling,
    taps,
    updates,
    winograd,
)
from chainrule.engines.native.kernels.registry import KERNELS, PARTWISE, UNCONDITIONAL, Conditions, KernelEntry

Array = NDArray[Any]

# Importing a file of kernels registers them.
FAMILIES = (
    activations,
    convolution,
    dense,
    depthwise,
    direct_rows,
    divided_normalization,
    filters,
    geometry,
    group_normalization,
    losses,
    merging,
    normalization,
    pooling,
    taps,
    updates,
    winograd,
)

# Operation → kernels for special cases, in the order they are tried; see `KernelEntry.fits`. If none fits, the kernel
# with the operation's name is used.
SPECIAL_KERNELS: dict[str, tuple[Any, ...]] = {
    "max_pool": (pooling.largest_cells,),
    "average_pool": (pooling.average_pool_whole,),
    "average_pool_dx": (pooling.average_pool_whole_dx,),
    "multiply": (merging.multiply_images,),
    "cross_correlate": (
        depthwise.correlate_few,
        filters.correlate_filters,
        direct_rows.correlate_rows,
        taps.correlate_taps,
        winograd.correlate_winograd,
        winograd.correlate_winograd_5x5,
    ),
    "cross_correlate_dx": (
        depthwise.correlate_few_dx,
        taps.correlate_taps_dx,
        winograd.correlate_winograd_dx,
        winograd.correlate_winograd_5x5_dx,
    ),
    "cross_correlate_dw": (
        depthwise.correlate_few_dw,
        filters.correlate_filters_dw,
        taps.correlate_taps_dw,
        winograd.correlate_winograd_dw,
        winograd.correlate_winograd_5x5_dw,
    ),
}
ALTERNATIVES = {name: [KERNELS[function.__name__] for function in kernels] for name, kernels in SPECIAL_KERNELS.items()}


def known() -> list[str]:
    """Return the names of all kernels, and of the operations on any number of arrays."""
    return [*KERNELS, *PARTWISE]


def select_kernel(
    name: str,
    arrays: Sequence[Any],
    attributes: Mapping[str, Any],
    itemsize: int,
    conditions: Conditions = UNCONDITIONAL,
) -> str:
    """Return the name of the kernel that computes an operation on arrays of these shapes.

    name      name of the operation
    itemsize  bytes of an element
    """
    for entry in ALTERNATIVES.get(name, ()):
        if entry.fits(arrays, attributes, itemsize, conditions):
            return entry.name
    return name


def call(
    name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any], conditions: Conditions = UNCONDITIONAL
) -> tuple[Array, ...]:
    """Run a single operation, and return its results.

    Arrays that are not contiguous or are read-only are copied first.
    """
    inputs = [None if array is None else np.require(array, requirements=("C", "W")) for array in arrays]
    options = {key: value for key, value in attributes.items() if value is not None}
    dtype = next(array.dtype for array in inputs if array is not None and array.dtype.kind == "f")
    if name in PARTWISE:
        return (_run_partwise(name, [array for array in inputs if array is not None], options),)
    entry = KERNELS[select_kernel(name, inputs, options, dtype.itemsize, conditions)]
    return _run_update(entry, inputs, options) if entry.in_place else run_kernel(entry, inputs, options, dtype)


def run_kernel(
    entry: KernelEntry, inputs: Sequence[Array | None], attributes: Mapping[str, Any], dtype: np.dtype[Any]
) -> tuple[Array, ...]:
    """Run a kernel on contiguous arrays of one dtype, and return the arrays that it writes."""
    names = entry.arrays[len(inputs) :]
    results = [
        np.zeros(shape, np.int32 if own in entry.integers else dtype)
        for own, shape in zip(names, entry.shapes(inputs, attributes), strict=True)
    ]
    passed = [
        array.reshape(-1) if own in entry.flat and array is not None else array
        for own, array in zip(entry.arrays, [*inputs, *results], strict=True)
    ]
    entry.call(passed, attributes)
    return tuple(results)


def _run_partwise(name: str, inputs: list[Array], attributes: Mapping[str, Any]) -> Array:
    """Run an operation on any number of arrays. The kernel writes a part of the result for each array."""
    kernel, divide = PARTWISE[name]
    entry = KERNELS[kernel]
    divided = divide([array.shape for array in inputs], attributes)
    result = np.zeros(entry.shapes(inputs[:1], divided[0])[0], inputs[0].dtype)
    for array, own in zip(inputs, divided, strict=True):
        entry.call((array, result), own)
    return result


def _run_update(entry: KernelEntry, inputs: list[Array | None], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
    """Run a kernel that works in place on copies of its arrays, and return the modified copies."""
    arrays = [np.array(array) for array in inputs]
    entry.call(arrays, attributes)
    return tuple(array for own, array in zip(entry.arrays, arrays, strict=True) if own in entry.in_place)
