"""Losses at probabilities of 0 and 1 and at kinks, and metrics of NaN; see test_oracles.py and test_gradients.py."""

import numpy as np
import pytest
from numerical import assert_close, frozen
from numpy.testing import assert_array_equal

from chainrule.operations import reference


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_are_clipped(dtype: type) -> None:
    """Clip 0 to ε; binary cross-entropy clips 1 to 1 − ε, and categorical cross-entropy keeps it exactly."""
    epsilon = float(np.finfo(dtype).eps)
    t = frozen([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], dtype)
    p = frozen([[0.0, 1.0], [1.0, 0.0], [1.5, -0.5]], dtype)
    lost = -np.log(epsilon)
    assert_close(reference.binary_cross_entropy(p, t), [lost, 0, 0])
    assert_array_equal(reference.categorical_cross_entropy(p, t)[1:], 0)
    assert_close(reference.categorical_cross_entropy(p, t), [lost, 0, 0])
    binary = reference.binary_cross_entropy_dp(p, t, batch=1)
    assert_close(binary[0], [-0.5 / epsilon, 0.5 / epsilon])
    assert_close(binary[1:], [[-0.5, 0.5], [-0.5, 0.5]])
    categorical = reference.categorical_cross_entropy_dp(p, t, batch=1)
    assert_close(categorical[0], [-1 / epsilon, 0])
    assert_array_equal(categorical[1:], [[-1, 0], [-1, 0]])


def test_the_slope_of_an_absolute_error_of_zero_is_zero() -> None:
    p, t = frozen([[1.0, -2, 5], [0, 0.5, 2.5]]), frozen([[0.0, 2, 5], [0, 0, 0]])
    assert_array_equal(reference.mean_absolute_error_dp(p, t, batch=1) * 3, [[1, -1, 0], [0, 1, 1]])


def test_correct_labels() -> None:
    """Count ½ as yes, and NaN as neither yes nor no."""
    p = frozen([[0.5, 0.49, 0.9], [0.1, 0.2, 0.7], [np.nan, 0.2, 0.7]])
    t = frozen([[1.0, 0, 1], [1, 0, 0], [0, 0, 1]])
    assert_close(reference.correct_labels(p, t), [1, 1 / 3, 2 / 3])


def test_correct_places_nan_as_argmax_does() -> None:
    p = frozen([[0.1, np.nan, 0.9], [np.nan, 0.5, np.nan]])
    for place in range(3):
        t = np.eye(3)[[place, place]]
        assert_array_equal(reference.correct(p, t), p.argmax(1) == place)
