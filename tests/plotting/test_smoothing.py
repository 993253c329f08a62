"""The running mean and the envelope against literal loops."""

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.plotting.series import envelope, half_window, smooth


def literal_mean(values: list[float], half: int) -> list[float]:
    means = []
    for k in range(len(values)):
        reach = min(k, half)
        near = [values[m] for m in range(k - reach, k + reach + 1) if m < len(values) and np.isfinite(values[m])]
        means.append(sum(near) / len(near) if near else np.nan)
    return means


@pytest.mark.parametrize(("count", "half"), [(1, 0), (1, 3), (2, 1), (7, 2), (50, 5), (6, 9)])
def test_smooth_is_the_mean_of_the_neighbours(count: int, half: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    assert_close(smooth(values, half), literal_mean(list(values), half))


def test_values_that_are_not_finite_are_left_out() -> None:
    values = np.array([1.0, np.nan, 3.0, np.inf, np.nan, np.nan, 2.0])
    assert_close(smooth(values, 1), literal_mean(list(values), 1))
    assert np.isnan(smooth(values, 0)[1])


@pytest.mark.parametrize(("count", "half"), [(0, 0), (1, 0), (3, 0), (4, 1), (100, 5), (1876, 21), (60_000, 122)])
def test_half_window(count: int, half: int) -> None:
    assert half_window(count) == half


def test_every_value_lies_in_the_envelope_and_its_edges_are_values() -> None:
    values = np.random.default_rng(0).normal(size=1003)
    middle, low, high = envelope(np.arange(1, 1004.0), values, 50)
    shares = [values[(k * 1003) // 50 : ((k + 1) * 1003) // 50] for k in range(50)]
    assert_array_equal(low, [share.min() for share in shares])
    assert_array_equal(high, [share.max() for share in shares])
    assert (np.diff(middle) > 0).all()
    assert (low.min(), high.max()) == (values.min(), values.max())
