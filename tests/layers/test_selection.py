"""Selections and comparisons: their gradients, by differences, and what has no effect on them."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr


def selecting(engine: str) -> Any:
    """Return a network that selects between two dense layers by a comparison of its input with a constant."""
    x = cr.Input((4,))
    test = cr.Compare()(x, cr.FixedValue((4,))(x))
    y = cr.Where()(test, cr.Dense(4)(x), cr.Log()(cr.Dense(4)(x)))
    return cr.Graph(x, y, engine=engine, loss="half_squared_error", dtype="float64", seed=3)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_gradients_pass_to_what_is_selected(engine: str) -> None:
    """Weights change the loss only through selected elements; the logarithms of the others are NaN."""
    model, draw = selecting(engine), np.random.default_rng(0)
    model.weights["dense2.w"][:] = -np.eye(4)  # the logarithm of −x is finite exactly where it is selected
    x, t = draw.normal(size=(5, 4)), draw.normal(size=(5, 4))
    y = model.predict(x)
    expected = np.where(x > 0, x @ model.weights["dense1.w"].T, np.log(np.abs(x)))
    np.testing.assert_allclose(y, expected)
    dw = ((y - t) * (x > 0)).T @ x / len(x)
    before = model.weights["dense1.w"].copy()
    model.fit(x, t, epochs=1, batch_size=5, optimizer="sgd", learning_rate=1.0, progress=False, normalization="none")
    np.testing.assert_allclose(before - model.weights["dense1.w"], dw, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "count"), [(cr.Where, 2), (cr.Compare, 3), (cr.Where, 4)])
def test_other_numbers_of_inputs_are_refused(kind: Any, count: int) -> None:
    x = cr.Input((4,))
    with pytest.raises(cr.OptionError, match=f"found {count}"):
        kind()(*[x] * count)


def test_a_constant_is_the_same_for_every_sample_and_size() -> None:
    x = cr.Input((2, 3))
    model = cr.Graph(x, cr.FixedValue((5,))(cr.Conv1D(1, 2)(x)), engine="numpy")
    model.weights["constant1.b"][:] = numbers = [1, np.nan, np.inf, 0, -2]
    np.testing.assert_array_equal(model.predict(np.ones((3, 2, 3), np.float32)), [numbers] * 3)
