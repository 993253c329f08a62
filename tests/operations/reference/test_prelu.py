"""Parametric ReLU by hand."""

import numpy as np
from numerical import frozen
from numpy.testing import assert_array_equal

from chainrule.operations.reference import prelu
from chainrule.operations.reference.prelu import prelu_dw, prelu_dx


def test_by_hand():
    """At 0 the derivative is the slope, and that of the slope is 0."""
    x, dy = frozen([[-2.0, 4], [0, -6], [3, -1]]), frozen([[5.0, 7], [11, 13], [17, 19]])
    slope = frozen([0.5, -2])
    assert_array_equal(prelu(x, slope), [[-1, 4], [0, 12], [3, 2]])
    assert_array_equal(prelu_dx(dy, x, slope), [[2.5, 7], [5.5, -26], [17, -38]])
    assert_array_equal(prelu_dw(dy, x), [-10, -97])


def test_nan_passes_through():
    x, item = frozen([[np.nan, -1.0]]), frozen([0.5, 0.5])
    assert np.isnan(prelu(x, item)[0, 0])
    assert np.isnan(prelu_dx(x, frozen([[1.0, 1.0]]), item)[0, 0])
