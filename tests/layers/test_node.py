"""Names of the layers of a graph."""

import pytest

import chainrule as cr
from chainrule.layers import node


def test_names_of_layers_are_chosen_or_invented() -> None:
    """Those of a restored graph too, in which both applications of a shared layer have names."""
    x = cr.Input((3,))
    shared = cr.Dense(3)
    y = shared(cr.Tanh()(shared(x), name="bend"))
    model = cr.Graph(x, y)
    assert model.wiring.names == ("dense1", "bend", "dense2")
    assert model.wiring.invented == {"dense1", "dense2"}
    assert model.wiring.owners == (0, 1, 0)
    layers, wiring = node.trace(*node.rebuild(model.layers, (3,), model.wiring))
    assert (layers, wiring) == (model.layers, model.wiring)


def test_errors_in_a_graph_have_the_name_of_the_layer_or_its_type() -> None:
    x = cr.Input((1, 4, 4))
    with pytest.raises(cr.ShapeError, match="'large'"):
        cr.Conv2D(1, 9)(x, name="large")
    with pytest.raises(cr.ShapeError, match="'Conv2D'"):
        cr.Conv2D(1, 9)(x)
