"""Layers: shapes, descriptions and errors; tests/interop compares their results with ONNX Runtime's."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drawn_networks import LAYERS, draw_layer, fitting
from numerical import assert_close
from numpy.testing import assert_array_equal
from proving.acceptance import accepts
from proving.configurations import DRAWERS, any_shape

import chainrule as cr
from chainrule import layers
from chainrule.layers.peers import description
from chainrule.network.network import Network


@pytest.mark.parametrize("name", DRAWERS)
def test_drawn_layers_give_the_shapes_that_they_state_and_survive_json(name: str) -> None:
    draw = np.random.default_rng(len(name))
    for _ in range(12):
        layer, shape = fitting(draw, name)
        y = Network([layer], shape, dtype="float64", engine="numpy").apply(draw.standard_normal((2, *shape)))
        assert y.shape == (2, *layer.output_shape(shape, "layer"))
        if isinstance(layer, layers.Conv2D | layers.Dense):
            layer = replace(layer, initializer="normal:0.1")
        assert layers.from_config(json.loads(json.dumps(layer.to_config()))) == layer
        assert eval(layer.describe(), {**layers.NAMED}) == layer  # summary() shows what one would write


def test_unknown_layers_and_options_in_a_file_are_named() -> None:
    with pytest.raises(cr.ChainruleError, match="unknown layer 'Conv9D'"):
        layers.from_config({"layer": "Conv9D"})
    with pytest.raises(cr.ChainruleError, match="unknown layer None"):
        layers.from_config({"features": 3})
    with pytest.raises(cr.ChainruleError, match="Dense"):
        layers.from_config({"layer": "Dense", "features": 3, "colour": "red"})


def test_the_options_of_a_normalization_reach_its_operations() -> None:
    x = np.random.default_rng(1).standard_normal((5, 2, 3, 4))
    layer = layers.BatchNorm2D(momentum=0.25, epsilon=0.5)
    network = Network([layer, layers.Flatten()], (2, 3, 4), dtype="float64", engine="numpy")
    program = network.compile(network.plan("half_squared_error"))
    losses = program.gradients(x, np.zeros((5, 24)), seed=0, step=1)[0]
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    normalized = (x - mean[:, None, None]) / np.sqrt(variance + 0.5)[:, None, None]
    assert_close(losses, 0.5 * (normalized**2).sum((1, 2, 3)))
    program.commit_statistics()
    assert_close(network.statistics, [*(0.25 * mean), *(0.75 + 0.25 * variance * 60 / 59)])


@pytest.mark.parametrize("name", LAYERS)
def test_a_plan_has_views_of_the_same_size_and_results_with_the_name_of_their_layer(name: str) -> None:
    for number in range(4):
        drawn = draw_layer(np.random.default_rng([number, len(name)]), name)
        plan = drawn.build("numpy").plan("half_squared_error")
        sizes = dict[str, int]()
        for operation in plan.operations:
            for tensor in (*operation.reads, *operation.writes):
                if tensor is not None:
                    assert math.prod(tensor.shape) == sizes.setdefault(tensor.storage, math.prod(tensor.shape))
        assert plan.output.storage in ("x", f"{plan.output.name.split('.')[0]}.y")


@pytest.mark.parametrize("activation", ["tanh", "TanH", cr.Tanh, cr.Tanh()])
@pytest.mark.parametrize("kind", [kind for kind in layers.NAMED.values() if kind.takes_activation])
def test_an_activation_is_a_layer_of_its_own(kind: Any, activation: Any) -> None:
    """The first layer gets the name, and the weights of both networks are the same."""
    layer, shape = kind(**kind.examples[0][1]), kind.examples[0][0]
    x = cr.Input(shape)
    chain = kind(**kind.examples[0][1], activation=activation)
    short = cr.Graph(x, chain(x, name="first"), engine="numpy", seed=3)
    long = cr.Graph(x, cr.Tanh()(layer(x, name="first")), engine="numpy", seed=3)
    values = np.random.default_rng(0).normal(size=(3, *shape))
    assert_array_equal(short.predict(values), long.predict(values))
    assert list(short.weights) == list(long.weights)


@pytest.mark.parametrize("seed", range(20))
def test_slices_that_meet_are_joined_to_their_input(seed: int) -> None:
    """Cut an axis at drawn places, the first and the last index included."""
    draw = np.random.default_rng(seed)
    shape = tuple(size + 1 for size in any_shape(draw))
    axis = int(draw.integers(len(shape)))
    middle = int(draw.integers(1, shape[axis]))
    x = cr.Input(shape)
    parts = [layers.Slice(axis, 0, middle)(x), layers.Slice(axis, middle, shape[axis])(x)]
    model = cr.Graph(x, layers.Concatenate(axis)(*parts), engine="numpy", dtype="float64")
    values = draw.normal(size=(2, *shape))
    assert_array_equal(model.predict(values), values)
    for start, stop in ((middle, shape[axis] + 1), (shape[axis], None), (middle, middle)):
        with pytest.raises(cr.ChainruleError, match="Slice"):
            layers.Slice(axis, start, stop)(x)


def moved(layer: Any, x: np.ndarray) -> np.ndarray:
    """Return what a layer that moves values gives, by NumPy's functions."""
    match layer:
        case layers.Pad2D():
            rows, columns = layer.padding if isinstance(layer.padding, tuple) else (layer.padding,) * 2
            return np.pad(x, [(0, 0), (0, 0), np.broadcast_to(rows, 2), np.broadcast_to(columns, 2)])
        case layers.Permute():
            return x.transpose(0, *(axis + 1 for axis in layer.axes))
        case layers.Broadcast():
            return np.broadcast_to(x, (len(x), *layer.shape))
        case layers.Reshape():
            return x.reshape(len(x), *layer.shape)
        case _:  # UpSample2D
            down, right = np.broadcast_to(layer.factor, 2)
            return x.repeat(down, 2).repeat(right, 3)


@pytest.mark.parametrize("name", ["Broadcast", "Pad2D", "Permute", "Reshape", "UpSample2D"])
def test_values_are_moved_as_by_numpy(name: str) -> None:
    for seed in range(12):
        draw = np.random.default_rng([seed, len(name)])
        layer, shape = fitting(draw, name)
        if isinstance(layer, layers.UpSample2D):
            layer = replace(layer, mode="nearest")
        x = draw.normal(size=(2, *shape))
        y = Network([layer], shape, dtype="float64", engine="numpy").apply(x)
        assert_array_equal(y, moved(layer, x))
        if isinstance(layer, layers.Pad2D):
            back = Network([layers.Crop2D(layer.padding)], y.shape[1:], dtype="float64", engine="numpy")
            assert_array_equal(back.apply(y), x)


@pytest.mark.parametrize("seed", range(20))
def test_averages_count_padding_but_no_extension(seed: int) -> None:
    """Average each window by loops. Elements that ceil_mode adds are NaN, which no mean counts."""
    draw = np.random.default_rng(seed)
    while True:
        shape = any_shape(draw)
        (height, width), (down, right) = draw.integers(1, 5, (2, 2)).tolist()
        sides = tuple(map(tuple, draw.integers(0, 3, (2, 2)).tolist()))
        options: dict[str, Any] = {"stride": (down, right), "padding": sides, "ceil_mode": True, "count_padding": True}
        layer = layers.AveragePool2D((height, width), **options)
        if accepts(layer, shape):
            break
    _, rows, columns = layer.output_shape(shape, "pool")
    x = draw.normal(size=(2, *shape))
    padded = np.pad(x, [(0, 0), (0, 0), *sides])
    extended = np.pad(padded, [(0, 0), (0, 0), (0, height), (0, width)], constant_values=np.nan)
    expected = np.empty((2, shape[0], rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = extended[:, :, i * down : i * down + height, j * right : j * right + width]
            expected[:, :, i, j] = np.nanmean(window, axis=(2, 3))
    assert_close(Network([layer], shape, dtype="float64", engine="numpy").apply(x), expected)


@pytest.mark.parametrize("kind", layers.NAMED.values())
def test_descriptions_of_layers_name_them_and_their_parameters(kind: type[layers.Layer]) -> None:
    for parameters in ((), ("slope",), ("w", "b")):
        text = description(kind, parameters)
        assert kind.__name__ in text
        assert all(f"one {name} " in text for name in parameters)
        assert ("for each channel" in text) == bool(parameters)
