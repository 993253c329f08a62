"""The configurations compared with PyTorch cover every layer and loss with every option. No PyTorch needed."""

import numpy as np
import pytest
from parity import drawing
from parity.sweeping import TOLERANCE, Largest, deviation

from chainrule import layers
from chainrule.network import losses


def test_every_layer_and_loss_is_drawn() -> None:
    assert set(drawing.LAYERS) == set(layers.IN_A_ROW)
    assert set(drawing.ENDINGS) == set(losses.NAMES)


def test_a_deviation_is_a_share_of_the_largest_number() -> None:
    theirs = np.array([1.0, -200.0])
    assert deviation(theirs + np.array([2e-6, 0]), theirs) == pytest.approx(1e-8)
    assert deviation(np.array([1e-9]), np.zeros(1)) == pytest.approx(1e-6)
    assert deviation(np.array([np.nan, 1]), np.array([0.0, 1])) == np.inf
    largest = Largest()
    largest.meet("here", theirs * (1 + TOLERANCE / 2), theirs)
    assert largest.where == "here"
    for wrong in (theirs * (1 + 2 * TOLERANCE), theirs * np.nan):
        with pytest.raises(AssertionError, match=r"there: .* CHAINRULE_SEED="):
            largest.meet("there", wrong, theirs)
    with pytest.raises(AssertionError, match=r"shapes differ: ours \(1,\), theirs \(2,\)"):
        largest.meet("there", theirs[:1], theirs)
