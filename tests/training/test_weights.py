"""Weights of samples and of classes: what they do to the loss, its gradient, and a training."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from training import test_gradients
from training.made import Squares, network_of_vectors, vectors

import chainrule as cr
from chainrule.errors import ChainruleError, DataError
from chainrule.network.loss_plan import Weighting
from chainrule.network.network import Network
from chainrule.training.class_weights import ClassWeights
from chainrule.training.examples import Examples
from chainrule.training.loop import train
from chainrule.training.recipe import Recipe

ENDINGS = {name: layers for name, (layers, _) in test_gradients.LOSSES.items()}
LOSSES = [name for name in ENDINGS if name in cr.losses.NAMES and name not in cr.losses.OF_SAMPLES]


def gradients(network: Network, loss: Any, *batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chosen = cr.losses.choose(loss)
    compiled = network.compile(network.plan(chosen, weighting=Weighting.of(batch[2] if len(batch) == 3 else None)))
    first, second, third = compiled.gradients(*batch, seed=1, step=1)
    return first.copy(), second.copy(), third.copy()


@pytest.mark.parametrize("loss", [*LOSSES, Squares], ids=str)
@pytest.mark.parametrize("engine", ["numpy", "reference"])
def test_the_gradient_is_the_weighted_sum_of_those_of_the_samples(engine: str, loss: Any) -> None:
    for seed in range(3):
        x, t, w = vectors(seed, 9)
        network = network_of_vectors(ending=ENDINGS.get(loss, ()), engine=engine, seed=seed)
        losses, hits, gradient = gradients(network, loss, x, t, w)
        alone = [gradients(network, loss, x[n : n + 1], t[n : n + 1]) for n in range(len(x))]
        assert_close(losses, [w[n] * parts[0][0] for n, parts in enumerate(alone)])
        assert_array_equal(hits, [parts[1][0] for parts in alone])
        expected = sum(w[n] * parts[2] for n, parts in enumerate(alone)) / len(x)
        assert_close(gradient, expected)


CLASS_WEIGHTS: list[tuple[Any, list[float]]] = [  # option, weights of the classes
    ({0: 2.0, "2": 0.5}, [2.0, 1.0, 0.5]),
    ({"no": 3}, [3.0, 1.0, 1.0]),
    ("balanced", [30 / 3 / 6, 30 / 3 / 18, 30 / 3 / 6]),
]


@pytest.mark.parametrize(("option", "weights"), CLASS_WEIGHTS)
@pytest.mark.parametrize("outputs", [3, 1])
def test_the_weight_of_a_class_is_that_of_its_samples(option: Any, weights: list[float], outputs: int) -> None:
    """Three classes, or one output for two of them."""
    x, _, w = vectors(8, 30)
    w = np.ones(30) if option == "balanced" else w
    y, ending = np.array([0, 1, 1, 1, 2] * 6), cr.Softmax()
    if outputs == 1:
        y, ending = y // 2, cr.Sigmoid()
        weights = [30 / 2 / 24, 30 / 2 / 6] if option == "balanced" else weights[:2]
        option = option if "2" not in option else {0: 2.0}
    names = ("no", "yes", "odd")[: max(outputs, 2)]
    models = []
    for labels, options in (
        (np.array(names)[y], {"class_weight": option, "sample_weight": w}),
        (y, {"sample_weight": w * np.array(weights)[y]}),
        (y, {}),
    ):
        model = cr.Sequential([cr.Dense(outputs), ending], (5,), engine="numpy", classes=names)
        model.fit(x, labels, optimizer="sgd", learning_rate=0.1, batch_size=7, progress=False, **options)
        models.append(model)
    assert_close(models[0].parameters, models[1].parameters)
    assert (models[0].parameters != models[2].parameters).all()
    assert models[0].evaluate(x, np.array(names)[y].astype(object)).accuracy == models[0].evaluate(x, y).accuracy


def test_evaluations_are_not_weighted_and_validation_without_weight_is_refused() -> None:
    x, t, w = vectors(12, 10)
    x, y = x[:, None, None], t.argmax(1)
    network = cr.Sequential([cr.Flatten(), cr.Dense(3), cr.Softmax()], (1, 1, 5), engine="numpy", dtype="float64")
    whole = cr.Dataset(x, y, tuple("abc"), weights=w)
    assert network.evaluate(whole).loss == pytest.approx(network.evaluate(x, y).loss, rel=1e-6)
    for held, options in ((cr.Dataset(x, y, tuple("abc"), weights=0 * w), {}), ((x, 0 * y), {"class_weight": {0: 0}})):
        with pytest.raises(DataError, match="the weights of all validation samples are 0"):
            network.fit(x, y, validation_data=held, progress=False, **options)


def test_validation_has_the_same_loss() -> None:
    """Without a step that changes anything, training and validation on the same samples have the same loss."""
    x, t, w = vectors(10, 16)
    network = cr.Sequential([cr.Dense(3), cr.Softmax()], (5,), engine="numpy", dtype="float64")
    samples = Examples.of(x, t.argmax(1), (3,)).with_weights(w)
    recipe = Recipe(batch_size=16, optimizer=cr.SGD(1e-300), class_weight=ClassWeights.choose({1: 4}))
    history = train(network.trainer(recipe, samples, samples))
    assert_close(history.epochs[0].validation_loss, history.epochs[0].loss, dtype=float)
    evaluation = network.evaluate(x, t.argmax(1))
    assert history.epochs[0].validation_loss != pytest.approx(evaluation.loss, rel=1e-3)
    assert history.epochs[0].validation_accuracy == evaluation.accuracy


LIMITS = {"float32": 1.8e19, "float64": 1.3e154}  # weights whose squares do not overflow
EXTREMES = [0.0, 1e-320, 1e-45, 1e-38, 1e15, 1.7e19, 1.9e19, 3e38, 1e39, 1e153, 1e155, 1e308, np.inf, np.nan, -1.0]


@pytest.mark.parametrize("option", ["sample_weight", "class_weight"])
@pytest.mark.parametrize("dtype", LIMITS)
def test_weights_that_overflow_or_vanish_in_the_dtype_are_refused_before_training(dtype: str, option: str) -> None:
    x, y = np.random.default_rng(1).normal(size=(7, 5)), np.arange(7) % 3
    for value in EXTREMES:
        weights: Any = np.full(7, value) if option == "sample_weight" else dict.fromkeys(range(3), value)
        layers = [cr.Dense(4), cr.Tanh(), cr.Dense(3), cr.Softmax()]
        model = cr.Sequential(layers, (5,), engine="numpy", dtype=dtype)
        before = model.parameters.copy()
        usable = float(np.finfo(dtype).tiny) <= value <= LIMITS[dtype]
        with nullcontext() if usable else pytest.raises(ChainruleError):
            model.fit(x, y, learning_rate=1e-3, progress=False, **{option: weights})
        assert np.isfinite(model.parameters).all()
        assert usable != np.array_equal(model.parameters, before)
