"""Every specialized loop of the compiled kernels is used for some shape and agrees with the general one.

Kernels run uncompiled (CHAINRULE_UNCOMPILED), so that the loops they enter can be observed.
"""

import pytest
from engines.processes import python

WATCHED = """
import sys
import numpy as np
from chainrule import reference
from chainrule.engines.compiled.kernels import common_windows, convolution, dense, depthwise, filter_tiles, filters
from chainrule.engines.compiled.kernels import normalization, selection, pooling, row_sums, row_tiles, side_by_side
from chainrule.engines.compiled.kernels import taps, transposing
from chainrule.engines.compiled.kernels.tiles import lanes

taken = set()

def watch(module, name, sizes=0):
    # the last arguments of some are the shape of their tiles
    function = getattr(module, name)
    def watched(*arguments, **named):
        given = [*arguments, *named.values()]
        taken.add((name, *given[len(given) - sizes :]))
        return function(*arguments, **named)
    setattr(module, name, watched)

watch(row_tiles, "_correlate_tiles_by", 3)
watch(row_tiles, "_weight_gradient_by", 2)
watch(convolution, "spread_rows")
for name in ("_add_sums_by", "_add_gradient"):
    watch(taps, name, 1)
for name in ("sum_taps", "sum_side_by_side"):
    watch(depthwise, name)
for name in ("transpose_to", "store_transposed"):
    watch(side_by_side, name)
for name in ("_correlate_tiles_by", "_correlate_pooled"):
    watch(filter_tiles, name, 1)
watch(filters, "_weight_gradient", 1)
watch(transposing, "transpose")
watch(dense, "_products", 2)
watch(dense, "_batched_samples")
watch(dense, "_rows_times", 2)
watch(dense, "_add_weighted_rows")
watch(dense, "_add_outer_to", 2)
for name in ("_max_apart", "_mean_apart", "_spread_rows"):
    watch(pooling, name)
for name in "max_pool_2x2 average_pool_2x2 average_pool_2x2_dx average_pool_whole average_pool_whole_dx".split():
    watch(common_windows, name)
for name in ("_max_rows", "_mean_rows"):
    watch(pooling, name, 1)  # the stride along rows
for name in ("_statistics", "_short_statistics"):
    watch(normalization, name)
for name in ("moments", "_products"):
    watch(row_sums, name)

rng = np.random.default_rng(0)

def run(kernel, *arrays, **attributes):
    selection.KERNELS[kernel.__name__].call(arrays, attributes)

def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-12 * max(1, np.abs(expected).max()))

def convolve(filters, kernel, groups=1, **options):
    x = rng.standard_normal((2, 2 * groups, 9, 8))
    w = rng.standard_normal((filters, 2, *kernel))
    options = {"stride": (1, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 1), "groups": groups, **options}
    expected = reference.cross_correlate(x, w, **options)
    y = np.full_like(expected, np.nan)
    run(convolution.cross_correlate, x, w, None, y, **options)
    close(y, expected)
    dy = rng.standard_normal(y.shape)
    dx, dw = np.full_like(x, np.nan), np.zeros_like(w)
    run(convolution.cross_correlate_dx, dy, w, dx, **options)
    run(convolution.cross_correlate_dw, x, dy, dw, **options)
    close(dx, reference.cross_correlate_dx(dy, w, size=x.shape[2:], **options))
    close(dw, reference.cross_correlate_dw(x, dy, kernel=kernel, **options))

def entered(*expected):
    missing = {name if isinstance(name, tuple) else (name,) for name in expected} - taken
    assert not missing, f"not taken: {missing} of {taken}"
    taken.clear()

# of tiles the first one that filters leave least empty
def tile(filters):
    tiles = [("_correlate_tiles_by", *each) for each in (row_tiles.BASE_TILE, row_tiles.TILE_OF_6, row_tiles.TILE_OF_5)]
    return min(tiles, key=lambda each: -filters % each[3])

def tile_of_gradient(filters):
    sides = row_tiles.SHORT_SIDE, row_tiles.LONG_SIDE
    return min((("_weight_gradient_by", *each) for each in (sides, sides[::-1])), key=lambda each: -filters % each[1])

def in_rows(filters, *arguments, more=(), **options):
    convolve(filters, *arguments, **options)
    entered(tile(filters), *more)

assert {tile(n)[3] for n in (8, 6, 5)} == {row_tiles.BASE_TILE[2], 6, 5}
in_rows(8, (3, 5), more=[tile(2), tile_of_gradient(8)])  # dx has two channels
in_rows(6, (2, 3), more=[tile_of_gradient(6)])
in_rows(10, (2, 3), more=[tile_of_gradient(10)], dilation=(2, 2))
in_rows(5, (3, 3), more=["spread_rows"], stride=(2, 1))
convolve(6, (2, 3), groups=2); entered(tile(3))
in_rows(4, (1, 1), more=[tile_of_gradient(4)])  # padding beyond full: dy is cropped
in_rows(7, (2, 2), more=["spread_rows"], stride=(3, 3), flip=True)  # phases without a tap

def one_tap_after_the_other(ins, outs, stride, plane):
    x, w = rng.standard_normal((2, ins, *plane)), rng.standard_normal((outs, ins, 2, 3))
    options = {"stride": stride, "padding": ((1, 1), (0, 2))}
    expected = reference.cross_correlate(x, w, **options)
    y, dx, dw = np.full_like(expected, np.nan), np.full_like(x, np.nan), np.zeros_like(w)
    dy = rng.standard_normal(y.shape)
    run(taps.correlate_taps, x, w, None, y, **options)
    run(taps.correlate_taps_dx, dy, w, dx, **options)
    run(taps.correlate_taps_dw, x, dy, dw, **options)
    close(y, expected)
    close(dx, reference.cross_correlate_dx(dy, w, size=plane, **options))
    close(dw, reference.cross_correlate_dw(x, dy, kernel=(2, 3), **options))

def few(groups, channels, filters, window, size=(9, 8), **options):
    x = rng.standard_normal((2, channels * groups, *size))
    w = rng.standard_normal((filters * groups, channels, *window))
    options = {"stride": (1, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 1), "groups": groups, **options}
    b = rng.standard_normal(len(w))
    expected = reference.cross_correlate(x, w, b, **options)
    y = np.full_like(expected, np.nan)
    run(depthwise.correlate_few, x, w, b, y, **options)
    close(y, expected)
    y[:] = np.nan
    for first, last in ((0, 1), (1, 1), (1, len(w))):  # filters of three threads, of which one has none
        run(depthwise.correlate_few, x, w, b, y, **options, lowest=first, highest=last)
    close(y, expected)
    dy = rng.standard_normal(y.shape)
    dx, dw = np.full_like(x, np.nan), np.zeros_like(w)
    run(depthwise.correlate_few_dx, dy, w, dx, **options)
    run(depthwise.correlate_few_dw, x, dy, dw, **options)
    close(dx, reference.cross_correlate_dx(dy, w, size=size, **options))
    close(dw, reference.cross_correlate_dw(x, dy, kernel=window, **options))

blocks = ("transpose_to", "store_transposed")
few(3, 1, 1, (3, 3)); entered("sum_taps", *blocks)
few(2, 2, 3, (4, 5), dilation=(1, 2), flip=True); entered("sum_taps", *blocks)
few(3, 1, 2, (3, 3), (3, 21)); entered("sum_taps", *blocks)
few(2, 1, 1, (3, 2), stride=(2, 2)); entered("sum_taps", "sum_side_by_side", *blocks)
few(2, 2, 1, (3, 3), (5, 20), stride=(2, 2), padding=((0, 1), (1, 0))); entered("sum_side_by_side", *blocks)
few(2, 1, 2, (5, 4), stride=(1, 3), flip=True); entered("sum_taps", "sum_side_by_side", *blocks)
few(2, 1, 1, (1, 1), stride=(3, 2)); entered("sum_taps", "sum_side_by_side")  # phases without a tap
few(2, 1, 1, (3, 3), stride=(2, 1), dilation=(2, 1)); entered("sum_side_by_side", *blocks)  # all taps in one phase
few(2, 1, 1, (2, 1), (1, lanes(8) - 1), padding=((1, 0), (0, 0)))  # fewer cells than lanes, or outputs of a tile
assert not taken & {(name,) for name in blocks}
entered("sum_side_by_side")
few(2 * lanes(8) + 1, 1, 1, (3, 3)); entered("sum_taps", *blocks)  # filters in several vectors
few(3, 1, 1, (3, 3), padding=((4, 2), (0, 3)))
few(2, 2, 1, (3, 2), stride=(2, 2), padding=((0, 5), (1, 0)))
taken.clear()

def by(tall, *names):
    return [(name, tall) for name in names]

one_tap_after_the_other(2, lanes(8) + 1, (2, 2), (9, 8))
entered(*by(1, "_add_sums_by"), *by(2, "_add_sums_by", "_add_gradient"))
one_tap_after_the_other(lanes(8) + 1, 2, (1, 2), (16, 16))  # channels that would evict each other from the cache
entered(*by(1, "_add_sums_by", "_add_gradient"), *by(2, "_add_sums_by"))
one_tap_after_the_other(3 * lanes(8), 4 * lanes(8) - 1, (1, 2), (5, 4))
entered(*by(2, "_add_sums_by", "_add_gradient"), *by(1, "_add_sums_by"))
one_tap_after_the_other(filter_tiles.STRIP + 5, 4 * lanes(8), (1, 1), (3, 4))  # more channels than stay in a cache

def pooled(outs, ins=2):
    x, w = rng.standard_normal((2, ins, 9, 8)), rng.standard_normal((outs, ins, 3, 3))
    dy = rng.standard_normal((2, outs, 7, 6))
    y, whole, dw = np.zeros((2, outs, 3, 3)), np.zeros((2, outs, 7, 6)), np.zeros_like(w)
    run(filters.correlate_filters, x, w, None, y, pooled=True)
    run(filters.correlate_filters, x, w, None, whole)
    run(filters.correlate_filters_dw, x, dy, dw)
    expected = reference.cross_correlate(x, w)
    close(whole, expected)
    close(y, reference.max_pool(expected, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)))[0])
    close(dw, reference.cross_correlate_dw(x, dy, kernel=(3, 3)))

for vectors in (1, 2):
    pooled(vectors * lanes(8))
    entered(*by(vectors, "_correlate_tiles_by", "_correlate_pooled", "_weight_gradient"), "transpose")
pooled(2 * lanes(8), filter_tiles.STRIP // 4)  # more taps than stay in a cache
entered(*by(2, "_correlate_tiles_by"))

def multiply(samples, ins, outs):
    x, w = rng.standard_normal((samples, ins)), rng.standard_normal((outs, ins))
    b, dy = rng.standard_normal(outs), rng.standard_normal((samples, outs))
    y, dx, dw = np.full((samples, outs), np.nan), np.full_like(x, np.nan), np.zeros_like(w)
    dense.dense(x, w, b, y)
    dense.dense_dx(dy, w, dx)
    dense.dense_dw(x, dy, dw)
    close(y, x @ w.T + b)
    y[:] = np.nan
    for first, last in ((0, outs // 2), (outs // 2, outs)):  # rows that two threads have
        dense.dense(x, w, b, y, first, last)
    close(y, x @ w.T + b)
    close(dx, dy @ w)
    close(dw, dy.T @ x)

many, alone = dense.TILE_SAMPLES, dense.SINGLE_TILE_ROWS
outer = [("_add_outer_to", *tile) for tile in ((dense.TILE_ROWS, dense.TILE_COLUMNS), (1, dense.TILE_COLUMNS), (1, 1))]
rows_tile = ("_rows_times", dense.TILE_ROWS, dense.TILE_COLUMNS)
multiply(9, 70, 11); entered(("_products", many, dense.TILE_WEIGHT_ROWS), rows_tile, *outer)
multiply(1, 70, 9); entered(("_products", 1, alone), ("_rows_times", alone, 1))
multiply(2 * lanes(8), 70, 11); entered("_batched_samples")
multiply(2 * lanes(8) + 1, 5, 9); entered("_batched_samples", ("_products", 1, alone))
multiply(9, 3, 2); entered(("_products", many, dense.TILE_WEIGHT_ROWS), "_add_weighted_rows")

def kernel(name, arrays, attributes):
    entry = selection.KERNELS[selection.select_kernel(name, arrays, attributes, 8)]
    function = getattr(entry.module, entry.name)
    return lambda *given: function(*given, *entry.arguments(len(given), attributes))

def normalize(*shape):
    # a mean far above the deviation, and one sample far away from the others
    x, dy = rng.standard_normal(shape) + 1000, rng.standard_normal(shape)
    x[0] -= 800
    channels = shape[1]
    gamma, beta = rng.standard_normal((2, channels))
    y, dx, mean, variance = np.full_like(x, np.nan), np.full_like(x, np.nan), np.zeros(channels), np.zeros(channels)
    dgamma, dbeta = np.zeros((2, channels))
    expected = reference.batch_norm(x, gamma, beta)
    shares = ((0, channels // 2), (channels // 2, channels))  # of two threads
    for first, last in shares:
        normalization.batch_norm(x, gamma, beta, y, mean, variance, rectify=True, first=first, last=last)
    close(y, np.maximum(expected[0], 0))
    close(mean, expected[1])
    close(variance, expected[2])
    for first, last in shares:
        normalization.batch_norm_backward(dy, x, gamma, mean, variance, dgamma, dbeta, dx, first=first, last=last)
    close(dx, reference.batch_norm_dx(dy, x, gamma, mean, variance))
    close(np.stack((dgamma, dbeta)), np.stack(reference.batch_norm_dw(dy, x, mean, variance)))

normalize(5, 3, 2, 3); entered("_short_statistics")
normalize(5, normalization.GROUP_CELLS + 1); entered("_short_statistics")
normalize(3, 2, 9, 8); entered("_statistics", "moments", "_products")
normalize(2, 2, 1, row_sums.PART + 1); entered("_statistics", "moments", "_products")

def pool(size, window, stride, padding=((0, 0), (0, 0))):
    x = rng.standard_normal((2, 3, *size))
    options = {"window": window, "stride": stride, "padding": padding}
    expected, places = reference.max_pool(x, **options)
    y, winner = np.full_like(expected, np.nan), np.zeros(expected.shape, np.int32)
    kernel("max_pool", (x,), options)(x, y, winner)
    close(y, expected)
    assert (winner == places).all()
    if stride[1] <= min(window[1], 2):
        most = np.full_like(expected, np.nan)
        selection.KERNELS["largest_cells"].kernel(x, most, winner, window, stride, padding)
        close(most, expected)
    for divisor in pooling.DIVISORS:
        given = {**options, "divisor": divisor}
        mean, dx = np.full_like(expected, np.nan), np.full_like(x, np.nan)
        kernel("average_pool", (x,), given)(x, mean)
        close(mean, reference.average_pool(x, **given))
        dy = rng.standard_normal(mean.shape)
        kernel("average_pool_dx", (dy,), {**given, "size": size})(dy, dx)
        close(dx, reference.average_pool_dx(dy, size=size, **given))

pool((7, 8), (2, 2), (2, 2)); entered("max_pool_2x2", "average_pool_2x2", "average_pool_2x2_dx")
pool((7, 8), (2, 2), (2, 2), ((1, 0), (0, 1))); entered(("_max_rows", 2), ("_mean_rows", 2), "_spread_rows")
for along in (1, 2, 3):
    wide = 40 * along  # windows of several vectors
    for padding in ((0, 0), (2, 1)):
        pool((5, wide), (3, 3), (2, along), ((1, 0), padding)); entered(("_max_rows", along), ("_mean_rows", along))
pool((7, 19), (3, 2), (2, 4)); entered("_max_apart", "_mean_apart", "_spread_rows")
pool((7, 40), (3, 40), (3, 40)); entered("_max_apart", "_mean_apart", "_spread_rows")
pool((7, 8), (7, 8), (7, 8)); entered("_max_apart", "average_pool_whole", "average_pool_whole_dx")
print("all taken")
"""


@pytest.mark.filterwarnings("ignore")
def test_every_special_loop_is_taken_and_right() -> None:
    assert python("-c", WATCHED, CHAINRULE_UNCOMPILED=1).stdout.strip() == "all taken"
