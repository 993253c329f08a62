"""The search for a learning rate."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close

import chainrule as cr
from chainrule.errors import OptionError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6))
Y = X @ RNG.normal(size=6)


def linear(**options: Any) -> cr.Sequential:
    defaults: dict[str, Any] = {"engine": "numpy", "dtype": "float64", "loss": "half_squared_error"}
    return cr.Sequential([cr.Dense(1, bias=False)], (6,), **defaults, **options)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_gradient_descent_on_a_parabola_has_a_known_limit(scale: float) -> None:
    """With the largest eigenvalue λ of XᵀX/N, steps above 2/λ diverge; far below, nothing happens."""
    x, noisy = X * scale, Y + RNG.normal(size=300)
    limit = 2 / np.linalg.eigvalsh(x.T @ x / 300).max()
    options: dict[str, Any] = {"low": limit * 1e-5, "high": limit * 1e3, "batch_size": 300, "normalization": "none"}
    actual = linear().find_learning_rate(x, noisy, optimizer="sgd", **options)
    assert actual.diverged
    assert limit / 100 < actual.suggested < limit
    assert actual.suggested < actual.lowest < actual.learning_rates[-1] < limit * 10
    assert_close(actual.learning_rates[1:] / actual.learning_rates[:-1], 1e8 ** (1 / 99))


def test_losses_are_those_of_the_steps() -> None:
    """The first losses are those of steps that are taken by hand on the whole set."""
    model, twin = linear(seed=3), linear(seed=3)
    actual = model.find_learning_rate(X, Y, optimizer="sgd", batch_size=300, low=0.01, high=0.1, steps=10)
    for rate, loss in zip(actual.learning_rates, actual.losses, strict=True):
        assert_close(loss, twin.evaluate(X, Y).loss, dtype=float)
        twin.fit(X, Y, optimizer="sgd", learning_rate=float(rate), batch_size=300, normalization="none", progress=False)
    assert not actual.diverged


def test_the_model_is_left_as_it_was() -> None:
    model = cr.Sequential([cr.Dense(4), cr.BatchNorm1D(), cr.Dense(1)], (6,), engine="numpy")
    before, normalization, predicted = model.get_weights(), model.normalization, model.predict(X)
    actual = model.find_learning_rate(X, Y, batch_size=50, steps=40)  # more than an epoch has
    assert len(actual.learning_rates) == len(actual.losses) == len(actual.smoothed) <= 40
    assert f"{actual.suggested:.3g}" in repr(actual)
    assert all((model.weights[name] == values).all() for name, values in before.items())
    assert model.normalization == normalization
    assert_close(model.predict(X), predicted)


def test_rates_that_are_all_too_large() -> None:
    with pytest.raises(OptionError, match="learning rate"):
        linear().find_learning_rate(X, Y, optimizer="sgd", batch_size=300, low=50, high=100)
