"""Standardized regression targets: training, predictions in the original units, and files."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_allclose

import chainrule as cr
from chainrule.errors import FormatError

UNITS = np.array([300_000.0, 2e-4])  # of the two targets


def prices(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Draw targets of very different sizes that depend linearly on the inputs."""
    x = np.random.default_rng(0).normal(size=(count, 4))
    return x, (x[:, :2] - x[:, 2:] + 3) * UNITS


def vectors(**options: Any) -> Any:
    return cr.Sequential([cr.Dense(2)], (4,), dtype="float64", engine="numpy", loss="mean_squared_error", **options)


def fitted(model: Any, **options: Any) -> Any:
    x, y = prices()
    return model.fit(x, y, epochs=30, learning_rate=0.03, progress=False, normalization="none", **options)


@pytest.mark.parametrize("offset", [0.0, 0.1, 19.99, -300.0, 1.7e9])
def test_an_offset_of_the_targets_changes_nothing(offset: float) -> None:
    """A target that is constant up to rounding stays 0, and one far from 0 keeps its digits in float32."""
    x, y = prices(97)
    losses, noise = list[list[float]](), np.random.default_rng(1).choice([0, 1e-15], 97)
    for added in (0.0, offset):
        t = np.stack([y[:, 0] / UNITS[0] + added, np.full(97, added), added + added * noise], axis=1)
        model = cr.Sequential([cr.Dense(3)], (4,), loss="mean_squared_error", engine="numpy")
        history = model.fit(x, t, epochs=3, learning_rate=0.02, normalization="none", progress=False)
        evaluation = model.evaluate(x, t)
        assert np.isnan(evaluation.r2)
        assert model.target_scaling.deviations[1:] == (1, 1)
        losses.append([*history.loss, evaluation.loss])
    assert_allclose(*losses, rtol=1e-5)


def test_a_badly_scaled_target_is_named_in_the_hint() -> None:
    (note,) = [note for note in fitted(vectors(), standardize_targets=False).notes if "constant prediction" in note]
    assert "the targets have mean 9" in note
    assert "standardize them (standardize_targets=True)" in note


@pytest.mark.parametrize("ending", [cr.Sigmoid(), cr.Dense(2, bias=False)])
def test_other_endings_are_trained_on_the_targets_themselves(ending: Any) -> None:
    model = cr.Sequential([cr.Dense(2), ending], (4,), engine="numpy", loss="mean_squared_error")
    x, y = prices(20)
    model.fit(x, y / UNITS, progress=False)
    assert model.target_scaling is None


def test_a_second_training_keeps_the_scaling() -> None:
    model = vectors()
    fitted(model)
    scaling, (x, y) = model.target_scaling, prices()
    model.fit(x[:30], 2 * y[:30], progress=False, normalization="none")
    assert model.target_scaling is scaling


@pytest.mark.parametrize(("name", "values"), [("mean", [0.0] * 3), ("mean", [np.nan]), ("deviation", [0.0])])
def test_an_invalid_scaling_in_a_file_is_refused(name: str, values: list[float]) -> None:
    model = vectors()
    fitted(model)
    with pytest.raises(FormatError, match="deviations above 0"):
        model.load_weights({**model.weights, f"target.{name}": np.array(values)})


@pytest.mark.parametrize("targets", [1, 2])
def test_errors_are_in_the_units_of_the_targets(targets: int, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = prices()
    names = ["price", "share"][:targets]
    options: dict[str, Any] = {"dtype": "float64", "engine": "numpy", "classes": names, "loss": "mean_squared_error"}
    model = cr.Sequential([cr.Dense(targets)], (4,), **options)
    history = model.fit(x, y[:, :targets], epochs=3, validation_data=(x, y[:, :targets]))
    errors = np.abs(model.predict(x) - y[:, :targets]).mean(0)
    evaluation = model.evaluate(x, y[:, :targets])
    assert_close(evaluation.mean_absolute_errors, errors)
    reported, epoch = history["validation_mean_absolute_error"][-1], history.epochs[-1]
    if targets == 1:
        assert_close(reported, errors[0])
        assert_close(history["mean_absolute_error"][-1], errors[0], error=0.2)
    else:
        assert_close(reported, (errors / y.std(0)).mean())
        for values in (epoch.validation_metrics, evaluation.figures):
            for name, error in zip(names, errors, strict=True):
                assert_close(values[f"{name}_mean_absolute_error"], error)
    for shown in (capsys.readouterr().err.split("\nepoch")[-1], repr(history)):
        assert ("standardized mean absolute error" in shown) == (targets > 1)
