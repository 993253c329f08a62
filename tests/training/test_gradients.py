"""Gradients of whole networks: by finite differences, and equal on every engine, thread count and batch size."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from drawn_networks import LAYERS, OF_POSITIVE, fitting
from numerical import assert_close
from numpy.testing import assert_array_equal
from scipy.special import expit, huber, log_expit, log_softmax, softmax
from training.networks import Array

from chainrule import layers as cr
from chainrule.layers import Layer
from chainrule.models.model import Sequential
from chainrule.network import losses
from chainrule.network.network import Network
from chainrule.training.options import OPTIONS

SEED, STEP = 9, 4  # of dropout

# Last layer and value of each loss, as a function of scores z and targets t in float64, from log-sum-exp where the last
# layer is a probability
LOSSES: dict[str, tuple[list[Layer], Callable[[Array, Array], Array]]] = {
    "half_squared_error": ([], lambda z, t: ((z - t) ** 2).sum(1) / 2),
    "mean_squared_error": ([cr.Tanh()], lambda z, t: ((np.tanh(z) - t) ** 2).mean(1)),
    "mean_absolute_error": ([], lambda z, t: np.abs(z - t).mean(1)),
    "huber": ([], lambda z, t: huber(1, z - t).mean(1)),
    "quantile": ([], lambda z, t: np.abs(z - t).mean(1) / 2),
    "quantile=0.9": ([], lambda z, t: np.maximum(0.9 * (t - z), 0.1 * (z - t)).mean(1)),
    "binary_cross_entropy": ([cr.Sigmoid()], lambda z, t: -(t * log_expit(z) + (1 - t) * log_expit(-z)).mean(1)),
    "categorical_cross_entropy": ([cr.Softmax()], lambda z, t: -(t * log_softmax(z, 1)).sum(1)),
    "softmax_cross_entropy": ([], lambda z, t: -(t * log_softmax(z, 1)).sum(1)),
    "binary_focal_cross_entropy": (
        [cr.Sigmoid()],
        lambda z, t: -(t * expit(-z) ** 2 * log_expit(z) + (1 - t) * expit(z) ** 2 * log_expit(-z)).mean(1),
    ),
    "categorical_focal_cross_entropy": (
        [cr.Softmax()],
        lambda z, t: -(t * (1 - softmax(z, 1)) ** 2 * log_softmax(z, 1)).sum(1),
    ),
    "dice": ([cr.Sigmoid()], lambda z, t: 1 - ((2 * expit(z) * t + 1) / (expit(z) + t + 1)).mean(1)),
    "half_squared_error on a softmax": ([cr.Softmax()], lambda z, t: ((softmax(z, 1) - t) ** 2).sum(1) / 2),
    "dice on a softmax": (
        [cr.Softmax()],
        lambda z, t: 1 - ((2 * softmax(z, 1) * t + 1) / (softmax(z, 1) + t + 1)).mean(1),
    ),
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


def check(network: Network, loss: str, x: Array, t: Array, *, frozen: frozenset[str] = frozenset()) -> Array:
    """Return the gradient, compared for each parameter with a central difference of the loss in a random direction."""
    walk = network.compile(network.plan(loss, frozen=frozen))
    gradient = walk.gradients(x, t, seed=SEED, step=STEP)[2].copy()
    h, start, slopes, expected = 1e-6, network.parameters.copy(), list[float](), list[float]()
    for first, last in (ends for name, ends in network.trainable_layout.items() if name not in frozen):
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
    assert_close(slopes, expected, error=1e-8)
    return gradient


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
    for expected, actual in zip(*results, strict=True):
        assert_close(actual, expected)


@pytest.mark.parametrize("engine", ["numpy", "compiled", "jax"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_scores_up_to_100_in_float32(name: str, engine: str) -> None:
    """Compare training and evaluation.

    Pass one-hot inputs to a dense layer, so that each column of its weights is a sample's scores.
    """
    scores = np.array(list(product((-100.0, -20.0, -0.3, 0.7, 17.0, 100.0), repeat=3)))
    count, generator = len(scores), np.random.default_rng(5)
    t = np.eye(3)[generator.integers(0, 3, count)]
    t[::2] = 0.9 * t[::2] + 0.1 / 3  # label smoothing
    ending, expected = LOSSES[name]
    model = Sequential([cr.Flatten(), cr.Dense(3, bias=False), *ending], (1, 1, count), engine=engine)
    model.parameters[:] = scores.T.ravel()
    program, x = model.compile(model.plan(loss := name.split(" ")[0])), np.eye(count, dtype=np.float32)[:, None, None]
    target = t.astype(np.float32)
    values, _, gradient = (np.array(array) for array in program.gradients(x, target, seed=SEED, step=STEP))
    h = 1e-5
    steps = h * np.eye(3)
    slopes = [(expected(scores + step, t) - expected(scores - step, t)) / (2 * h) for step in steps]
    assert_close(values, expected(scores, t))
    assert_close(gradient.reshape(3, count) * count, slopes)
    evaluation = model.evaluate(x, t, loss=loss)
    assert_close(evaluation.loss, expected(scores, t).mean(), dtype="f4")
    assert_array_equal(evaluation.outputs, model.predict(x))


def test_every_loss_is_checked() -> None:
    assert {name.split(" ")[0].split("=")[0] for name in LOSSES} == {*losses.NAMES} - {
        "poisson"
    }  # test_counts_and_quantiles


def test_every_loss_is_in_the_help_and_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    for name in losses.NAMES:
        assert name in OPTIONS["loss"].help
        assert f"`{name}" in text, name
