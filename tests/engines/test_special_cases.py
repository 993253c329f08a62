"""Every specialised loop of the compiled kernels is taken by some shape and agrees with the general one.

Kernels run uncompiled (NUMBA_DISABLE_JIT), so that the loops they enter can be observed.
"""

import os
import subprocess
import sys

import pytest

WATCHED = """
import sys
import numpy as np
from chainrule import reference
from chainrule.engines.numba import convolution, dense, filters, normalization, pooling, transposing
from chainrule.engines.numba.tiles import lanes

taken = set()

def watch(module, name, sizes=0):
    # the last arguments of some are the shape of their tiles
    function = getattr(module, name)
    def watched(*arguments, **named):
        given = [*arguments, *named.values()]
        taken.add((name, *given[len(given) - sizes :]))
        return function(*arguments, **named)
    setattr(module, name, watched)

watch(convolution, "_correlate_tiles_by", 3)
watch(convolution, "_weight_gradient_by", 2)
watch(convolution, "spread_rows")
watch(filters, "spread_rows")
for name in ("_correlate_tiles_by", "_correlate_pooled", "_weight_gradient"):
    watch(filters, name, 1)
watch(transposing, "transpose")
watch(dense, "_products", 2)
watch(dense, "_batched_samples")
watch(dense, "_rows_times", 2)
watch(dense, "_add_weighted_rows")
watch(dense, "_add_outer_to", 2)
for name in "_max_two _max_any _mean_two _spread_two".split():
    watch(pooling, name)
for name in "_statistics _short_statistics _moments _products".split():
    watch(normalization, name)

rng = np.random.default_rng(0)

def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-12 * max(1, np.abs(expected).max()))

def convolve(filters, kernel, groups=1, **options):
    x = rng.standard_normal((2, 2 * groups, 9, 8))
    w = rng.standard_normal((filters, 2, *kernel))
    options = {"stride": (1, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 1), "groups": groups, **options}
    expected = reference.cross_correlate(x, w, **options)
    y = np.full_like(expected, np.nan)
    convolution.cross_correlate(x, w, None, y, **options)
    close(y, expected)
    dy = rng.standard_normal(y.shape)
    dx, dw = np.full_like(x, np.nan), np.zeros_like(w)
    convolution.cross_correlate_dx(dy, w, dx, **options)
    convolution.cross_correlate_dw(x, dy, dw, **options)
    close(dx, reference.cross_correlate_dx(dy, w, size=x.shape[2:], **options))
    close(dw, reference.cross_correlate_dw(x, dy, kernel=kernel, **options))

def entered(*expected):
    missing = {name if isinstance(name, tuple) else (name,) for name in expected} - taken
    assert not missing, f"not taken: {missing} of {taken}"
    taken.clear()

eight, six = (("_correlate_tiles_by", *tile) for tile in (convolution.EIGHT, convolution.SIX))
tall, broad = convolution.TALL, convolution.BROAD
by_filters, by_taps = ("_weight_gradient_by", tall, broad), ("_weight_gradient_by", broad, tall)
if -6 % tall <= -6 % broad:
    by_taps = by_filters  # with so few registers no number of filters fills tiles better the other way round

convolve(8, (3, 5)); entered(eight, six, by_filters)  # dx has two channels
convolve(6, (2, 3)); entered(six, by_taps)
convolve(5, (2, 3), dilation=(2, 2)); entered(six, by_taps)
convolve(6, (2, 3), groups=2); entered(six)
convolve(5, (3, 3), stride=(2, 1)); entered(six, "spread_rows")
convolve(4, (1, 1)); entered(six, by_filters)  # padding beyond full: dy is cropped
convolve(7, (2, 2), stride=(3, 3), flip=True); entered(eight, "spread_rows")  # phases without a tap

def spread(ins, stride):
    x, w, dy = (rng.standard_normal(shape) for shape in ((2, ins, 9, 8), (3, ins, 2, 3), (2, 3, 4, 3)))
    dx = np.full_like(x, np.nan)
    filters.correlate_filters_dx(dy, w, dx, stride)
    close(dx, reference.cross_correlate_dx(dy, w, size=(9, 8), stride=stride))

spread(lanes(8) + 1, (2, 2)); entered("spread_rows", ("_correlate_tiles_by", 2))
spread(2, (2, 2)); entered("spread_rows", ("_correlate_tiles_by", 1))

def pooled(outs):
    x, w = rng.standard_normal((2, 2, 9, 8)), rng.standard_normal((outs, 2, 3, 3))
    dy = rng.standard_normal((2, outs, 7, 6))
    y, whole, dw = np.zeros((2, outs, 3, 3)), np.zeros((2, outs, 7, 6)), np.zeros_like(w)
    filters.correlate_filters(x, w, None, y, pooled=True)
    filters.correlate_filters(x, w, None, whole)
    filters.correlate_filters_dw(x, dy, dw)
    expected = reference.cross_correlate(x, w)
    close(whole, expected)
    close(y, reference.max_pool(expected, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)))[0])
    close(dw, reference.cross_correlate_dw(x, dy, kernel=(3, 3)))

for vectors in (1, 2):
    pooled(vectors * lanes(8))
    by_vectors = [(name, vectors) for name in ("_correlate_tiles_by", "_correlate_pooled", "_weight_gradient")]
    entered(*by_vectors, "transpose")

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

many, alone = dense.SAMPLES, dense.ALONE
outer = [("_add_outer_to", *tile) for tile in ((dense.TALL, dense.BROAD), (1, dense.BROAD), (1, 1))]
multiply(9, 70, 11); entered(("_products", many, dense.ROWS), ("_rows_times", dense.TALL, dense.BROAD), *outer)
multiply(1, 70, 9); entered(("_products", 1, alone), ("_rows_times", alone, 1))
multiply(2 * lanes(8), 70, 11); entered("_batched_samples")
multiply(2 * lanes(8) + 1, 5, 9); entered("_batched_samples", ("_products", 1, alone))
multiply(9, 3, 2); entered(("_products", many, dense.ROWS), "_add_weighted_rows")

def normalise(*shape):
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
        normalization.batch_norm(x, gamma, beta, y, mean, variance, leak=0.1, first=first, last=last)
    close(y, np.where(expected[0] > 0, expected[0], 0.1 * expected[0]))
    close(mean, expected[1])
    close(variance, expected[2])
    for first, last in shares:
        normalization.batch_norm_backward(
            dy, x, gamma, mean, variance, y, dgamma, dbeta, dx, slope=0.1, first=first, last=last
        )
    dy = np.where(y > 0, dy, 0.1 * dy)
    close(dx, reference.batch_norm_dx(dy, x, gamma, mean, variance))
    close(np.stack((dgamma, dbeta)), np.stack(reference.batch_norm_dw(dy, x, mean, variance)))

normalise(5, 3, 2, 3); entered("_short_statistics")
normalise(5, normalization.GROUP + 1); entered("_short_statistics")
normalise(3, 2, 9, 8); entered("_statistics", "_moments", "_products")
normalise(2, 2, 1, normalization.PART + 1); entered("_statistics", "_moments", "_products")

def pool(size, window, stride, padding=((0, 0), (0, 0))):
    x = rng.standard_normal((2, 3, *size))
    options = {"window": window, "stride": stride, "padding": padding}
    expected, places = reference.max_pool(x, **options)
    y, winner = np.full_like(expected, np.nan), np.zeros(expected.shape, np.int32)
    pooling.max_pool(x, y, winner, **options)
    close(y, expected)
    assert (winner == places).all()
    for number, divisor in enumerate(pooling.DIVISORS):
        mean, dx = np.full_like(expected, np.nan), np.full_like(x, np.nan)
        pooling.average_pool(x, mean, divisor=number, **options)
        close(mean, reference.average_pool(x, divisor=divisor, **options))
        dy = rng.standard_normal(mean.shape)
        pooling.average_pool_dx(dy, dx, divisor=number, **options)
        close(dx, reference.average_pool_dx(dy, size=size, divisor=divisor, **options))

pool((7, 8), (2, 2), (2, 2)); entered("_max_two", "_mean_two", "_spread_two")
pool((7, 8), (3, 2), (2, 1)); entered("_max_any")
pool((7, 8), (2, 2), (2, 2), ((1, 0), (0, 1))); entered("_max_any")
print("all taken")
"""


@pytest.mark.filterwarnings("ignore")
def test_every_special_loop_is_taken_and_right() -> None:
    words = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, env=words, check=False)
    assert done.stdout.strip() == "all taken", done.stderr[-2000:]
