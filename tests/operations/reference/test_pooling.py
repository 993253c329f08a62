"""Pooling by hand and against the tutorials; test_oracles.py compares it with ONNX Runtime."""

import numpy as np
import pytest
from numerical import frozen
from numpy.testing import assert_array_equal

from chainrule.operations.reference.pooling import average_pool, max_pool


def test_max_ties_go_to_the_first_in_row_major_order():
    x = frozen([[[[1.0, 3, 3], [3, 3, 2]]]])
    y, winner = max_pool(x, window=(2, 3))
    assert (y.item(), winner.item()) == (3, 1)
    _, winner = max_pool(frozen(np.zeros((1, 1, 4, 4))), window=(2, 2))
    assert_array_equal(winner[0, 0], [[0, 2], [8, 10]])


def test_max_padding_never_wins():
    x = frozen([[[[-5.0, -6], [-7, -8]]]])
    y, winner = max_pool(x, window=(2, 2), stride=(1, 1), padding=((1, 1), (1, 1)))
    assert_array_equal(y[0, 0], [[-5, -5, -6], [-5, -5, -6], [-7, -7, -8]])
    assert_array_equal(winner[0, 0], [[0, 0, 1], [0, 0, 1], [2, 2, 3]])
    y, winner = max_pool(frozen(np.full((1, 1, 2, 2), -np.inf)), window=(2, 2), stride=(1, 1), padding=((1, 0), (1, 0)))
    assert_array_equal(y[0, 0], np.full((2, 2), -np.inf))
    assert_array_equal(winner[0, 0], [[0, 0], [0, 0]])


@pytest.mark.parametrize("row", [[1, np.nan, np.inf, np.nan], [np.nan, 9, np.nan, 1], [2, 1, 0, np.nan]])
def test_max_the_first_nan_wins(row):
    y, winner = max_pool(frozen(row).reshape(1, 1, 2, 2), window=(2, 2))
    assert np.isnan(y.item())
    assert winner.item() == np.flatnonzero(np.isnan(row))[0]


def test_a_sum_is_not_divided():
    assert average_pool(frozen([[[[1.0, 2], [3, 4.5]]]]), window=(2, 2), divisor="one").item() == 10.5
