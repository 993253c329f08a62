"""Gradients of whole networks: by finite differences, and equal on every engine, thread count and batch size."""

import numpy as np
import pytest
from parity.drawing import LAYERS, OF_POSITIVE, fitting
from training.networks import Array

from chainrule import layers as cr
from chainrule.layers import Layer
from chainrule.models.network import Network
from chainrule.training import losses

SEED, STEP = 9, 4  # of dropout

ENDINGS: dict[str, list[Layer]] = {
    "half_squared_error": [],
    "mean_squared_error": [cr.Tanh()],
    "mean_absolute_error": [],
    "huber": [],
    "binary_cross_entropy": [cr.Sigmoid()],
    "categorical_cross_entropy": [cr.Softmax()],
    "softmax_cross_entropy": [],
    "binary_focal_cross_entropy": [cr.Sigmoid()],
    "categorical_focal_cross_entropy": [cr.Softmax()],
    "dice": [cr.Sigmoid()],
    "categorical_cross_entropy on a sigmoid": [cr.Sigmoid()],
    "half_squared_error on a softmax": [cr.Softmax()],
    "dice on a softmax": [cr.Softmax()],
}


def drawn(name: str, number: int, engine: str) -> Network:
    """Build a network with the layer between others, so that its input gradient is part of their gradients."""
    layer, shape = fitting(np.random.default_rng([number, *name.encode()]), name)
    first = {1: cr.Dense, 2: cr.Conv1D, 3: cr.Conv2D}[len(shape)]
    parts = [first(*(shape[0], 1)[: len(shape)]), layer, cr.Tanh(), cr.Flatten(), cr.Dense(3)]
    if name in OF_POSITIVE:
        parts.insert(1, cr.Softplus())
    network = Network(parts, shape, dtype="float64", seed=1, engine=engine)
    network.parameters += np.random.default_rng(2).normal(scale=0.3, size=network.parameters.shape)
    network.statistics += np.random.default_rng(4).uniform(0, 0.5, network.statistics.shape)  # and constants
    return network


def data(shape: tuple[int, ...], count: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(3)
    return generator.normal(size=(count, *shape)), np.eye(3)[generator.integers(0, 3, count)]


def check(network: Network, loss: str, x: Array, t: Array, h: float = 1e-6) -> None:
    """Compare the gradient of each parameter with a central difference of the mean loss in a random direction."""
    walk = network.compile(network.plan(loss))
    gradient = walk.gradients(x, t, seed=SEED, step=STEP)[2].copy()
    start, slopes, expected = network.parameters.copy(), list[float](), list[float]()
    for first, last in network.trainable_layout.values():
        direction = np.zeros_like(start)
        direction[first:last] = np.random.default_rng(first).normal(size=last - first)
        ends = list[float]()
        for step in (h, -h):
            network.parameters[:] = start + step * direction
            ends.append(walk.gradients(x, t, seed=SEED, step=STEP)[0].mean())
        slopes.append(float(gradient @ direction))
        expected.append((ends[0] - ends[1]) / (2 * h))
    network.parameters[:] = start
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(slopes, expected, rtol=1e-6, atol=1e-8 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_by_numbers(name: str, number: int) -> None:
    network = drawn(name, number, "numpy")
    x, t = data(network.input_shape, 3)
    check(network, "half_squared_error", x, t)
    results = []
    for engine in ("reference", "numpy"):
        network = drawn(name, number, engine)
        program = network.compile(network.plan("half_squared_error"))
        results.append([array.copy() for array in program.gradients(x, t, seed=SEED, step=STEP)])
    for expected, found in zip(*results, strict=True):
        assert_close(found, expected)


@pytest.mark.parametrize("name", ENDINGS)
def test_every_loss_by_numbers(name: str) -> None:
    network = Network([cr.Dense(4), cr.Tanh(), cr.Dense(3), *ENDINGS[name]], (5,), dtype="float64", engine="numpy")
    check(network, name.split(" ")[0], *data((5,), 4))


def test_every_loss_is_checked() -> None:
    assert {name.split(" ")[0] for name in ENDINGS} == set(losses.NAMES)


def assert_close(found: Array, expected: Array) -> None:
    scale = max(np.abs(expected).max(initial=0.0), 1e-300)
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-12)
