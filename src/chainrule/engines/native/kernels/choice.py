"""Choice of the kernel of a convolution by estimated cost.

Estimates are in multiply-adds per weight: the multiply-adds in all lanes of the vectors, including unused lanes,
divided by the number of weights, plus the overheads in `KernelCosts`. The kernel with the lowest estimate is chosen.

convolution.py   vectors of neighboring outputs, for a tile of filters at a time
direct_rows.py   like convolution.py, but without copies of the sums; for rows that are at least as long as a vector
filters.py       vectors of filters; transposes all weights, for any number of samples
taps.py          vectors of filters, tap by tap: skips padding, but loads and stores the sums for every tap
winograd.py      36 products per tile instead of 144 (3×3) or 100 (5×5), plus transforms

docs/compiled-engine.md shows what is chosen.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from chainrule.core.shapes import NO_PADDING, Pair
from chainrule.engines.native.kernels.layout import correlate_shape
from chainrule.engines.native.kernels.registry import UNCONDITIONAL, Attributes, Conditions, Fit, lanes
from chainrule.engines.native.kernels.row_tiles import (
    BASE_TILE,
    FILTER_COLUMNS,
    LONG_SIDE,
    SHORT_SIDE,
    TILE_OF_5,
    TILE_OF_6,
    in_tall_tiles,
)
from chainrule.engines.native.library import COUNT, WIDTH

UNCACHED_WEIGHTS = 1 << 18  # weights; twice as many float32 numbers do not fit into a fast cache
SAMPLES_PER_TRANSFORM = 12  # samples of a typical block, which share the transformed kernels
CACHED_KERNELS, MAX_MEMORY_FACTOR = (
    1 << 12,
    13,
)  # pairs of filter and channel whose transformed weights stay in a cache; largest factor of the time for more pairs
TILE_CELLS = 6  # rows and columns of the input of a tile of `winograd_tiles.py`
WINOGRAD: dict[tuple[int, ...], str] = {(3, 3): "correlate_winograd", (5, 5): "correlate_winograd_5x5"}
ROW_TILES = BASE_TILE, TILE_OF_6, TILE_OF_5  # vectors, vectors for the rest of a row, filters of a tile
GRADIENT_TILES = (SHORT_SIDE, LONG_SIDE), (LONG_SIDE, SHORT_SIDE)  # filters and taps
MAX_WASTE_FACTOR = 2  # largest factor for a tile with few taps, which is limited by memory and not by multiply-adds


class KernelCosts(NamedTuple):
    """Costs of the overheads of kernels, fitted to timings of random convolutions.

    The unit is one multiply-add of a vector, unless another unit or "factor" is stated. A factor multiplies the
    multiply-adds of a kernel, to account for memory accesses that the counts omit.

    copied        copying a vector of sums to the result (convolution.py)
    transposed    transposing a vector of sums (filters.py, taps.py)
    stored        loading and storing a vector of sums after each tap (taps.py)
    packed        transposing the weights for a single sample, as the number of outputs computed in the same time
    packed_far    like `packed`, for at least `UNCACHED_WEIGHTS` weights, which come from a slower cache
    direct        storing a vector of sums in the result (direct_rows.py)
    gathered      gathering an input element if there is a stride, in multiply-adds of one element (convolution.py)
    spread        scattering an element of dx if there is a stride, in multiply-adds of one element (convolution.py)
    odd           extra cost of a tile with one vector of filters, as a fraction of half a tile with two
    odd_taps      like `odd`, for kernel gradients in taps.py
    cells         Winograd transform of the input of a tile, per weight of a kernel
    results       Winograd transform of the results of a tile, per weight of a kernel
    kernels       Winograd transform of a kernel, per weight, for a single sample
    added_across  factor of kernel gradients in convolution.py, which add up the lanes of each sum
    """

    copied: float
    transposed: float
    stored: float
    packed: float
    packed_far: float
    direct: float
    gathered: float
    spread: float
    odd: float
    odd_taps: float
    cells: float
    results: float
    kernels: float
    added_across: float


MANY_REGISTERS = KernelCosts(  # measured with AVX-512, on an Intel Xeon; `direct`, `cells` and `results` on an AMD EPYC
    copied=8,
    transposed=9,
    stored=6,
    packed=6,
    packed_far=12,
    direct=3,
    gathered=6,
    spread=20,
    odd=0.15,
    odd_taps=0.45,
    cells=40,
    results=70,
    kernels=70,
    added_across=1.4,
)
FEW_REGISTERS = MANY_REGISTERS._replace(  # measured with AVX2, on an AMD EPYC
    copied=12,
    transposed=7,
    stored=4,
    packed=4,
    packed_far=9,
    gathered=10,
    odd=0.35,
    odd_taps=0.75,
    cells=30,
    results=60,
    kernels=50,
    added_across=1.25,
)
NARROW_VECTORS = FEW_REGISTERS._replace(  # measured with SSE, where a multiply-add takes two to three instructions
    copied=0,
    transposed=0,
    stored=2.8,
    packed=0,
    packed_far=0,
    direct=0,
    gathered=5,
    spread=10,
    odd=0,
    odd_taps=0,
    cells=0,
    results=35,
    kernels=12,
    added_across=0.9,
)
COSTS = MANY_REGISTERS if COUNT == 32 else FEW_REGISTERS if WIDTH == 32 else NARROW_VECTORS


Estimates = Callable[[Sequence[Any], Attributes, int, Conditions], Mapping[str, float]]


def forward_fit(name: str) -> Fit:
    """Return a function for `KernelEntry.fits`: whether `name` has the lowest estimate for a cross-correlation."""
    return _has_least(forward_estimates, name)


def input_gradient_fit(name: str) -> Fit:
    """Return a function for `KernelEntry.fits`: whether `name` has the lowest estimate for an input gradient."""
    return _has_least(input_gradient_estimates, name)


def kernel_gradient_fit(name: str) -> Fit:
    """Return a function for `KernelEntry.fits`: whether `name` has the lowest estimate for a kernel gradient."""
    return _has_least(kernel_gradient_estimates, name)


def _has_least(estimates: Estimates, name: str) -> Fit:
    """Return a function for `KernelEntry.fits`: whether the kernel `name` has the lowest of the estimates.

    If estimates are equal, the first kernel is chosen.
    """

    def fits(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
        estimates_by_kernel = estimates(arrays, attributes, itemsize, conditions)
        return min(estimates_by_kernel, key=lambda kernel: estimates_by_kernel[kernel]) == name

    return fits


def forward_estimates(
    arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions = UNCONDITIONAL
) -> dict[str, float]:
    """Return kernel name → estimate for a cross-correlation of (x, w, b).

    The estimate is infinite, or missing (`winograd.py`), if the kernel cannot compute the cross-correlation.
    """
    x, w = arrays[0].shape, arrays[1].shape
    y = correlate_shape(arrays, {**attributes, "pooled": False})[0][-2:]
    weights, outputs = math.prod(w[1:]), math.prod(y)
    filters = _side_by_side(w[0], itemsize) * (1.0 if attributes.get("groups", 1) == 1 else math.inf)
    transposed = outputs * COSTS.transposed / weights + _packed(w, conditions)
    taps = filters * (_pairs(x[-2:], w[2:], y, attributes) * (1 + COSTS.stored / x[-3]) + transposed)
    tied = len(arrays) < 3 or arrays[2] is None or len(arrays[2].shape) == 1
    width = _width(x[-1], attributes)
    direct = _direct_rows(w[0], y, width, w[1:], attributes, itemsize) if tied and not conditions.pooled else math.inf
    return {
        "correlate_rows": direct,
        "correlate_filters": filters * (outputs + transposed),
        "cross_correlate": _rows(w[0], y, width, w[1:], attributes, itemsize),
        "correlate_taps": taps,
        **(_winograd("", (w[0], w[1]), y, w[2:], attributes, itemsize, conditions) if tied else {}),
    }


def input_gradient_estimates(
    arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions = UNCONDITIONAL
) -> dict[str, float]:
    """Return kernel name → estimate for an input gradient from (dy, w); see `forward_estimates`.

    The gradient is a convolution of dy in the other direction: channels and filters are exchanged in the estimates, and
    with a stride, each phase of dx has a part of the taps. Winograd's kernel needs `within`: its dy is padded with
    zeros, so that no row or column of dy may be skipped.
    """
    dy, w, size = arrays[0].shape[-2:], arrays[1].shape, attributes["size"]
    stride = attributes.get("stride", (1, 1))
    phase = [-(-cells // step) for cells, step in zip(size, stride, strict=True)]
    weights = w[0] * math.prod(w[2:])
    pairs = _pairs(size, w[2:], dy, attributes) * (1 + COSTS.stored / w[0])
    taps = _side_by_side(w[1], itemsize) * (
        pairs + math.prod(size) * COSTS.transposed / weights + _packed(w, conditions)
    )
    reaches = [
        apart * (taps_on_axis - 1)
        for apart, taps_on_axis in zip(attributes.get("dilation", (1, 1)), w[2:], strict=True)
    ]
    pads = map(max, attributes.get("padding", NO_PADDING))
    within = all(zeros <= reach for zeros, reach in zip(pads, reaches, strict=True))
    right = reaches[1] // stride[1] if stride[1] > 1 else reaches[1] - min(attributes.get("padding", NO_PADDING)[1])
    return {
        "cross_correlate_dx": _rows(
            w[1], phase, dy[1] + right, (w[0], *w[2:]), attributes, itemsize, strided=COSTS.spread
        ),
        "correlate_taps_dx": taps if attributes.get("groups", 1) == 1 else math.inf,
        **(_winograd("_dx", (w[1], w[0]), size, w[2:], attributes, itemsize, conditions) if within else {}),
    }


def kernel_gradient_estimates(
    arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions = UNCONDITIONAL
) -> dict[str, float]:
    """Return kernel name → estimate for a kernel gradient from (x, dy); see `forward_estimates`.

    The sums are the weights (C_out, C_in · KH · KW), each over the outputs of all samples. Tiles of filters by taps, or
    by channels in taps.py, are counted as if they were full; `odd` is the extra cost of vectors of filters without a
    pair, for the kernels with filters in vectors.
    """
    x, dy, kernel = arrays[0].shape[-3:], arrays[1].shape[-3:], attributes["kernel"]
    odd = (COSTS.odd, COSTS.odd if conditions.single else COSTS.odd_taps)
    ungrouped = 1.0 if attributes.get("groups", 1) == 1 else math.inf
    filters, by_taps = (ungrouped * _side_by_side(dy[0], itemsize, odd_cost) for odd_cost in odd)
    weights, outputs, width = x[0] * math.prod(kernel), math.prod(dy[1:]), _width(x[2], attributes)
    transposed = outputs * COSTS.transposed / weights
    taps = by_taps * (_pairs(x[1:], kernel, dy[1:], attributes) * _round_up(x[0], FILTER_COLUMNS) / x[0] + transposed)
    rows = _rows(dy[0], dy[1:], width, (x[0], *kernel), attributes, itemsize, gradient=True)
    in_filters = outputs * _round_up(weights, FILTER_COLUMNS) / weights + transposed
    return {
        "correlate_filters_dw": filters * in_filters,
        "cross_correlate_dw": COSTS.added_across * rows,
        "correlate_taps_dw": taps,
        **_winograd("_dw", (dy[0], x[0]), dy[1:], kernel, attributes, itemsize, conditions),
    }


def _packed(w: Sequence[int], conditions: Conditions) -> float:
    """Return the cost of packing weights for a single sample, in outputs. For a batch it is negligible, so return 0."""
    if not conditions.single:
        return 0
    return COSTS.packed_far if math.prod(w) >= UNCACHED_WEIGHTS else COSTS.packed


def _winograd(
    suffix: str,
    channels: tuple[int, int],
    size: Sequence[int],
    kernel: Sequence[int],
    attributes: Attributes,
    itemsize: int,
    conditions: Conditions,
) -> dict[str, float]:
    """Return {kernel name: estimate} for Winograd's algorithm: products of vectors, and transforms.

    The result is empty if the algorithm cannot be used: for filters other than 3×3 and 5×5, with a stride or groups, or
    if rounding errors must not spread over the results of a tile.

    suffix    suffix of the kernel name: "", "_dx" or "_dw"
    channels  number of channels (or filters) in the lanes of vectors, and number of channels that are summed
    size      (H', W') of the results
    kernel    (KH, KW)
    """
    name = WINOGRAD.get(tuple(kernel))
    if not name or conditions.precise or max(attributes.get("stride", (1, 1))) > 1 or attributes.get("groups", 1) > 1:
        return {}
    (outer, summed), weights, dilation = channels, math.prod(kernel), attributes.get("dilation", (1, 1))
    steps = [(TILE_CELLS + 1 - kernel[0]) * axis_step for axis_step in dilation]
    tiles = math.prod(
        -(-cells // axis_dilation) * axis_step
        for cells, axis_dilation, axis_step in zip(size, steps, dilation, strict=True)
    )
    shared = COSTS.cells * _round_up(summed, lanes(itemsize)) / summed / outer + COSTS.results / summed
    kernels = COSTS.kernels * min(max(outer * summed / CACHED_KERNELS, 1), MAX_MEMORY_FACTOR)
    kernels /= 1 if conditions.single else SAMPLES_PER_TRANSFORM
    return {name + suffix: _side_by_side(outer, itemsize) * (tiles * (TILE_CELLS**2 + 9 * shared) / weights + kernels)}


def _width(cells: int, attributes: Attributes) -> int:
    """Return the width of a padded row or, with a stride, of one of its phases, as padded_layout in layout.h does."""
    stride, (left, right) = attributes.get("stride", (1, 1))[1], attributes.get("padding", NO_PADDING)[1]
    return cells + max(left, right) if stride == 1 else -(-(cells + left + right) // stride)


def _rows(
    filters: int,
    size: Sequence[int],
    width: int,
    weights: Sequence[int],
    attributes: Attributes,
    itemsize: int,
    *,
    strided: float | None = None,
    gradient: bool = False,
) -> float:
    """Return the estimate of convolution.py for the tile that leaves the fewest columns unused.

    A tile consists of vectors of outputs by columns, the filters. The outputs of an image form one row, with garbage
    between its lines of `width` elements, and are rounded up to vectors and tiles. Per multiply-add, the estimate is 1,
    plus the costs of laying out the image, divided among the multiply-adds that read an element.

    size     (H', W') of the results
    width    length of a row of the padded input
    weights  (channels, KH, KW)
    strided  cost of an element of a phase, if the stride is not 1; None: `COSTS.gathered`
    """
    stride, taps, count = attributes.get("stride", (1, 1)), math.prod(weights[1:]), math.prod(weights)
    vectors = -(-((size[0] - 1) * width + size[1]) // lanes(itemsize))
    if gradient:
        tile_columns, taps_per_tile = min(GRADIENT_TILES, key=lambda tile: _round_up(filters, tile[0]))
        vectors *= min(_round_up(count, taps_per_tile) / count, MAX_WASTE_FACTOR)
    else:
        tile_rows, rest_rows, tile_columns = min(ROW_TILES, key=lambda tile: _round_up(filters, tile[2]))
        in_tall = in_tall_tiles(vectors, tile_rows, rest_rows)
        vectors = _round_up(in_tall, tile_rows) + _round_up(vectors - in_tall, rest_rows)
    computed = vectors * lanes(itemsize) * _round_up(filters, tile_columns) / filters
    cost_of_cell = COSTS.gathered if strided is None else strided
    gathered = cost_of_cell * math.prod(stride) / (filters * taps) if tuple(stride) != (1, 1) else 0
    return computed * (1 + COSTS.copied / count + gathered)


def _direct_rows(
    filters: int, size: Sequence[int], width: int, weights: Sequence[int], attributes: Attributes, itemsize: int
) -> float:
    """Return the estimate of direct_rows.py, or infinity if it cannot compute the convolution.

    width    length of a row of the padded input
    weights  (channels, KH, KW)
    """
    rows, length = (1, math.prod(size)) if width == size[1] else size
    if length < lanes(itemsize) or attributes.get("groups", 1) > 1:
        return math.inf
    tile_rows, rest_rows, tile_columns = min(ROW_TILES, key=lambda tile: _round_up(filters, tile[2]))
    vectors = rows * -(-length // lanes(itemsize))
    in_tall = in_tall_tiles(vectors, tile_rows, rest_rows)
    vectors = in_tall + _round_up(vectors - in_tall, rest_rows)
    computed = vectors * lanes(itemsize) * _round_up(filters, tile_columns) / filters
    stride = attributes.get("stride", (1, 1))
    gathered = COSTS.gathered * math.prod(stride) / (filters * math.prod(weights[1:])) if max(stride) > 1 else 0
    return computed * (1 + COSTS.direct / math.prod(weights) + gathered)


def _side_by_side(filters: int, itemsize: int, odd: float | None = None) -> float:
    """Return the cost of computing filters in whole vectors, relative to `filters` multiply-adds.

    odd  cost of a tile with one vector of filters; None: `KernelCosts.odd`
    """
    padded_count, odd_cost = _round_up(filters, lanes(itemsize)), COSTS.odd if odd is None else odd
    return (padded_count + padded_count // lanes(itemsize) % 2 * odd_cost * lanes(itemsize)) / filters


def _pairs(image: Sequence[int], kernel: Sequence[int], outputs: Sequence[int], attributes: Attributes) -> float:
    """Return the number of outputs whose input under a tap is inside the image, averaged over the taps."""
    axes = zip(image, kernel, outputs, attributes.get("stride", (1, 1)), attributes.get("padding", NO_PADDING),
               attributes.get("dilation", (1, 1)), strict=True)  # fmt: skip
    return math.prod(_pairs_along(*axis) for axis in axes)


def _pairs_along(cells: int, taps: int, outputs: int, stride: int, padding: Pair, dilation: int) -> float:
    """Return the average number of outputs whose input under a tap is inside the image, along one axis."""
    offsets = [u * dilation - padding[0] for u in range(taps)]
    ends = [(max(0, -(a // stride)), min(outputs, (cells - 1 - a) // stride + 1)) for a in offsets]
    return sum(max(0, last - first) for first, last in ends) / taps


def _round_up(count: int, tile: int) -> int:
    """Return a count rounded up to a multiple of the tile size."""
    return -(-count // tile) * tile
