"""Convolutions by Winograd's algorithm: the transforms, agreement with the reference, and when they are selected."""

import numpy as np
import pytest

from chainrule.engines.compiled.kernels import selection
from chainrule.engines.compiled.kernels.tiles import lanes

NAMES = {3: "correlate_winograd", 5: "correlate_winograd_5x5"}


@pytest.mark.parametrize("taps", NAMES)
def test_errors_in_float32_are_about_those_of_plain_sums(taps: int) -> None:
    draw = np.random.default_rng(5)
    x = draw.standard_normal((4, 64, 16, 16)).astype("float32")
    w = draw.standard_normal((32, 64, taps, taps)).astype("float32")
    exact = selection.call("cross_correlate", (x.astype("float64"), w.astype("float64"), None), {})[0]
    plain, actual = (selection.call(name, (x, w, None), {})[0] for name in ("correlate_filters", NAMES[taps]))
    assert np.std(actual - exact) < 3 * np.std(plain - exact)


def test_a_cell_that_is_not_finite_is_seen_by_the_results_of_its_tiles_alone() -> None:
    draw = np.random.default_rng(6)
    x, w = draw.standard_normal((2, lanes(8), 12, 12)), draw.standard_normal((lanes(8), lanes(8), 3, 3))
    actual = selection.call("correlate_winograd", (x, w, None), {"padding": ((1, 1), (1, 1))})[0]
    x[1, 0, 5, 5] = np.inf
    spoilt = selection.call("correlate_winograd", (x, w, None), {"padding": ((1, 1), (1, 1))})[0]
    assert np.isnan(spoilt[1, :, 4:8, 4:8]).all()
    spoilt[1, :, 4:8, 4:8] = actual[1, :, 4:8, 4:8]
    np.testing.assert_array_equal(spoilt, actual)
