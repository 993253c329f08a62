"""Venchislaw's paper, equation by equation, against the reference and finite differences."""

import numpy as np
import pytest
from numerical import assert_gradient, normals
from tutorials.comparing import same

from chainrule.core import shapes
from chainrule.operations import reference


@pytest.mark.parametrize(("size", "p", "f", "s"), [(28, 0, 5, 1), (6, 0, 3, 1), (7, 1, 3, 2), (5, 2, 3, 2)])
def test_eq_1_and_2_size_of_the_output(size, p, f, s):
    """W_o = (W_i + 2p − f)/s + 1, where the division comes out even."""
    assert (size + 2 * p - f) % s == 0
    y = reference.cross_correlate(
        np.ones((1, 1, size, size)), np.ones((1, 1, f, f)), stride=(s, s), padding=((p, p),) * 2
    )
    assert y.shape[2] == (size + 2 * p - f) / s + 1 == shapes.output_size(size, f, s, (p, p))


@pytest.mark.parametrize("f", [1, 3, 5, 7])
def test_eq_3_same_padding(f):
    """n + 2p − f + 1 = n, so p = (f − 1)/2."""
    p = (f - 1) // 2
    assert shapes.axis_padding("same", 9, f) == (p, p)
    assert 9 + 2 * p - f + 1 == 9 == shapes.output_size(9, f, padding=(p, p))


def test_pooling_and_its_gradients():
    """Max: the gradient to the largest item. Average: to all items alike, each its share."""
    x, dy = normals(10, (1, 2, 4, 6), (1, 2, 2, 3))
    y, winner = reference.max_pool(x, window=(2, 2))
    dx = reference.max_pool_dx(dy, winner, size=(4, 6))
    for c, i, j in np.ndindex(2, 2, 3):
        window = np.s_[0, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        assert y[0, c, i, j] == x[window].max()
        np.testing.assert_array_equal(dx[window] != 0, x[window] == x[window].max())
        assert dx[window].sum() == dy[0, c, i, j]
    averaged = reference.average_pool(x, window=(2, 2))
    same(averaged, x.reshape(1, 2, 2, 2, 3, 2).mean((3, 5)))
    share = reference.average_pool_dx(dy, size=(4, 6), window=(2, 2))
    same(share, np.kron(dy, np.full((2, 2), 1 / 4)))
    assert_gradient(lambda x: reference.average_pool(x, window=(2, 2)), x, dy, share)
