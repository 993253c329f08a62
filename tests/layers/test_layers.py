"""Layers: shapes, descriptions and errors; tests/interop compares their results with ONNX Runtime's."""

import json
from dataclasses import replace

import numpy as np
import pytest
from drawn_networks import fitting
from numerical import assert_close

import chainrule as cr
from chainrule import layers
from chainrule.network.network import Network
from experiments.configurations import DRAWERS


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
