"""Several inputs and outputs: shapes, names, order and errors."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from proving.configurations import any_shape

import chainrule as cr
from chainrule.errors import OptionError
from chainrule.layers.node import Node
from chainrule.layers.packing import Pack, Unpack

NAMES = ("a", "a:0", "x", "x:0", "left eye", "größe", "loss", "t", "1st")  # no layer can have most of them


def reversed_axes(node: cr.Input) -> Node:
    return cr.Permute(tuple(range(len(node.shape)))[::-1])(node)


@pytest.mark.parametrize("seed", range(12))
def test_every_input_reaches_the_results_that_read_it(seed: int) -> None:
    """Inputs of any shapes, by name and in order; outputs in another order than the inputs."""
    draw = np.random.default_rng(seed)
    names = [str(name) for name in draw.permutation(NAMES)[: draw.integers(2, 5)]]
    inputs = {name: cr.Input(any_shape(draw)) for name in names}
    x = {name: draw.normal(size=(3, *node.shape)) for name, node in inputs.items()}
    order = [str(name) for name in draw.permutation(names)]
    outputs = {f"of {name}": reversed_axes(inputs[name]) for name in order}
    model = cr.Graph(inputs, outputs, engine="numpy", dtype="float64")
    results = model.predict(x)
    assert list(results) == [f"of {name}" for name in order]
    for name in names:
        assert_array_equal(results[f"of {name}"], x[name].transpose(0, *range(x[name].ndim - 1, 0, -1)))
    in_order = model.predict([x[name] for name in names])
    for name, result in results.items():
        assert_array_equal(in_order[name], result)
    unnamed = cr.Graph(list(inputs.values()), list(outputs.values()), engine="numpy", dtype="float64")
    for result, expected in zip(unnamed.predict([x[name] for name in names]).values(), results.values(), strict=True):
        assert_array_equal(result, expected)


def test_inputs_keep_their_names() -> None:
    """Those that a layer can have are names of layers; others are labels."""
    named = cr.Input((2, 3), name="signal")
    a, b = cr.Input((4,)), cr.Input((1, 2, 2))
    model = cr.Graph({"wide": named, "x:0": a, "end": b}, [reversed_axes(node) for node in (named, a, b)])
    labels = [layer.label for layer in model.layers if isinstance(layer, Unpack)]
    assert labels == [None, "x:0", None]
    assert {"wide", "end"} <= set(model.wiring.names)
    assert Unpack(0, (1,), "two\nlines").label == r"two\nlines"


def test_a_single_input_and_several_outputs() -> None:
    x = cr.Input((2, 3))
    model = cr.Graph(x, [cr.Abs()(x, name="magnitudes"), cr.Flatten()(x)], engine="numpy", dtype="float64")
    values = np.random.default_rng(0).normal(size=(4, 2, 3))
    results = model.predict(values)
    assert_array_equal(results["magnitudes"], np.abs(values))
    assert_array_equal(results["flatten1"], values.reshape(4, 6))
    with pytest.raises(OptionError, match="an output is the graph's input"):
        cr.Graph(x, [cr.Abs()(x), x])


def test_a_pack_has_all_elements_of_its_inputs() -> None:
    pack = Pack(("first", "second"))
    assert pack.joint_shape([(2, 3, 4), (5,)], "pack1") == (29,)
    with pytest.raises(cr.ShapeError, match="3 outputs and 2 names"):
        pack.joint_shape([(1,), (2,), (3,)], "pack1")


def test_inputs_without_names_are_numbered() -> None:
    nodes = [cr.Input((2,)), cr.Input((3,), name="signal"), cr.Input((4,))]
    model = cr.Graph(nodes, [cr.Tanh()(node) for node in nodes])
    names = [name for name, layer in zip(model.wiring.names, model.layers, strict=True) if isinstance(layer, Unpack)]
    assert names == ["input1", "signal", "input3"]
    assert not {"input1", "signal", "input3"} & model.wiring.invented


def test_inputs_are_different_input_nodes() -> None:
    x = cr.Input((2,))
    for inputs in ([x, x], [x, cr.Tanh()(x)]):
        with pytest.raises(OptionError, match="expected different Input nodes"):
            cr.Graph(inputs, cr.Abs()(inputs[1]))
    with pytest.raises(cr.ShapeError, match=r"expected an input \(F,\), found 2×3"):
        Unpack(0, (1,)).output_shape((2, 3), "input1")
