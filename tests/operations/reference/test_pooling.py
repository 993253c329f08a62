"""Max pooling of NaN and −∞; test_oracles.py compares it with ONNX Runtime, also ties and padding."""

import numpy as np
import pytest
from numerical import frozen
from numpy.testing import assert_array_equal

from chainrule.operations.reference.pooling import max_pool


@pytest.mark.parametrize("row", [[1, np.nan, np.inf, np.nan], [np.nan, 9, np.nan, 1], [2, 1, 0, np.nan]])
def test_max_the_first_nan_wins(row: list[float]) -> None:
    y, winner = max_pool(frozen(row).reshape(1, 1, 2, 2), window=(2, 2))
    assert np.isnan(y.item())
    assert winner.item() == np.flatnonzero(np.isnan(row))[0]


def test_max_padding_does_not_win_against_infinity() -> None:
    y, winner = max_pool(frozen(np.full((1, 1, 2, 2), -np.inf)), window=(2, 2), stride=(1, 1), padding=((1, 0), (1, 0)))
    assert_array_equal(y[0, 0], np.full((2, 2), -np.inf))
    assert_array_equal(winner[0, 0], 0)
