"""The gradient of a maximum of equal elements."""

import numpy as np
from numerical import frozen

from chainrule.operations import reference


def test_equal_elements_share_the_gradient():
    dy, x = frozen([[6.0, 8.0]]), frozen([[1.0, np.nan]])
    np.testing.assert_array_equal(reference.maximum_dx(dy, x, x), [[3, 8]])
    np.testing.assert_array_equal(reference.maximum_dx(dy, x, frozen([[1.0, 0.0]])), [[3, 8]])
