"""Layers: shapes, descriptions and errors; tests/interop compares their results with ONNX Runtime's."""

import json
from dataclasses import replace

import numpy as np
import pytest
from parity.drawing import fitting
from scipy.signal import convolve2d, correlate2d

import chainrule as cr
from chainrule import layers
from chainrule.check.configurations import DRAWERS
from chainrule.models.network import Network


def applied(layer: layers.Layer, x: np.ndarray, engine: str = "reference") -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Apply a layer alone, as a network in float64, to a batch; return its output and its weights."""
    network = Network([layer], x.shape[1:], dtype="float64", seed=3, engine=engine)
    rng = np.random.default_rng(5)
    network.parameters[:] = rng.standard_normal(network.parameters.size)
    return network.apply(x), network.weights


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
@pytest.mark.parametrize("rotated", [False, True])
def test_padding_modes_are_scipys(mode: str, rotated: bool) -> None:
    x = np.random.default_rng(0).standard_normal((2, 1, 7, 6))
    y, weights = applied(layers.Conv2D(1, (3, 5), padding=mode, bias=False, convolution=rotated), x)
    slide = convolve2d if rotated else correlate2d
    for picture, result in zip(x[:, 0], y[:, 0], strict=True):
        np.testing.assert_allclose(result, slide(picture, weights["conv1.w"][0, 0], mode), atol=1e-12)


@pytest.mark.parametrize("name", DRAWERS)
def test_drawn_layers_give_the_shapes_that_they_state_and_survive_json(name: str) -> None:
    draw = np.random.default_rng(len(name))
    for _ in range(12):
        layer, shape = fitting(draw, name)
        y, _ = applied(layer, draw.standard_normal((2, *shape)), "numpy")
        assert y.shape == (2, *layer.output_shape(shape, "layer"))
        if isinstance(layer, layers.Conv2D | layers.Dense):
            layer = replace(layer, initializer="normal:0.1")
        assert layers.from_config(json.loads(json.dumps(layer.to_config()))) == layer
        assert eval(layer.describe(), vars(layers)) == layer  # summary() shows what one would write


LINES = [layers.Conv1D(4, 3), layers.BatchNorm1D(momentum=1.0), layers.Tanh(), layers.Conv1D(3, 2, padding="same")]


@pytest.mark.parametrize("engine", ["compiled", "numpy", "reference"])
@pytest.mark.parametrize(("last", "numpy"), [(layers.GlobalAveragePool1D, np.mean), (layers.GlobalMaxPool1D, np.max)])
def test_a_network_over_lines_normalizes_and_pools_like_numpy(engine: str, last, numpy) -> None:
    """Use the batch in training and the running statistics in inference; with momentum 1 they are the batch's."""
    x = np.random.default_rng(4).standard_normal((6, 2, 11))
    network = Network([*LINES, last()], (2, 11), dtype="float64", engine=engine, seed=2)
    weights = network.weights
    weights["norm1.gamma"][:], weights["norm1.beta"][:] = [1.5, -2, 0.5, 3], [0.1, -0.2, 0.3, 0]

    def lines(given: np.ndarray, layer: layers.Layer, name: str) -> np.ndarray:
        alone = Network([layer], given.shape[1:], dtype="float64", engine="reference")
        alone.set_weights({f"conv1.{part}": weights[f"{name}.{part}"] for part in ("w", "b")})
        return alone.apply(given)

    made = lines(x, LINES[0], "conv1")
    mean, variance = made.mean((0, 2)), made.var((0, 2), ddof=1)
    scale = weights["norm1.gamma"] / np.sqrt(made.var((0, 2)) + 1e-5)
    normal = (made - mean[:, None]) * scale[:, None] + weights["norm1.beta"][:, None]
    expected = numpy(lines(np.tanh(normal), LINES[3], "conv2"), axis=2)

    run = network.compile(network.plan("half_squared_error"))
    t = np.random.default_rng(5).standard_normal((6, 3))
    losses, _, _ = run.gradients(x, t, seed=0, step=1)
    np.testing.assert_allclose(losses, ((expected - t) ** 2).sum(1) / 2, rtol=1e-10)
    run.commit_statistics()
    np.testing.assert_allclose(weights["norm1.running_mean"], mean, rtol=1e-10)
    np.testing.assert_allclose(weights["norm1.running_variance"], variance, rtol=1e-10)

    scale = weights["norm1.gamma"] / np.sqrt(variance + 1e-5)
    normal = (made - mean[:, None]) * scale[:, None] + weights["norm1.beta"][:, None]
    expected = numpy(lines(np.tanh(normal), LINES[3], "conv2"), axis=2)
    np.testing.assert_allclose(network.apply(x), expected, rtol=1e-10)


def test_unknown_layers_and_options_in_a_file_are_named() -> None:
    with pytest.raises(cr.ChainruleError, match="unknown layer 'Conv9D'"):
        layers.from_config({"layer": "Conv9D"})
    with pytest.raises(cr.ChainruleError, match="unknown layer None"):
        layers.from_config({"features": 3})
    with pytest.raises(cr.ChainruleError, match="Dense"):
        layers.from_config({"layer": "Dense", "features": 3, "colour": "red"})


def test_numbers_of_numpy_and_lists_are_taken_as_pythons() -> None:
    layer = layers.Conv2D(np.int64(8), [np.int32(3), 5], padding=[[1, 0], [2, 1]], bias=np.True_)
    assert layer == layers.Conv2D(8, (3, 5), padding=((1, 0), (2, 1)))
    assert type(layer.filters) is int
