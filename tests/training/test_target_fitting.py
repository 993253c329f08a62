"""Scalings of targets, which exports fold into the last layer, and tasks that a single sample does not show."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close
from training.made import dense

import chainrule as cr
from chainrule.training.target_fitting import folded

SEEDS = st.integers(0, 2**32 - 1)
LAST: dict[str, Callable[[], cr.Sequential]] = {
    "dense": lambda: cr.Sequential([cr.Flatten(), cr.Dense(2)], (3, 5, 4), loss="mean_squared_error", engine="numpy"),
    "convolution": lambda: cr.Sequential(
        [cr.Conv2D(2, 3, padding="same")], (3, 5, 4), loss="mean_squared_error", engine="numpy"
    ),
    "transposed convolution": lambda: cr.Sequential(
        [cr.ConvTranspose2D(2, 3, padding="same")], (3, 5, 4), loss="mean_squared_error", engine="numpy"
    ),
}


@pytest.mark.parametrize("kind", LAST)
@given(seed=SEEDS)
def test_a_folded_network_predicts_the_same(kind: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    model = LAST[kind]()
    x = generator.normal(size=(6, 3, 5, 4)).astype(np.float32)
    spread = generator.uniform(5, 50, (2, *[1] * (len(model.output_shape) - 1)))
    y = 100 + spread * generator.normal(size=(6, *model.output_shape))
    model.fit(x, y, epochs=1, standardize_targets=True, progress=False)
    plain = folded(model)
    assert model.target_scaling is not None
    assert plain.target_scaling is None
    assert_close(plain.predict(x), model.predict(x), dtype=np.float32)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_a_regression_that_learns_nothing_is_told_to_standardize_large_targets(scale: float) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(64, 6)), scale * generator.normal(size=(64, 1))
    model = dense(1, loss="mean_squared_error")
    history = model.fit(x, y, epochs=2, learning_rate=1e-9, standardize_targets=False, progress=False)
    (warning,) = history.warnings
    assert ("standardize_targets=True" in warning) == (scale > 1)
