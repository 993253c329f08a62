"""`fit`: loss, normalization, inputs and targets, and its final messages."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws
from training.made import classifier, dense, points, stripes

import chainrule as cr
from chainrule.data.input_statistics import InputStatistics

QUIET = {"progress": False, "learning_rate": 0.02}


RNG = np.random.default_rng(0)
SHARES, AGES = RNG.random((20, 2, 4, 3)), RNG.integers(0, 200, (50, 6))
DEFAULTS: list[tuple[Any, str]] = [  # inputs, default normalization
    (np.round(SHARES * 255), "scale"),
    (np.round(SHARES * 4000).astype(np.uint16) + 2, "scale"),
    (SHARES, "none"),
    (RNG.normal(size=SHARES.shape), "none"),
    (SHARES * np.reshape([40, 1], (2, 1, 1)), "standardize"),  # channels of different units
    (SHARES * 2 - 1, "none"),
    (SHARES / 3, "standardize"),  # no image has only such dark pixels
    (np.round(SHARES * 255) - 3, "standardize"),  # bytes with noise below 0
    (AGES, "standardize"),
    (AGES[:7], "none"),  # too few
    (AGES / 200, "standardize"),
    ((AGES - 100) / 60, "none"),
    (np.where(np.arange(6) == 3, 0.1, (AGES - 100) / 60), "none"),  # a constant column
    (SHARES.reshape(20, 2, 12), "standardize"),  # series are no images
    (RNG.random((20, 64)), "none"),  # shades of images, as vectors
    (1 - RNG.random((20, 64)) / 50, "none"),
    (0.5 + RNG.random((20, 64)) / 50, "standardize"),
]


@pytest.mark.parametrize(("x", "kind"), DEFAULTS)
def test_the_default_normalization_follows_from_range_and_units(x: np.ndarray, kind: str) -> None:
    assert InputStatistics(x).default_kind == kind


@settings(max_examples=draws(20))
@given(st.integers(0, 2**32 - 1))
def test_the_network_reads_typical_numbers_in_any_unit(seed: int) -> None:
    """Change the origin and the unit of every column or signal: means stay near 0, and deviations near 1."""
    draw = np.random.default_rng(seed)
    shape = (int(draw.integers(20, 200)), *draw.integers(2, 9, draw.integers(1, 3)).tolist())
    columns = (1, shape[1], *(1 for _ in shape[2:]))
    x = draw.gamma(3, size=shape) * draw.choice([-1, 1], columns)
    x = x * 10 ** draw.uniform(-4, 4, columns) + draw.choice([0, 1, 1000]) * draw.normal(size=columns)
    y = dense(1, shape=shape[1:])
    y.fit(x, draw.normal(size=len(x)), epochs=1, **QUIET)
    read = y.normalization.apply(x, np.float64)
    axes = (0, *range(2, x.ndim))
    assert (np.abs(read.mean(axes)) <= 0.25 * read.std(axes) + 1e-9).all()
    assert (read.std(axes) >= 0.5).all()
    assert (read.std(axes) <= 2).all()


def test_weights_from_elsewhere_read_the_values_that_they_were_trained_on() -> None:
    x, y = points(60)
    model, twin = (dense(1) for _ in range(2))
    twin.set_weights(model.weights)
    assert model.fit(x + 9, y, **QUIET).notes[0] != twin.fit(x + 9, y, **QUIET).notes[0]
    assert twin.normalization.kind == "none"


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
    assert "not clearly better than a constant prediction" in numbers.notes[-1]


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
