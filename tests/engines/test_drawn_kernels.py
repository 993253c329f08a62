"""The kernels of convolutions, pooling and dense layers with drawn shapes, fused steps and shares of threads.

They are compared with the NumPy engine. `make guard` makes the same calls between guard pages, those of all other
kernels, and many more.
"""

from dataclasses import replace

import numpy as np
import pytest
from engines.guard.calling import Ordinary, call, compare
from engines.guard.cases import draw_case
from selection import draws

from chainrule.engines.native.kernels import selection as kernels
from chainrule.engines.native.kernels.registry import lanes
from chainrule.engines.native.kernels.selection import ALTERNATIVES, KERNELS

COUNT, PARTS = draws(160), 4  # calls drawn, of which two in ten are left out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("part", range(PARTS))
def test_drawn_calls(part: int, dtype: str) -> None:
    for number in range(part, COUNT, PARTS):
        if number % 10 >= 8:  # operations that only loop over their arrays
            continue
        case = draw_case(12, number, dtype)
        actual = call(case, Ordinary())
        compare(case, actual)
        if case.threads > 1:  # shares have the bits of the whole
            for shared, whole in zip(actual, call(replace(case, threads=1), Ordinary()), strict=True):
                np.testing.assert_array_equal(shared, whole, err_msg=str(case))


@pytest.mark.parametrize("kernel", ["cross_correlate_dw", *(each.name for each in ALTERNATIVES["cross_correlate_dw"])])
def test_a_kernel_gradient_of_no_samples_is_what_it_was(kernel: str) -> None:
    left = [np.full(1 << 16, np.nan, np.float32) for _ in range(40)]
    del left  # what a kernel allocates would hold these
    x, dw = np.zeros((0, lanes(8), 9, 9), np.float32), np.ones((lanes(8), lanes(8), 3, 3), np.float32)
    options = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "kernel": (3, 3), "groups": 1}
    KERNELS[kernel].call((x, x, dw), {**options, "flip": False})
    np.testing.assert_array_equal(dw, 1)


@pytest.mark.parametrize(("taps", "name"), [(3, "correlate_winograd"), (5, "correlate_winograd_5x5")])
def test_errors_in_float32_are_about_those_of_plain_sums(taps: int, name: str) -> None:
    draw = np.random.default_rng(5)
    x = draw.standard_normal((4, 64, 16, 16)).astype("float32")
    w = draw.standard_normal((32, 64, taps, taps)).astype("float32")
    exact = kernels.call("cross_correlate", (x.astype("float64"), w.astype("float64"), None), {})[0]
    plain, actual = (kernels.call(name, (x, w, None), {})[0] for name in ("correlate_filters", name))
    assert np.std(actual - exact) < 3 * np.std(plain - exact)
