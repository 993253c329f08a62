"""The configurations compared with PyTorch cover every layer and loss with every option. No PyTorch needed."""

from dataclasses import fields

import numpy as np
import pytest
from parity import drawing
from parity.sweeping import TOLERANCE, Largest, deviation, generator

from chainrule import layers
from chainrule.training import losses

DRAWS = 200


def test_every_layer_and_loss_is_drawn() -> None:
    assert set(drawing.LAYERS) == set(layers.IN_A_ROW)
    assert set(drawing.ENDINGS) == set(losses.NAMES)


@pytest.mark.parametrize("name", drawing.LAYERS)
def test_every_option_takes_several_values(name: str) -> None:
    found = [drawing.fitting(generator(name, number), name) for number in range(DRAWS)]
    assert len({shape for _, shape in found}) > 4
    for field in fields(layers.NAMED[name]):
        if field.name != "initializer":  # parameters are moved from their initial values
            values = {getattr(layer, field.name) for layer, _ in found}
            assert len(values) > 1, field.name
            if field.name == "padding":
                named = set() if name == "Pad2D" else {str}
                assert {type(value) for value in values} == {int, tuple, *named}
                assert any(isinstance(value, tuple) and value[0][0] != value[0][1] for value in values if _pairs(value))


def _pairs(value: object) -> bool:
    return isinstance(value, tuple) and isinstance(value[0], tuple)


@pytest.mark.parametrize("name", losses.NAMES)
def test_targets_of_one_class_and_of_several(name: str) -> None:
    drawn = [drawing.loss_configuration(generator(name, number), name).t for number in range(DRAWS)]
    assert {bool(np.isin(t, (0, 1)).all()) for t in drawn} == {True, False}


def test_graphs_of_all_layers_that_branch_and_share() -> None:
    drawn = [drawing.graph_configuration(generator("graphs", number), "graphs") for number in range(3 * DRAWS)]
    assert {type(layer).__name__ for one in drawn for layer in one.layers} == set(layers.NAMED) - drawing.UNDRAWN
    wirings = [one.wiring for one in drawn if one.wiring]
    assert sum(not wiring.is_chain for wiring in wirings) > DRAWS
    assert sum(len(set(wiring.owners)) < len(wiring.owners) for wiring in wirings) > 20


def test_the_same_seed_draws_the_same() -> None:
    first, again = (drawing.layer_configuration(generator("Conv2D", 7), "Conv2D") for _ in range(2))
    assert str(first) == str(again)
    np.testing.assert_array_equal(first.x, again.x)


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
