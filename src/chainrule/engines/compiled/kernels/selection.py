"""Which kernel computes which operation.

A kernel gets the arrays it reads, the arrays it writes, and its attributes, in the order of its signature. What it
writes is overwritten, except for gradients of parameters, to which it adds: blocks of a batch are summed that way.
Each kernel states its facts beside itself (see `registry`); a new file of kernels is imported here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.compiled.kernels import (  # noqa: F401
    activations,
    bias,
    common_windows,
    convolution,
    dense,
    depthwise,
    divided_normalization,
    dropout,
    filters,
    geometry,
    group_normalization,
    losses,
    merging,
    normalization,
    one_by_one,
    patches,
    pooling,
    prelu,
    resampling,
    response_normalization,
    taps,
    updates,
    winograd,
    winograd_5x5,
)
from chainrule.engines.compiled.kernels.registry import ALTERNATIVES, KERNELS, PARTWISE, KernelEntry

Array = NDArray[Any]


def known() -> list[str]:
    """Return the names of all operations."""
    return [*KERNELS, *PARTWISE]


def select_kernel(name: str, arrays: Sequence[Any], attributes: Mapping[str, Any], itemsize: int) -> str:
    """Return the name of the kernel for an operation on arrays of such shapes."""
    for entry in ALTERNATIVES.get(name, ()):
        if entry.fits(arrays, attributes, itemsize):
            return entry.name
    return name


def call(name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
    """Run one operation by itself: results are allocated, inputs made contiguous.

    Read-only arrays are copied.
    """
    given = [None if array is None else np.require(array, requirements=("C", "W")) for array in arrays]
    known = {key: value for key, value in attributes.items() if value is not None}
    dtype = next(array.dtype for array in given if array is not None and array.dtype.kind == "f")
    if name in PARTWISE:
        return (_run_partwise(name, [array for array in given if array is not None], known),)
    entry = KERNELS[select_kernel(name, given, known, dtype.itemsize)]
    return _run_update(entry, given, known) if entry.in_place else run_kernel(entry, given, known, dtype)


def run_kernel(
    entry: KernelEntry, given: Sequence[Array | None], attributes: Mapping[str, Any], dtype: np.dtype[Any]
) -> tuple[Array, ...]:
    """Run a kernel on contiguous arrays of one dtype, and return the arrays that it writes."""
    names = entry.arrays[len(given) :]
    results = [
        np.zeros(shape, np.int32 if own in entry.integers else dtype)
        for own, shape in zip(names, entry.shapes(given, attributes), strict=True)
    ]
    passed = [
        array.reshape(-1) if own in entry.flat and array is not None else array
        for own, array in zip(entry.arrays, [*given, *results], strict=True)
    ]
    entry.kernel(*passed, *entry.arguments(len(passed), attributes))
    return tuple(results)


def _run_partwise(name: str, given: list[Array], attributes: Mapping[str, Any]) -> Array:
    """Run an operation of any number of arrays, each of which is a part of the result."""
    kernel, divide = PARTWISE[name]
    entry = KERNELS[kernel]
    divided = divide([array.shape for array in given], attributes)
    result = np.zeros(entry.shapes(given[:1], divided[0])[0], given[0].dtype)
    for array, own in zip(given, divided, strict=True):
        entry.kernel(array, result, *entry.arguments(2, own))
    return result


def _run_update(entry: KernelEntry, given: list[Array | None], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
    """Run a kernel that works in place on copies, and return those that it changes."""
    arrays = [np.array(array) for array in given]
    entry.kernel(*arrays, *entry.arguments(len(arrays), attributes))
    return tuple(array for own, array in zip(entry.arrays, arrays, strict=True) if own in entry.in_place)
