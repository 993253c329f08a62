"""Choice between vectors of neighbouring outputs and vectors of filters: whichever a convolution leaves less empty.

`convolution.py` has outputs side by side, eight or six filters at a time; `filters.py` has filters side by side.
"""

from collections.abc import Sequence
from typing import Any

from chainrule.engines.numba.layout import correlate_shape
from chainrule.engines.numba.registry import Attributes
from chainrule.engines.numba.tiles import lanes

GATHERED = 0.7  # speed of tiles of outputs where a stride gathers the cells of images, with respect to stride 1


def filters_fit(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether vectors of filters of a cross-correlation have less to spare than vectors of outputs."""
    size, w = correlate_shape(arrays, {**given, "pooled": False})[0][-2:], arrays[1].shape
    return _fill_better(w[0], size, w[3] - 1, given, itemsize)


def channels_fit(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return the same for the input gradient, whose filters are the channels, and whose phases need no gathering."""
    stride, w = given.get("stride", (1, 1)), arrays[1].shape
    size = [-(-cells // step) for cells, step in zip(given["size"], stride, strict=True)]
    return _fill_better(w[1], size, (w[3] - 1) // stride[1], {**given, "stride": (1, 1)}, itemsize)


def gradients_fit(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return the same for the kernel gradient."""
    filters, *size = arrays[1].shape[-3:]
    return _fill_better(filters, size, given["kernel"][1] - 1, given, itemsize)


def _fill_better(filters: int, size: Sequence[int], margin: int, given: Attributes, itemsize: int) -> bool:
    """Return whether filters leave less of their vectors empty than rows of outputs with margins between them do.

    With a stride, outputs come to lie side by side only after the cells of the image have been gathered.
    """
    along = _share_used((size[0] - 1) * (size[1] + margin) + size[1], lanes(itemsize), size[0] * size[1])
    along *= max(_share_used(filters, tile) for tile in (8, 6))
    gathered = GATHERED if tuple(given.get("stride", (1, 1))) != (1, 1) else 1.0
    return given.get("groups", 1) == 1 and _share_used(filters, lanes(itemsize)) > along * gathered


def _share_used(count: int, tile: int, used: int | None = None) -> float:
    """Return how much of the whole tiles that hold `count` entries is used."""
    return (used or count) / (-(-count // tile) * tile)
