"""Parametric ReLU by hand, and against leaky ReLU."""

import numpy as np
import pytest
from numerical import frozen, normals

from chainrule.operations.reference import prelu
from chainrule.operations.reference.prelu import prelu_dw, prelu_dx
from chainrule.operations.reference.rectifiers import leaky_relu, leaky_relu_dx

shapes = pytest.mark.parametrize("shape", [(3, 2, 4, 5), (6, 3)], ids=["images", "features"])


def test_by_hand():
    """At 0 the derivative is the slope, and that of the slope is 0."""
    x, dy = frozen([[-2.0, 4], [0, -6], [3, -1]]), frozen([[5.0, 7], [11, 13], [17, 19]])
    slope = frozen([0.5, -2])
    np.testing.assert_array_equal(prelu(x, slope), [[-1, 4], [0, 12], [3, 2]])
    np.testing.assert_array_equal(prelu_dx(dy, x, slope), [[2.5, 7], [5.5, -26], [17, -38]])
    np.testing.assert_array_equal(prelu_dw(dy, x), [-10, -97])


@shapes
def test_equal_slopes_are_those_of_leaky_relu(shape):
    x, dy = normals(1, shape, shape)
    slope = frozen(np.full(shape[1], 0.3))
    np.testing.assert_array_equal(prelu(x, slope), leaky_relu(x, slope=0.3))
    np.testing.assert_array_equal(prelu_dx(dy, x, slope), leaky_relu_dx(dy, x, slope=0.3))


def test_nan_passes_through():
    x, one = frozen([[np.nan, -1.0]]), frozen([0.5, 0.5])
    assert np.isnan(prelu(x, one)[0, 0])
    assert np.isnan(prelu_dx(x, frozen([[1.0, 1.0]]), one)[0, 0])
