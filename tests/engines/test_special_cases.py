"""Every special loop of the compiled kernels is taken by some shape, and computes what the general one does.

Run without compiling (NUMBA_DISABLE_JIT), so that it can be watched which loops are entered.
"""

import os
import subprocess
import sys

import pytest

WATCHED = """
import sys
import numpy as np
from chainrule import reference
from chainrule.engines.numba import convolution, pooling

taken = set()

def watch(module, name):
    function = getattr(module, name)
    def watched(*arguments):
        taken.add(name)
        return function(*arguments)
    setattr(module, name, watched)

CONVOLUTION = ("_add_four_by_5 _add_four_by_3 _add_four _add_one _sum_5 _sum_3 _sum_any "
               "_correlate_windows _spread_windows _gradient_windows").split()
POOLING = "_max_two _max_any _mean_two _spread_two".split()
for name in CONVOLUTION:
    watch(convolution, name)
for name in POOLING:
    watch(pooling, name)

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

def entered(*names):
    missing = set(names) - taken
    assert not missing, f"not taken: {missing}"
    taken.clear()

convolve(8, (3, 5)); entered("_add_four_by_5", "_sum_5", "_add_one")
convolve(4, (2, 3)); entered("_add_four_by_3", "_sum_3")
convolve(4, (3, 2), dilation=(2, 1)); entered("_add_four", "_sum_any")
convolve(4, (2, 3), dilation=(1, 2)); entered("_add_four", "_sum_any")
convolve(6, (2, 5)); entered("_add_four_by_5", "_add_one")
convolve(6, (2, 3), groups=2); entered("_add_one", "_sum_3")  # four filters together would see two groups
convolve(5, (3, 3), stride=(2, 1)); entered("_correlate_windows", "_spread_windows", "_gradient_windows")
convolve(4, (1, 1)); entered("_spread_windows")  # padding beyond full: the row loop cannot crop

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
