"""Where branches meet: a residual block by hand."""

import numpy as np
from numerical import frozen

from chainrule.operations import reference


def test_a_residual_block_by_hand():
    """y = x + 3x at x = (1, 2) with dy = (−1, 2): dx = 4 dy, of which the shortcut brings a quarter."""
    x, dy = frozen([[1.0, 2.0]]), frozen([[-1.0, 2.0]])
    np.testing.assert_array_equal(reference.add(x, 3 * x), [[4, 8]])
    parts = reference.add_dx(dy), 3 * reference.add_dx(dy)
    np.testing.assert_array_equal(reference.add(*parts), [[-4, 8]])


def test_equal_elements_share_the_gradient():
    dy, x = frozen([[6.0, 8.0]]), frozen([[1.0, np.nan]])
    np.testing.assert_array_equal(reference.maximum_dx(dy, x, x), [[3, 8]])
    np.testing.assert_array_equal(reference.maximum_dx(dy, x, frozen([[1.0, 0.0]])), [[3, 8]])
