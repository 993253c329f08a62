"""Choice of the kernel of a convolution: an estimate of what each computes, in multiply-adds for one weight.

`convolution.py` has neighbouring outputs side by side in vectors, for eight, six or five filters at a time, and so has
`one_by_one.py`, which copies nothing but can do no other windows. `filters.py` and `taps.py` have filters side by side,
for which they transpose all weights, whatever the number of samples; the second leaves out taps that lie on padding,
but stores the sums after each. `winograd.py` takes 36 products for 16 results instead of 144, between transforms.
`patches.py` has taps side by side, so that it transposes no weights, which pays for one image.

`python -m benchmarks kernels` times all kernels that can compute a convolution, and tells how much longer the chosen
ones take than the fastest; with --fit it looks for costs (`KernelCosts`) by which better ones would be chosen.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from chainrule.core.shapes import NO_PADDING, Pair
from chainrule.engines.compiled.compiler import COUNT, WIDTH
from chainrule.engines.compiled.kernels.filter_tiles import TILE_COLUMNS, columns_in_full_tiles, tile_cost
from chainrule.engines.compiled.kernels.layout import correlate_shape
from chainrule.engines.compiled.kernels.registry import UNCONDITIONAL, Attributes, Conditions, Fit
from chainrule.engines.compiled.kernels.row_tiles import (
    BASE_TILE,
    EXTRA_TILE,
    LONG_SIDE,
    SHORT_SIDE,
    TILE_OF_5,
    TILE_OF_6,
    in_tall_tiles,
)
from chainrule.engines.compiled.kernels.tiles import lanes

UNCACHED_WEIGHTS = 1 << 18  # weights that no fast cache holds twice
SAMPLES_PER_TRANSFORM = 12  # samples of a block that share the transforms of kernels
CACHED_KERNELS, MAX_MEMORY_FACTOR = (
    1 << 12,
    13,
)  # kernels whose values stay in a cache; how much longer one takes beyond all caches
TILE_CELLS = 6  # rows, and columns, of what a tile of `winograd_tiles.py` sees
WINOGRAD: dict[tuple[int, ...], str] = {(3, 3): "correlate_winograd", (5, 5): "correlate_winograd_5x5"}
POINT_TILE = (3, 2, 8) if COUNT == 32 else (2, 1, 6)  # vectors of a tile of `one_by_one.py`, fewer, and its filters
# Filters, and outputs, of a tile of `patches.py`; without fused multiply-adds (SSE), products need registers as well.
PATCH_TILE = (4, 5) if COUNT == 32 else (4, 3) if WIDTH == 32 else (2, 5)
ROW_TILES = BASE_TILE, TILE_OF_6, TILE_OF_5  # vectors of tiles in rows, of those for the rest of a row, and filters
GRADIENT_TILES = (SHORT_SIDE, LONG_SIDE), (LONG_SIDE, SHORT_SIDE), EXTRA_TILE  # filters and taps
MAX_WASTE_FACTOR = (
    2  # how much longer a tile of few taps takes at most: then it waits for memory, not for multiply-adds
)


class KernelCosts(NamedTuple):
    """Costs of the parts of kernels: in multiply-adds of a vector, unless stated otherwise.

    copied        copying a row of sums
    transposed    transposing sums
    stored        loading and storing sums once more, after every tap
    packed        transposing the weights of a filter, for one sample: in outputs
    packed_far    the same where weights do not fit twice into a fast cache
    in_place      how long `one_by_one.py` takes, where others copy what they then read once: a factor
    in_patches    how long the multiply-adds of `patches.py` take, which load more vectors: a factor
    cut           cutting a cell out for a patch: in multiply-adds of one element
    added         adding up the lanes of a sum
    gathered      gathering a cell, with a stride: in multiply-adds of one element
    spread        spreading a result, with a stride: in multiply-adds of one element
    odd           how much longer a tile of one vector of filters takes than half a tile of two: a share
    odd_taps      the same of kernel gradients tap by tap
    cells         Winograd's transform of the cells of a tile, for each of a kernel's weights
    results       the transform of the results of a tile, for each of a kernel's weights
    kernels       the transform of a kernel, for each of its weights, for one sample
    added_across  how much longer kernel gradients in rows take than their multiply-adds say: a factor
    """

    copied: float
    transposed: float
    stored: float
    packed: float
    packed_far: float
    in_place: float
    in_patches: float
    cut: float
    added: float
    gathered: float
    spread: float
    odd: float
    odd_taps: float
    cells: float
    results: float
    kernels: float
    added_across: float


MANY_REGISTERS = KernelCosts(  # measured with AVX-512, on an Intel Xeon
    copied=8,
    transposed=9,
    stored=6,
    packed=6,
    packed_far=12,
    in_place=0.6,
    in_patches=1.0,
    cut=7,
    added=5,
    gathered=6,
    spread=20,
    odd=0.15,
    odd_taps=0.45,
    cells=70,
    results=95,
    kernels=70,
    added_across=1.4,
)
FEW_REGISTERS = MANY_REGISTERS._replace(  # measured with AVX2, on an AMD EPYC
    copied=12,
    transposed=7,
    stored=4,
    packed=4,
    packed_far=9,
    in_patches=1.2,
    cut=10,
    gathered=10,
    odd=0.35,
    odd_taps=0.75,
    cells=10,
    results=70,
    kernels=50,
    added_across=1.25,
)
NARROW_VECTORS = FEW_REGISTERS._replace(  # measured with SSE, where a multiply-add takes two to three instructions
    copied=0,
    transposed=0,
    stored=2.8,
    packed=0,
    packed_far=0,
    in_place=0.3,
    in_patches=0.65,
    cut=9,
    added=6,
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
    """Return a function that tells whether a kernel computes least for a cross-correlation."""
    return _has_least(forward_estimates, name)


def input_gradient_fit(name: str) -> Fit:
    """Return a function that tells whether a kernel computes least for an input gradient."""
    return _has_least(input_gradient_estimates, name)


def kernel_gradient_fit(name: str) -> Fit:
    """Return a function that tells whether a kernel computes least for a kernel gradient."""
    return _has_least(kernel_gradient_estimates, name)


def _has_least(estimates: Estimates, name: str) -> Fit:
    """Return a function that tells whether a kernel has the least estimate; of several, the first counts."""

    def fits(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
        estimates_by_kernel = estimates(arrays, attributes, itemsize, conditions)
        return min(estimates_by_kernel, key=lambda kernel: estimates_by_kernel[kernel]) == name

    return fits


def forward_estimates(
    arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions = UNCONDITIONAL
) -> dict[str, float]:
    """Return the estimate of each kernel of a cross-correlation of (x, w, b); infinite where it cannot compute it."""
    x, w = arrays[0].shape, arrays[1].shape
    y = correlate_shape(arrays, {**attributes, "pooled": False})[0][-2:]
    weights, outputs = math.prod(w[1:]), math.prod(y)
    filters = _side_by_side(w[0], itemsize) * (1.0 if attributes.get("groups", 1) == 1 else math.inf)
    transposed = outputs * COSTS.transposed / weights + _packed(w, conditions)
    taps = filters * (_pairs(x[-2:], w[2:], y, attributes) * (1 + COSTS.stored / x[-3]) + transposed)
    tied = len(arrays) < 3 or arrays[2] is None or len(arrays[2].shape) == 1
    points = _points(w[0], y, w[2:], w[1], attributes, itemsize) if tied else math.inf
    return {
        "correlate_points": points * COSTS.in_place if points < math.inf else math.inf,
        "correlate_filters": filters * (outputs + transposed),
        "cross_correlate": _rows(w[0], y, _width(x[-1], attributes), w[1:], attributes, itemsize),
        "correlate_taps": taps,
        **(_winograd("", (w[0], w[1]), y, w[2:], attributes, itemsize, conditions) if tied else {}),
        "correlate_patches": _patches(w, y, _width(x[-1], attributes), attributes, itemsize, conditions),
    }


def input_gradient_estimates(
    arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions = UNCONDITIONAL
) -> dict[str, float]:
    """Return the estimate of each kernel of an input gradient; infinite where it cannot compute it."""
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
    within = all(
        zeros <= taps_on_axis for zeros, taps_on_axis in zip(pads, reaches, strict=True)
    )  # zeros lie around dy, none are left out
    points = _points(w[1], dy, w[2:], w[0], attributes, itemsize)
    right = reaches[1] // stride[1] if stride[1] > 1 else reaches[1] - min(attributes.get("padding", NO_PADDING)[1])
    return {
        "correlate_points_dx": 0 if points < math.inf else math.inf,  # where it can, no other computes less
        "cross_correlate_dx": _rows(
            w[1], phase, dy[1] + right, (w[0], *w[2:]), attributes, itemsize, strided=COSTS.spread
        ),
        "correlate_taps_dx": taps if attributes.get("groups", 1) == 1 else math.inf,
        **(_winograd("_dx", (w[1], w[0]), size, w[2:], attributes, itemsize, conditions) if within else {}),
    }


def kernel_gradient_estimates(
    arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions = UNCONDITIONAL
) -> dict[str, float]:
    """Return the estimate of each kernel of a kernel gradient; infinite where it cannot compute it."""
    x, dy, kernel = arrays[0].shape[-3:], arrays[1].shape[-3:], attributes["kernel"]
    odd = (COSTS.odd, COSTS.odd if conditions.single else COSTS.odd_taps)
    ungrouped = 1.0 if attributes.get("groups", 1) == 1 else math.inf
    filters, by_taps = (ungrouped * _side_by_side(dy[0], itemsize, odd_cost) for odd_cost in odd)
    weights, outputs, width = x[0] * math.prod(kernel), math.prod(dy[1:]), _width(x[2], attributes)
    transposed = outputs * COSTS.transposed / weights
    taps = by_taps * (
        _pairs(x[1:], kernel, dy[1:], attributes) * tile_cost(x[0], columns_in_full_tiles(x[0], TILE_COLUMNS)) / x[0]
        + transposed
    )
    rows = _rows(dy[0], dy[1:], width, (x[0], *kernel), attributes, itemsize, gradient=True)
    in_filters = outputs * tile_cost(weights, columns_in_full_tiles(weights, TILE_COLUMNS)) / weights + transposed
    return {
        "correlate_filters_dw": filters * in_filters,
        "cross_correlate_dw": COSTS.added_across * rows,
        "correlate_taps_dw": taps,
        **_winograd("_dw", (dy[0], x[0]), dy[1:], kernel, attributes, itemsize, conditions),
    }


def _packed(w: Sequence[int], conditions: Conditions) -> float:
    """Return what packing weights takes for one sample, in outputs; a batch shares packed weights."""
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
    """Return the products of vectors at the points of all tiles, and the transforms.

    Return nothing for other windows, or where the rounding errors of a tile's cells must not spread to all its results.

    suffix    of the kernel's name: "", "_dx" or "_dw"
    channels  those that lie side by side in the products, and those that are summed
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
    """Return the cells of a row with its padding, of one phase if there is a stride, as `layout.padded_layout` does."""
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
    """Return the multiply-adds of vectors of outputs, in rows with margins between them, per weight of each filter.

    With a stride, outputs come to lie side by side only after the cells of the image have been gathered.

    size      rows and columns of outputs
    width     cells from a row to the next
    weights   of a filter: (channels, KH, KW)
    strided   what spreading a cell takes; None: what gathering one takes
    gradient  whether they are multiplied for a kernel gradient

    Of the tiles the one is taken that filters leave least empty.
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


def _points(
    filters: int, size: Sequence[int], kernel: Sequence[int], channels: int, attributes: Attributes, itemsize: int
) -> float:
    """Return the multiply-adds of whole tiles of positions and filters; infinite where an image does not fill one."""
    (_, rest_rows, tile_columns), vector = POINT_TILE, lanes(itemsize)
    unpadded = max(attributes.get("stride", (1, 1))) == 1 and not any(map(any, attributes.get("padding", ())))
    fills_tiles = filters >= tile_columns and math.prod(size) >= rest_rows * vector and math.prod(kernel) == 1
    if not (fills_tiles and unpadded and attributes.get("groups", 1) == 1):
        return math.inf
    return _round_up(math.prod(size), vector) * _round_up(filters, tile_columns) / filters * (1 + 1 / channels)


def _patches(
    w: Sequence[int], size: Sequence[int], width: int, attributes: Attributes, itemsize: int, conditions: Conditions
) -> float:
    """Return the multiply-adds of whole tiles of filters and outputs, and what cutting patches takes, for each weight.

    It is infinite where taps do not fill their vectors, and for a batch, which shares transposed weights. Patches
    are cut out of whole rows of `width` cells.
    """
    (filters_per_tile, outputs_per_tile), vector, taps = PATCH_TILE, lanes(itemsize), math.prod(w[1:])
    if not conditions.single or taps % vector or w[0] < filters_per_tile or attributes.get("groups", 1) != 1:
        return math.inf
    sums = (
        _round_up(math.prod(size), outputs_per_tile)
        * _round_up(w[0], filters_per_tile)
        / w[0]
        * (1 + COSTS.added * vector / taps)
    )
    cut = _round_up((size[0] - 1) * width + size[1], vector)
    return COSTS.in_patches * sums + cut * COSTS.cut / w[0]


def _side_by_side(filters: int, itemsize: int, odd: float | None = None) -> float:
    """Return the multiply-adds of vectors of filters, for each filter."""
    padded_count, odd_cost = _round_up(filters, lanes(itemsize)), COSTS.odd if odd is None else odd
    return (padded_count + padded_count // lanes(itemsize) % 2 * odd_cost * lanes(itemsize)) / filters


def _pairs(image: Sequence[int], kernel: Sequence[int], outputs: Sequence[int], attributes: Attributes) -> float:
    """Return the mean number, over the taps of a kernel, of outputs whose cell under the tap lies in the image."""
    axes = zip(image, kernel, outputs, attributes.get("stride", (1, 1)), attributes.get("padding", NO_PADDING),
               attributes.get("dilation", (1, 1)), strict=True)  # fmt: skip
    return math.prod(_pairs_along(*axis) for axis in axes)


def _pairs_along(cells: int, taps: int, outputs: int, stride: int, padding: Pair, dilation: int) -> float:
    """Return the same along one axis."""
    offsets = [u * dilation - padding[0] for u in range(taps)]
    ends = [(max(0, -(a // stride)), min(outputs, (cells - 1 - a) // stride + 1)) for a in offsets]
    return sum(max(0, last - first) for first, last in ends) / taps


def _round_up(count: int, tile: int) -> int:
    """Return the entries of the whole tiles that hold a number of them."""
    return -(-count // tile) * tile
