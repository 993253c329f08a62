"""Choice of the kernels of a convolution: an estimate of what each computes, in multiply-adds for one weight.

`convolution.py` has neighbouring outputs side by side in vectors, for eight or six filters at a time, and so has
`one_by_one.py`, which copies nothing but can do no other windows. `filters.py` and `taps.py` have filters side by side,
for which they transpose all weights, whatever the number of samples; the second leaves out taps that lie on padding,
but stores the sums after each.
"""

import math
from collections.abc import Sequence
from typing import Any

from chainrule.engines.numba.layout import correlate_shape
from chainrule.engines.numba.registry import Attributes
from chainrule.engines.numba.tiles import lanes
from chainrule.engines.numba.toolchain import COUNT
from chainrule.shapes import Pair

# Multiply-adds of a vector that take as long as copying a row of sums, transposing sums, storing them after every tap.
COPIED, TRANSPOSED, STORED = 5, 8, 8
PACKED, PACKED_FAR = 12, 40  # outputs that take as long as transposing the weights, for one sample; of many weights
IN_PLACE = 0.85  # how long `one_by_one.py` takes for one sample, where others copy what they then read once
MANY = 1 << 20  # weights that no cache holds twice
GATHERED, SPREAD = 15, 25  # multiply-adds of one element that take as long as gathering, or spreading, a strided cell
ODD = 0.1  # how much longer a tile of one vector of filters takes than half a tile of two
POINTS = (3, 2, 8) if COUNT == 32 else (2, 1, 6)  # vectors of a tile of `one_by_one.py`, fewer, and its filters
GRADIENTS = 10 if COUNT == 32 else 6  # taps or channels of a tile of a kernel gradient, see `filters.COLUMNS`


def filters_fit(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether `filters.correlate_filters` computes least for a cross-correlation."""
    rows, points, filters, taps = _forward(arrays, given, itemsize)
    return filters <= min(rows, taps) and filters < points


def taps_fit(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether `taps.correlate_taps` computes least for a cross-correlation."""
    rows, points, filters, taps = _forward(arrays, given, itemsize)
    return taps < min(rows, points, filters)


def points_fit(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether `one_by_one.correlate_points` computes least for a cross-correlation."""
    rows, points, filters, taps = _forward(arrays, given, itemsize)
    return points <= min(filters, taps) and points < rows


def points_fit_dx(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether `one_by_one.correlate_points_dx` can compute an input gradient: no other computes less."""
    dy, w = arrays[0].shape, arrays[1].shape
    return _points(w[1], dy[-2:], w[2:], w[0], given, itemsize) < math.inf


def taps_fit_dx(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether `taps.correlate_taps_dx` computes less than `convolution.cross_correlate_dx`."""
    dy, w = arrays[0].shape[-2:], arrays[1].shape
    stride = given.get("stride", (1, 1))
    phase = [-(-cells // step) for cells, step in zip(given["size"], stride, strict=True)]
    weights = w[0] * math.prod(w[2:])
    rows = _rows(w[1], phase, w[2:], w[0], given, itemsize, SPREAD)
    pairs = _pairs(given["size"], w[2:], dy, given) * (1 + STORED / w[0])
    taps = _side_by_side(w[1], itemsize) * (pairs + math.prod(given["size"]) * TRANSPOSED / weights)
    return given.get("groups", 1) == 1 and taps < rows and not points_fit_dx(arrays, given, itemsize)


def filters_fit_dw(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether `filters.correlate_filters_dw` computes least for a kernel gradient."""
    rows, filters, taps = _gradient(arrays, given, itemsize)
    return filters <= min(rows, taps)


def taps_fit_dw(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether `taps.correlate_taps_dw` computes least for a kernel gradient."""
    rows, filters, taps = _gradient(arrays, given, itemsize)
    return taps < min(rows, filters)


def _forward(arrays: Sequence[Any], given: Attributes, itemsize: int) -> tuple[float, float, float, float]:
    """Return the estimates of the four kernels of a cross-correlation; infinite where one cannot compute it."""
    x, w = arrays[0].shape, arrays[1].shape
    y = correlate_shape(arrays, {**given, "pooled": False})[0][-2:]
    weights, outputs = math.prod(w[1:]), math.prod(y)
    filters = _side_by_side(w[0], itemsize) * (1.0 if given.get("groups", 1) == 1 else math.inf)
    transposed = outputs * TRANSPOSED / weights
    if given.get("single"):
        transposed += PACKED_FAR if w[0] * weights >= MANY else PACKED
    taps = filters * (_pairs(x[-2:], w[2:], y, given) * (1 + STORED / x[-3]) + transposed)
    tied = len(arrays) < 3 or arrays[2] is None or len(arrays[2].shape) == 1
    points = _points(w[0], y, w[2:], w[1], given, itemsize) if tied else math.inf
    points *= IN_PLACE if given.get("single") else 1
    return _rows(w[0], y, w[2:], w[1], given, itemsize), points, filters * (outputs + transposed), taps


def _gradient(arrays: Sequence[Any], given: Attributes, itemsize: int) -> tuple[float, float, float]:
    """Return the estimates of the three kernels of a kernel gradient; infinite where one cannot compute it."""
    x, dy, kernel = arrays[0].shape[-3:], arrays[1].shape[-3:], given["kernel"]
    filters = _side_by_side(dy[0], itemsize) * (1.0 if given.get("groups", 1) == 1 else math.inf)
    weights, outputs = x[0] * math.prod(kernel), math.prod(dy[1:])
    transposed = outputs * TRANSPOSED / weights
    taps = filters * (_pairs(x[1:], kernel, dy[1:], given) * _round_up(x[0], GRADIENTS) / x[0] + transposed)
    filters *= outputs * _round_up(weights, GRADIENTS) / weights + transposed
    return _rows(dy[0], dy[1:], kernel, x[0], given, itemsize), filters, taps


def _rows(
    filters: int,
    size: Sequence[int],
    kernel: Sequence[int],
    channels: int,
    given: Attributes,
    itemsize: int,
    strided: int = GATHERED,
) -> float:
    """Return the multiply-adds of vectors of outputs, in rows with margins between them, per weight of each filter.

    With a stride, outputs come to lie side by side only after the cells of the image have been gathered.
    """
    stride, taps = given.get("stride", (1, 1)), math.prod(kernel)
    length = _round_up((size[0] - 1) * (size[1] + (kernel[1] - 1) // stride[1]) + size[1], lanes(itemsize))
    computed = length * min(_round_up(filters, tile) for tile in (8, 6)) / filters
    gathered = strided * math.prod(stride) / (filters * taps) if tuple(stride) != (1, 1) else 0
    return computed * (1 + COPIED / (channels * taps) + gathered)


def _points(
    filters: int, size: Sequence[int], kernel: Sequence[int], channels: int, given: Attributes, itemsize: int
) -> float:
    """Return the multiply-adds of whole tiles of positions and filters; infinite where an image does not fill one."""
    (_, low, broad), vector = POINTS, lanes(itemsize)
    plain = max(given.get("stride", (1, 1))) == 1 and not any(map(any, given.get("padding", ())))
    fits = filters >= broad and math.prod(size) >= low * vector and math.prod(kernel) == 1
    if not (fits and plain and given.get("groups", 1) == 1):
        return math.inf
    return _round_up(math.prod(size), vector) * _round_up(filters, broad) / filters * (1 + 1 / channels)


def _side_by_side(filters: int, itemsize: int) -> float:
    """Return the multiply-adds of vectors of filters, for each filter."""
    across = _round_up(filters, lanes(itemsize))
    odd = across // lanes(itemsize) % 2
    return (across + odd * ODD * lanes(itemsize)) / filters


def _pairs(image: Sequence[int], kernel: Sequence[int], outputs: Sequence[int], given: Attributes) -> float:
    """Return the mean number, over the taps of a kernel, of outputs whose cell under the tap lies in the image."""
    axes = zip(image, kernel, outputs, given.get("stride", (1, 1)), given.get("padding", ((0, 0), (0, 0))),
               given.get("dilation", (1, 1)), strict=True)  # fmt: skip
    return math.prod(_pairs_along(*axis) for axis in axes)


def _pairs_along(cells: int, taps: int, outputs: int, stride: int, padding: Pair, dilation: int) -> float:
    """Return the same along one axis."""
    ahead = [u * dilation - padding[0] for u in range(taps)]
    ends = [(max(0, -(a // stride)), min(outputs, (cells - 1 - a) // stride + 1)) for a in ahead]
    return sum(max(0, last - first) for first, last in ends) / taps


def _round_up(count: int, tile: int) -> int:
    """Return the entries of the whole tiles that hold a number of them."""
    return -(-count // tile) * tile
