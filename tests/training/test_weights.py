"""Weights of samples and of classes: what they do to the loss, its gradient, and a training."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from training.made import vectors

import chainrule as cr
from chainrule.errors import ChainruleError, DataError


def test_evaluations_are_not_weighted_and_validation_without_weight_is_refused() -> None:
    x, t, w = vectors(12, 10)
    x, y = x[:, None, None], t.argmax(1)
    network = cr.Sequential([cr.Flatten(), cr.Dense(3), cr.Softmax()], (1, 1, 5), engine="numpy", dtype="float64")
    whole = cr.Dataset(x, y, tuple("abc"), weights=w)
    assert network.evaluate(whole).loss == pytest.approx(network.evaluate(x, y).loss, rel=1e-6)
    for held, options in ((cr.Dataset(x, y, tuple("abc"), weights=0 * w), {}), ((x, 0 * y), {"class_weight": {0: 0}})):
        with pytest.raises(DataError, match="the weights of all validation samples are 0"):
            network.fit(x, y, validation_data=held, progress=False, **options)


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
