"""Convolutions by rows whose sums are not copied: where they are used. Results are compared in test_operations.py."""

import numpy as np
import pytest

from chainrule.engines.compiled.kernels.registry import Conditions
from chainrule.engines.compiled.kernels.selection import select_kernel
from chainrule.engines.compiled.kernels.tiles import lanes

PLAIN = {"stride": (1, 1), "padding": ((1, 1), (1, 1))}


@pytest.mark.parametrize(
    ("width", "kernel", "change", "conditions", "is_used"),
    [
        (2 * lanes(4), 3, {}, Conditions(), True),
        (lanes(4) - 1, 3, {}, Conditions(), False),  # rows shorter than a vector
        (lanes(4) - 1, 1, {"padding": ((0, 0), (0, 0))}, Conditions(), True),  # one long row
        (2 * lanes(4), 3, {}, Conditions(pooled=True), False),  # another kernel can pool its results
        (2 * lanes(4), 3, {"groups": 3}, Conditions(), False),
    ],
)
def test_rows_at_least_as_long_as_a_vector(width, kernel, change, conditions, is_used):
    channels = 3 // change.get("groups", 1)
    x, w = np.zeros((1, 3, width, width), "float32"), np.zeros((24, channels, kernel, kernel), "float32")
    name = select_kernel("cross_correlate", (x, w, np.zeros(24, "float32")), PLAIN | change, 4, conditions)
    assert (name == "correlate_rows") == is_used
