"""Graphs: what they are read from, refused ones, files, and the gradients of drawn ones."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import FormatError, OptionError, ShapeError
from chainrule.models.model import Model


def residual(**options):
    x = cr.Input((2, 5, 6))
    y = cr.ReLU()(cr.Conv2D(3, 3, padding="same")(x))
    y = cr.Add()(y, cr.Conv2D(3, 3, padding="same")(y))
    return cr.Graph(x, cr.Softmax()(cr.Dense(4)(cr.GlobalAveragePool2D()(y))), **options)


# ---------------------------------------------------------------------- building


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


def test_names_that_are_given_are_kept():
    x = cr.Input((3,))
    y = cr.Add()(cr.Dense(3, bias=False)(x, name="dense1"), cr.Dense(3, bias=False)(x))
    assert list(cr.Graph(x, cr.Dense(2)(y, name="head"), engine="numpy").weights) == [
        "dense1.w", "dense2.w", "head.w", "head.b",
    ]  # fmt: skip


# ---------------------------------------------------------------------- refused


def test_nodes_that_form_no_graph_are_refused():
    x, other = cr.Input((2, 5, 6)), cr.Input((2, 5, 6))
    with pytest.raises(OptionError, match="another input"):
        cr.Graph(x, cr.Add()(cr.ReLU()(x), other))
    with pytest.raises(OptionError, match="does not depend on the input"):
        cr.Graph(x, x)
    with pytest.raises(OptionError, match="expected results of Input or of other layers"):
        cr.ReLU()(np.zeros(3))
    with pytest.raises(OptionError, match="takes two inputs or more, found 1"):
        cr.Add()(x)
    with pytest.raises(OptionError, match="takes one input, found 2"):
        cr.ReLU()(x, x)
    with pytest.raises(OptionError, match="two layers are called 'same'"):
        cr.Graph(x, cr.ReLU()(cr.ReLU()(x, name="same"), name="same"))
    for name in ("1st", "a.b", "loss", "a b"):
        with pytest.raises(OptionError, match="expected letters, digits and _"):
            cr.ReLU()(x, name=name)


@pytest.mark.parametrize(("merge", "shapes"), [
    (cr.Add(), [(2, 3, 4), (3, 3, 4)]),
    (cr.Add(), [(2, 1, 4), (2, 3, 4)]),
    (cr.Multiply(), [(3,), (3, 1, 1)]),
    (cr.Concatenate(), [(2, 3, 4), (2, 3, 5)]),
    (cr.Concatenate(axis=1), [(2, 3, 4), (3, 3, 4)]),
    (cr.Concatenate(axis=3), [(2, 3, 4), (2, 3, 4)]),
])  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(merge, shapes):
    with pytest.raises(ShapeError):
        merge(*map(cr.Input, shapes))


def test_a_shared_layer_needs_inputs_of_one_shape():
    x, shared = cr.Input((4,)), cr.Dense(3)
    with pytest.raises(ShapeError, match="cannot share"):
        cr.Graph(x, shared(shared(x)))


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize(("entry", "value", "message"), [
    ("inputs", [[0], [1], [2], [2, 9], [4], [5], [6]], "expected numbers from 0 to 3"),
    ("inputs", [[0], [1], [2], [2, 3], [4], [5]], "expected 7"),
    ("inputs", [[0], [1], [2], [2, 2], [4], [5], [6]], "do not lead to the last one"),
    ("owners", [0, 0, 2, 3, 4, 5, 6], "cannot share"),
    ("owners", [0, 1, 2, 3, 4, 5, 99], "cannot share"),
    ("names", ["conv1"] * 7, "two layers are called"),
    ("names", [1] * 7, "expected a string"),
    ("inputs", "0123456", "expected a list"),
])  # fmt: skip
def test_damaged_wirings_are_refused(entry, value, message):
    about = residual(engine="numpy").about()
    about["wiring"][entry] = value
    with pytest.raises(FormatError, match=message):
        Model.from_about(about, engine="numpy")
