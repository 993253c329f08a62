"""The derived matrices against published ones and the identity that they satisfy."""

import numpy as np
import pytest

from benchmarks.algorithms.toom_cook import matrices
from chainrule.errors import OptionError


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
