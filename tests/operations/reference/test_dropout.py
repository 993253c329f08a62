"""Dropout: expected counts, and rates of 0 and 1; test_oracles.py compares each element with SplitMix64."""

import numpy as np
from numerical import frozen, normals
from numpy.testing import assert_array_equal

from chainrule.operations.reference import dropout

OPTIONS = {"rate": 0.4, "stream": 12, "seed": 7, "step": 3}


def test_about_the_rate_is_dropped_and_the_mean_stays():
    y = dropout(frozen(np.ones((20, 500))), **OPTIONS)
    assert abs(np.mean(y == 0) - 0.4) < 0.02  # four standard deviations of 10,000 draws
    assert abs(y.mean() - 1) < 0.04
    assert_array_equal(np.unique(y), [0, 1 / 0.6])


def test_rates_of_none_and_all():
    (x,) = normals(4, (2, 5))
    assert_array_equal(dropout(x, **{**OPTIONS, "rate": 0.0}), x)
    assert_array_equal(dropout(x, **{**OPTIONS, "rate": 1.0}), np.zeros((2, 5)))
