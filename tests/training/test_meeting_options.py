"""Two options that meet: neither takes back what the other one does, or they are refused in one line."""

import copy
from typing import Any

import numpy as np
import pytest
from numerical import assert_close

import chainrule as cr
from chainrule.training import lr_finder
from chainrule.training.examples import Examples
from chainrule.training.loop import train

DRAW = np.random.default_rng(0)
X, Y = DRAW.normal(size=(24, 1, 6, 6)), np.arange(24) % 2


def small(**options: Any) -> cr.Sequential:
    layers = [cr.Conv2D(3, 3), cr.BatchNorm2D(), cr.ReLU(), cr.Flatten(), cr.Dense(2), cr.Softmax()]
    return cr.Sequential(layers, (1, 6, 6), engine="numpy", **options)


def heads() -> cr.Graph:
    x = cr.Input((4,))
    hidden = cr.Tanh()(cr.Dense(5)(x))
    outputs = {"kind": cr.Softmax()(cr.Dense(3)(hidden)), "size": cr.Dense(1)(hidden)}
    return cr.Graph(x, outputs, loss=["categorical_cross_entropy", "mean_squared_error"], engine="numpy")


def changed(model: Any, *data: Any, **options: Any) -> set[str]:
    """Return the names of the weights that a training changes."""
    before = model.get_weights()
    model.fit(*data, progress=False, learning_rate=0.1, **options)
    return {name for name, values in before.items() if not np.array_equal(values, model.weights[name])}


def test_the_backbone_of_several_heads_is_what_they_share() -> None:
    model = heads()
    model.freeze("backbone")
    y = {"kind": np.arange(24) % 3, "size": X[:, 0, 0, :1]}
    assert changed(model, X[:, 0, 0, :4], y) == {f"dense{number}.{name}" for number in (2, 3) for name in "wb"}


@pytest.mark.parametrize("augmentation", ["cutout=2", "shift=2"])
@pytest.mark.parametrize("offset", [-500.0, 0.0, 2048.0])
def test_signals_are_filled_with_their_mean(augmentation: str, offset: float) -> None:
    """An offset that normalization removes does not show where an augmentation fills a series."""
    seen = list[float]()

    def function(signal: np.ndarray, target: Any, generator: Any) -> Any:
        seen.extend(signal.ravel())
        return signal, target

    signals = 40 * DRAW.normal(size=(50, 1, 12)) + offset
    model = cr.Sequential([cr.Flatten(), cr.Dense(2), cr.Softmax()], (1, 12), engine="numpy")
    chosen = cr.Augmentation.parse(augmentation)
    options = {name: getattr(chosen, name) for name in ("cutout", "shift")}
    model.fit(
        signals, np.arange(50) % 2, augmentation=cr.Augmentation(function=function, **options),
        normalization="standardize", progress=False,
    )  # fmt: skip
    assert np.abs(seen).max() < 6


# ------------------------------------------------------------------------------------------------ frozen everywhere


class Steps:
    """A custom optimizer, which moves every parameter, also those without gradient."""

    def init(self, parameters: np.ndarray) -> tuple[np.ndarray, ...]:
        return (np.zeros_like(parameters),)

    def update(self, parameters: Any, gradients: Any, moments: Any, *, step: int, learning_rate: float) -> Any:
        return parameters - learning_rate * (gradients + 1), (moments[0] + 1,)


@pytest.mark.parametrize("names", [("backbone",), ("conv*", "norm1"), ("gamma", "w"), ("dense1.b",)])
@pytest.mark.parametrize("optimizer", ["sgd", cr.AdamW(0.1, weight_decay=0.5), Steps()])
def test_every_way_of_training_keeps_what_is_frozen(names: tuple[str, ...], optimizer: Any) -> None:
    """These are `fit`, a trainer, `train_step`, the search for a learning rate, and the step that a trace shows."""
    model = small(dtype="float64")
    model.freeze(*names)
    changes = changed(copy.deepcopy(model), X, Y, optimizer=optimizer)
    twin = copy.deepcopy(model)
    trainer = twin.trainer(cr.Recipe(optimizer=optimizer), Examples.of(X, Y, (2,)))
    train(trainer)
    assert differing(twin, model) == changes
    search = small(dtype="float64")
    search.freeze(*names)
    with pytest.MonkeyPatch.context() as patch:
        searched = list[Any]()
        patch.setattr(lr_finder, "search_learning_rates", lambda trainer, *rates: searched.append(trainer))
        search.find_learning_rate(X, Y, optimizer=optimizer)
    train(searched[0])
    assert differing(searched[0].network, search) == changes
    stepped = copy.deepcopy(model)
    stepped.fit(X, Y, epochs=1, learning_rate=1e-3, progress=False)  # for the normalization
    before = copy.deepcopy(stepped)
    options: dict[str, Any] = {"optimizer": optimizer, "learning_rate": 0.1, "clip_norm": 1e-3}
    trace = stepped.trace(X, Y, **options)
    outcome = stepped.train_step(X, Y, **options)
    assert {*differing(stepped, before)} - {"norm1.running_mean", "norm1.running_variance"} == {*changes} - {
        "norm1.running_mean",
        "norm1.running_variance",
    }
    assert_close(trace.update.norm, outcome.norm, dtype=np.float64, roundings=1e5)
    assert_close(trace.update.after, stepped.parameters, roundings=1e5)


def differing(model: Any, other: Any) -> set[str]:
    return {name for name in model.table if not np.array_equal(model.weights[name], other.weights[name])}


@pytest.mark.parametrize("frozen", [(), ("backbone",), ("dense2",)])
@pytest.mark.parametrize("scaled", [True, False])
def test_another_training_continues_from_the_predictions(frozen: tuple[str, ...], scaled: bool) -> None:
    """Targets are standardized only for outputs that have no unit yet."""
    targets = 50 + 20 * X[:, 0, 0, :2]
    model = cr.Sequential(
        [cr.Flatten(), cr.Dense(3), cr.Tanh(), cr.Dense(2)], (1, 6, 6), loss="mean_squared_error", engine="numpy"
    )
    model.fit(X, targets, epochs=3, learning_rate=0.1, standardize_targets=scaled, progress=False)
    before = model.predict(X)
    model.freeze(*frozen)
    model.fit(X, targets, learning_rate=1e-9, progress=False)
    assert_close(model.predict(X), before, roundings=1e4)


def test_a_search_for_a_learning_rate_standardizes_as_the_training() -> None:
    targets = 50 + 20 * X[:, 0, 0, :2]
    layers = [cr.Flatten(), cr.Dense(2)]
    model = cr.Sequential(layers, (1, 6, 6), loss="mean_squared_error", engine="numpy")
    search = model.find_learning_rate(X, targets, low=1e-9, high=1e-8)
    history = model.fit(X, targets, learning_rate=1e-9, progress=False)
    assert_close(search.losses[0], history.losses[0], roundings=1e4)
