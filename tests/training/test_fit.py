"""`fit`: loss, normalization, inputs and targets, and its final messages."""

import unicodedata
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from training.made import classifier, dense, points, stripes

import chainrule as cr
from chainrule.data.input_statistics import InputStatistics

QUIET = {"progress": False, "learning_rate": 0.02}


def test_a_trained_model_keeps_its_normalization_when_it_is_trained_on() -> None:
    x, y = stripes()
    model = classifier()
    model.fit(x, y, normalization="standardize", **QUIET)
    kept = model.normalization
    model.fit(x[y == 1], y[y == 1], **QUIET)
    assert model.normalization == kept
    model.fit(x, y, normalization="scale", **QUIET)
    assert model.normalization.kind == "scale"


RNG = np.random.default_rng(0)
SHARES, AGES = RNG.random((20, 2, 4, 3)), RNG.integers(0, 200, (50, 6))
DEFAULTS: list[tuple[Any, str]] = [  # inputs, default normalization
    (np.round(SHARES * 255), "scale"),
    (np.round(SHARES * 4000).astype(np.uint16) + 2, "scale"),
    (SHARES, "none"),
    (RNG.normal(size=SHARES.shape), "none"),
    (SHARES * np.reshape([40, 1], (2, 1, 1)), "standardize"),  # channels of different units
    (AGES, "none"),
    (AGES * [1, 1, 1, 1, 1, 11.5], "standardize"),
    (AGES[:30] * [1, 1, 1, 1, 1, 11.5], "none"),  # too few
    (AGES / 200 * [1, 1, 1, 1, 1, 0.01], "none"),  # within 0 … 1
    (np.where(np.arange(6) == 3, 0.1, AGES), "none"),  # a constant column
]


@pytest.mark.parametrize(("x", "kind"), DEFAULTS)
def test_the_default_normalization_follows_from_range_and_units(x: np.ndarray, kind: str) -> None:
    assert InputStatistics(x).default_kind == kind


def test_a_training_that_learns_nothing_says_so() -> None:
    x, y = stripes(300)
    model = classifier()
    random = np.random.default_rng(5).permutation(y)
    history = model.fit(np.zeros_like(x), random, normalization="none", epochs=3, **QUIET)
    assert "not clearly better than a constant prediction" in history.notes[-1]
    for factor in (1e-4, 1e4):
        notes = model.fit(x * np.float32(factor), random, normalization="none", epochs=1, **QUIET).notes
        assert "normalization='standardize'" in notes[-1]
    x, y = points(600)
    y = np.random.default_rng(5).permutation(y)
    numbers = dense(1, loss="mean_squared_error").fit(x, y, epochs=2, learning_rate=1e-5, progress=False)
    assert "the mean absolute error in training was" in numbers.notes[-1]


def test_a_batch_normalization_needs_two_values() -> None:
    x, y = points(8)
    layers: list[cr.Layer] = [cr.Dense(3), cr.BatchNorm1D(), cr.Dense(1)]
    options: dict[str, Any] = {"batch_size": 4, "progress": False, "gradient_accumulation_steps": 4}
    model = cr.Sequential(layers, (6,), loss="mean_squared_error", engine="numpy")
    assert "norm1 normalized one value" in model.fit(x, y, **options).warnings[0]
    assert "norm1" not in str(model.fit(x, y, batch_size=4, progress=False).warnings)
    model.frozen = ("norm1",)
    assert "norm1" not in str(model.fit(x, y, **options).warnings)


def test_a_callback_that_sets_the_learning_rate_is_told_why_not() -> None:
    def lower(trainer: Any, epoch: Any) -> None:
        rates.append(trainer.learning_rate)
        if epoch.epoch == 2:
            trainer.learning_rate *= 0.5

    rates = list[float]()
    with pytest.raises(cr.OptionError, match="pass schedule="):
        dense(1, loss="mean_squared_error").fit(*points(40), epochs=3, schedule="step", progress=False, callbacks=lower)
    assert rates == [0.001, 0.001]


def test_a_training_that_diverges_says_so() -> None:
    line = cr.Sequential([cr.Dense(1)], (6,), loss="mean_squared_error", engine="numpy")
    history = line.fit(*points(), optimizer="sgd", learning_rate=1.2, progress=False)
    assert history.loss[-1] > 2 * history.loss[0]
    assert "training diverged; try a smaller learning rate than 1.2" in history.notes[-1]
    x, y = stripes()
    body = [cr.Flatten(), cr.Dense(12), cr.ReLU(), cr.Dense(3), cr.Softmax()]
    model = cr.Sequential(body, (1, 8, 8), engine="numpy", seed=1)
    at_once = model.fit(x, np.random.default_rng(1).permutation(y), optimizer="sgd", learning_rate=30.0, progress=False)
    assert "training diverged" in at_once.notes[-1]


def test_the_notes_are_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = stripes()
    classifier().fit(x.astype(int), y, epochs=2, learning_rate=0.02)
    assert capsys.readouterr().err.count("inputs are int64 from 0 to 254 and are scaled to 0 … 1") == 1


def test_names_are_labels() -> None:
    """Names in any form train as their numbers in alphabetical order, and are the model's classes from then on."""
    x, y = stripes(60)
    names = np.array(["ant", "bee", "caf\u00e9"])[y]
    models = [classifier() for _ in range(5)]
    forms: list[Any] = [y, y[:, None].astype("f4"), names, names.astype(object)]
    forms += [[unicodedata.normalize("NFD" if place % 2 else "NFC", name) for place, name in enumerate(names)]]
    for model, labels in zip(models, forms, strict=True):
        weights = {0: 2.0} if model in models[:2] else {"ant": 2.0}
        model.fit(x, labels, validation_split=0.2, class_weight=weights, progress=False)
        assert_array_equal(model.parameters, models[0].parameters)
        assert model.evaluate(x, labels).loss == models[0].evaluate(x, y).loss
    assert models[3].classes == models[4].classes == tuple(np.unique(names))
