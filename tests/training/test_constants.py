"""The loss of the best constant prediction, against a minimizer of SciPy, and the note that depends on it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special
from selection import draws

import chainrule as cr
from chainrule.network import losses
from chainrule.training.constants import constant_loss
from chainrule.training.targets import Targets

ENDINGS: dict[str, list[Any]] = {
    "half_squared_error": [],
    "mean_squared_error": [],
    "mean_absolute_error": [],
    "huber": [],
    "binary_cross_entropy": [cr.Sigmoid()],
    "binary_focal_cross_entropy": [cr.Sigmoid()],
}


def poisson(p: Any, t: Any) -> Any:
    """Return the negative log-likelihood of counts with the mean exp(p), without its constant, and its gradient."""
    mean = np.exp(p)
    return (mean - t * p).sum(1), (mean - t) / len(p)


def minimum(function: Callable[[np.ndarray], float], outputs: int, *, bounded: bool) -> float:
    """Return the minimum of a sum of functions of each output."""
    values = 0.0
    for k in range(outputs):

        def of_one(value: float, k: int = k) -> float:
            return function(np.where(np.arange(outputs) == k, value, 0.5))

        result = optimize.minimize_scalar(of_one, bounds=(0, 1) if bounded else (-30, 30), method="bounded")
        values += result.fun - function(np.full(outputs, 0.5))
    return values + function(np.full(outputs, 0.5))


@settings(max_examples=draws(12))
@given(st.sampled_from([*ENDINGS, "poisson"]), st.integers(0, 2**32 - 1), st.booleans())
def test_the_constant_is_the_best_one(name: str, seed: int, dense: bool) -> None:
    draw, outputs = np.random.default_rng(seed), 3
    shape = (40, outputs, 2, 3) if dense and name != "poisson" else (40, outputs)
    y = draw.gamma(1, 2, shape) if seed % 2 else draw.normal(size=shape)
    y = draw.poisson(np.abs(y)).astype(float) if name == "poisson" else y
    ending = ENDINGS.get(name, [])
    y = (y > 0.7).astype(float) if ending else y
    loss = losses.choose_single(poisson if name == "poisson" else name)
    layers = [cr.Conv2D(outputs, 1), *ending] if y.ndim == 4 else [cr.Dense(outputs), *ending]
    network = cr.Sequential(layers, (2, *y.shape[2:]), loss=loss, engine="numpy")

    def mean_loss(constant: np.ndarray) -> float:
        p = np.broadcast_to(constant.reshape(-1, *[1] * (y.ndim - 2)), y.shape)
        return float(losses.of_samples(loss, network.engine, np.ascontiguousarray(p), y).mean())

    found, unit = constant_loss(network, loss, Targets(y))
    assert found <= minimum(mean_loss, outputs, bounded=bool(ending)) + 1e-6
    assert unit > 0


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_that_of_classes_is_the_entropy(smoothing: float) -> None:
    x, y = np.random.default_rng(0).normal(size=(300, 4)), np.repeat([0, 1, 2], [200, 70, 30])
    model = cr.Sequential([cr.Dense(3), cr.Softmax()], (4,), engine="numpy")
    note = model.fit(x, y, learning_rate=1e-9, label_smoothing=smoothing, epochs=2, progress=False).warnings[-1]
    shares = np.bincount(y) / 300 * (1 - smoothing) + smoothing / 3
    assert f"({special.entr(shares).sum():.4g})" in note


def task(draw: np.random.Generator, kind: str, *, useless: bool) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """Draw inputs, targets that do or do not depend on them, and the last layers of a network."""
    x = draw.normal(size=(1500, 6)).astype("f4")
    z = x[:, 0] + 0.7 * x[:, 1] * x[:, 2]
    z = draw.permutation(z) if useless else z
    if kind == "counts":
        return x, draw.poisson(np.exp(0.5 * z + 1)).astype(float), [cr.Dense(1)]
    if kind == "rates":
        return x, draw.poisson(np.exp(0.5 * z + 1)).astype(float), [cr.Dense(1), cr.Exp()]
    if kind == "bounds":
        return x, 50 + 9 * z + 3 * draw.normal(size=1500), [cr.Dense(1)]
    if kind == "labels":
        return x, (z[:, None] + draw.normal(size=(1500, 3)) > 1.5).astype(int), [cr.Dense(3), cr.Sigmoid()]
    return x, (z + 0.5 * draw.normal(size=1500) > 1.9).astype(int), [cr.Dense(1), cr.Sigmoid()]


@settings(max_examples=draws(8))
@given(
    st.sampled_from(["counts", "rates", "bounds", "labels", "rare"]),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.booleans(),
)
def test_only_a_useless_network_is_warned_of(kind: str, seed: int, useless: bool, validated: bool) -> None:
    x, y, last = task(np.random.default_rng(seed), kind, useless=useless)
    own: dict[str, Any] = {"counts": poisson, "rates": "poisson", "bounds": "quantile=0.9"}
    model = cr.Sequential([cr.Dense(24), cr.ReLU(), *last], (6,), loss=own.get(kind), seed=seed % 1000, engine="numpy")
    options: dict[str, Any] = {"validation_split": 0.2} if validated else {}
    warnings = model.fit(x, y, epochs=12, learning_rate=0.006, progress=False, **options).warnings
    assert bool(warnings) == useless


def test_a_custom_loss_that_fails_for_constants_does_not_end_the_training() -> None:
    def strict(p: Any, t: Any) -> Any:
        if np.ptp(p) == 0:
            raise ValueError("equal predictions")
        return np.square(p - t).sum(1), 2 * (p - t) / len(p)

    x = np.random.default_rng(0).normal(size=(60, 3))
    model = cr.Sequential([cr.Dense(1)], (3,), loss=strict, engine="numpy")
    assert len(model.fit(x, x[:, 0], epochs=2, progress=False).epochs) == 2
