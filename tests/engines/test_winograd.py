"""The accuracy of Winograd's algorithm in float32; drawn kernels compare its results."""

import numpy as np
import pytest

from chainrule.engines.compiled.kernels import selection

NAMES = {3: "correlate_winograd", 5: "correlate_winograd_5x5"}


@pytest.mark.parametrize("taps", NAMES)
def test_errors_in_float32_are_about_those_of_plain_sums(taps: int) -> None:
    draw = np.random.default_rng(5)
    x = draw.standard_normal((4, 64, 16, 16)).astype("float32")
    w = draw.standard_normal((32, 64, taps, taps)).astype("float32")
    exact = selection.call("cross_correlate", (x.astype("float64"), w.astype("float64"), None), {})[0]
    plain, actual = (selection.call(name, (x, w, None), {})[0] for name in ("correlate_filters", NAMES[taps]))
    assert np.std(actual - exact) < 3 * np.std(plain - exact)
