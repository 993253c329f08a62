"""The derived matrices against published ones and the identity that they satisfy."""

import numpy as np
import pytest

from benchmarks.algorithms.toom_cook import matrices
from chainrule.errors import OptionError

# Lavin & Gray 2015, section 4.1 and 4.3.
PUBLISHED = {
    2: (
        [[1, 1, 1, 0], [0, 1, -1, -1]],
        [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
    ),
    4: (
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ],
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ],
    ),
}


@pytest.mark.parametrize("m", [2, 4])
def test_as_published(m):
    """Compare up to signs that cancel: the same tensor Aᵀ[i,k]·G[k,j]·Bᵀ[k,l] at every point."""
    theirs = [np.array(matrix, float) for matrix in PUBLISHED[m]]
    at_each = [np.einsum("ik,kj,kl->kijl", *three) for three in (matrices(m, 3), theirs)]
    np.testing.assert_allclose(*at_each, atol=1e-15)


@pytest.mark.parametrize(("m", "r"), [(1, 1), (2, 3), (4, 3), (3, 2), (2, 5), (1, 4), (6, 1)])
def test_correlates(m, r):
    found = matrices(m, r)
    assert (found.outputs, found.size) == (m, m + r - 1)
    d, g = np.random.default_rng(m).normal(size=m + r - 1), np.random.default_rng(r).normal(size=r)
    y = found.At @ ((found.G @ g) * (found.Bt @ d))
    np.testing.assert_allclose(y, np.correlate(d, g, mode="valid"), rtol=1e-10)


def test_too_many_points():
    with pytest.raises(OptionError, match=r"F\(6, 3\) needs 7 points; known: 0, 1, -1, 2, -2"):
        matrices(6, 3)
