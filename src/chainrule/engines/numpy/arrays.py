"""The type of arguments and results of operations, and a view that several of them need."""

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


def spread_bias(b: Array, axes: int) -> Array:
    """Return a view of b that broadcasts over the batch (untied) or over batch and positions (tied)."""
    return b.reshape(b.shape + (1,) * (axes - 1 - b.ndim))
