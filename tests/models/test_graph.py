"""Graphs: what they are read from."""

import numpy as np

import chainrule as cr


def residual(**options):
    x = cr.Input((2, 5, 6))
    y = cr.ReLU()(cr.Conv2D(3, 3, padding="same")(x))
    y = cr.Add()(y, cr.Conv2D(3, 3, padding="same")(y))
    return cr.Graph(x, cr.Softmax()(cr.Dense(4)(cr.GlobalAveragePool2D()(y))), **options)


def test_a_graph_is_read_from_its_nodes():
    model = residual(engine="numpy")
    assert model.names == ["conv1", "relu1", "conv2", "add1", "pool1", "dense1", "softmax1"]
    assert model.wiring.inputs == ((0,), (1,), (2,), (2, 3), (4,), (5,), (6,))
    assert model.output_shape == (4,)
    assert "relu1, conv2" in model.summary()


def test_a_chain_is_the_same_as_sequential():
    x = cr.Input((2, 5, 6))
    y = cr.Dense(3)(cr.Flatten()(cr.Tanh()(cr.Conv2D(3, 3)(x))))
    graph = cr.Graph(x, y, engine="numpy", seed=3)
    row = cr.Sequential([cr.Conv2D(3, 3), cr.Tanh(), cr.Flatten(), cr.Dense(3)], (2, 5, 6), engine="numpy", seed=3)
    assert graph.about() == row.about()
    np.testing.assert_array_equal(graph.parameters, row.parameters)
    assert graph.plan("half_squared_error") == row.plan("half_squared_error")
