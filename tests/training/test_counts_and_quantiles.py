"""Poisson and quantile losses: their definitions, scikit-learn and SciPy give the same values, gradients and optima."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws
from sklearn.linear_model import PoissonRegressor
from training.networks import Array

import chainrule as cr
from chainrule.data.normalization import Normalization
from chainrule.errors import DataError, OptionError
from chainrule.network import losses
from chainrule.sklearn import ChainruleRegressor
from chainrule.training.constants import fitted_constant

SEEDS = st.integers(0, 2**32 - 1)
each_engine: Any = pytest.mark.parametrize("engine", ["numpy", "compiled"])


def one_layer(outputs: int, loss: str, *last: Any, engine: str = "numpy", **options: Any) -> cr.Sequential:
    return cr.Sequential([cr.Dense(outputs), *last], (4,), loss=loss, engine=engine, dtype="float64", **options)


def by_complex_steps(model: cr.Sequential, x: Array, loss: Callable[[Any], Any]) -> tuple[float, Array]:
    """Return a loss of the scores z = x wᵀ + b, and its gradient by w: the imaginary part of tiny complex steps."""
    w, b = (np.array(model.weights[f"dense1.{name}"]) for name in "wb")
    slopes = np.empty_like(w)
    for place in np.ndindex(w.shape):
        step = np.zeros(w.shape, complex)
        step[place] = 1e-30j
        slopes[place] = loss(x @ (w + step).T + b).imag / 1e-30
    return float(loss(x @ w.T + b).real), slopes


@each_engine
@settings(max_examples=draws(4), deadline=None)
@given(SEEDS, st.integers(1, 4))
def test_the_loss_of_counts_is_that_of_its_definition(engine: str, seed: int, outputs: int) -> None:
    """That of PyTorch's PoissonNLLLoss: exp(z) − t z. Tiny rates have exact gradients, since the scores are read."""
    draw = np.random.default_rng(seed)
    x, t = draw.normal(size=(7, 4)) * draw.choice([0.3, 30.0]), draw.poisson(3, (7, outputs)).astype(float)
    model = one_layer(
        outputs, "poisson", cr.Exp(), engine=engine, seed=seed % 99, normalization=Normalization.fit("none", x)
    )
    expected, slopes = by_complex_steps(model, x, lambda z: (np.exp(z) - t * z).mean())
    gradients = model.gradients(x, t)
    roundings = 500  # exp multiplies the relative rounding error of a score by the score, at most some hundreds
    assert_close(gradients.loss, expected, roundings)
    assert_close(gradients.named["dense1.w"], slopes, roundings)
    assert_close(model.evaluate(x, t).loss, expected, roundings)


@settings(max_examples=draws(10), deadline=None)
@given(SEEDS, st.floats(0.05, 0.95))
def test_the_best_constants_are_the_mean_and_the_quantile(seed: int, level: float) -> None:
    draw = np.random.default_rng(seed)
    counts = draw.poisson(draw.uniform(0.5, 20), (200, 2)).astype(float)
    assert_close(fitted_constant("exp_poisson", counts, is_probability=False), np.log(counts.mean(0)), error=1e-6)
    assert_close(fitted_constant("poisson", counts, is_probability=False), counts.mean(0), error=1e-6)
    numbers = draw.normal(size=(200, 1))
    constant = fitted_constant(losses.find(f"quantile={level}"), numbers, is_probability=False)
    below = (numbers < constant).mean()
    assert abs(below - level) <= 1.5 / len(numbers)


@pytest.mark.parametrize("name", [*(f"quantile={level}" for level in (0, 1, -0.1, "nan", "x")), "huber=0.5"])
def test_a_level_is_between_0_and_1(name: str) -> None:
    with pytest.raises(OptionError, match=r"quantile=0\.9"):
        one_layer(1, name)


def test_counts_need_positive_predictions_and_targets() -> None:
    with pytest.raises(OptionError, match="Exp"):
        one_layer(1, "poisson").fit(np.ones((3, 4)), [1, 2, 3], progress=False)
    model = one_layer(1, "poisson", cr.Softplus())
    with pytest.raises(DataError, match="counts"):
        model.fit(np.ones((3, 4)), [1, 2, -1], progress=False)


def test_names_survive_files(tmp_path: Any) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(40, 4)), draw.normal(size=40)
    model = one_layer(1, "Quantile=0.90")
    model.fit(x, y, progress=False)
    model.save(tmp_path / "model.safetensors")
    loaded = cr.load(tmp_path / "model.safetensors", engine="numpy")
    assert (model.loss, loaded.loss) == ("quantile=0.9", "quantile=0.9")
    assert loaded.evaluate(x, y).loss == model.evaluate(x, y).loss


def test_estimators_end_with_what_the_loss_needs() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 4))
    counts = draw.poisson(np.exp(0.4 * x[:, 0] + 1)).astype(float)
    options: dict[str, Any] = {"epochs": 100, "learning_rate": 0.03, "random_state": 0}
    estimator = ChainruleRegressor([], loss="poisson", **options).fit(x, counts)
    assert_close(estimator.predict(x), PoissonRegressor(alpha=0).fit(x, counts).predict(x), error=0.06)
    y = 9 * x[:, 0] + draw.normal(size=400)
    bound = ChainruleRegressor([], loss="quantile=0.9", **options).fit(x, y).predict(x)
    assert 0.85 < (y <= bound).mean() < 0.95
