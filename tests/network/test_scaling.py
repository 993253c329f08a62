"""Standardized regression targets: training, predictions in the original units, and files."""

from typing import Any

import numpy as np
import pytest
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


@pytest.mark.parametrize("ending", [cr.Sigmoid(), cr.Dense(2, bias=False)])
def test_other_endings_are_trained_on_the_targets_themselves(ending: Any) -> None:
    model = cr.Sequential([cr.Dense(2), ending], (4,), engine="numpy", loss="mean_squared_error")
    x, y = prices(20)
    model.fit(x, y / UNITS, progress=False)
    assert model.target_scaling is None


@pytest.mark.parametrize(("name", "values"), [("mean", [0.0] * 3), ("mean", [np.nan]), ("deviation", [0.0])])
def test_an_invalid_scaling_in_a_file_is_refused(name: str, values: list[float]) -> None:
    model = vectors()
    fitted(model)
    with pytest.raises(FormatError, match="deviations above 0"):
        model.load_weights({**model.weights, f"target.{name}": np.array(values)})
