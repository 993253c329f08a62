"""Kernels that whiten the images, and label smoothing: what training does with them."""

import numpy as np
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.made import stripes

import chainrule as cr
from chainrule.models.model import Sequential
from chainrule.training.examples import Examples
from chainrule.training.loop import train
from chainrule.training.recipe import Recipe


def patches(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return all patches as rows, by loops."""
    rows = range(x.shape[2] - height + 1)
    columns = range(x.shape[3] - width + 1)
    return np.concatenate([x[:, :, i : i + height, j : j + width].reshape(len(x), -1) for i in rows for j in columns])


def test_kernels_whiten_in_the_first_training_alone() -> None:
    x, y = stripes(60)
    layers = [cr.Conv2D(8, 2, initializer="whiten"), cr.Tanh(), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    model = Sequential(layers, (1, 8, 8), engine="numpy")
    drawn = model.weights["conv1.w"].copy()
    recipe = Recipe(freeze=("conv1.w",), normalization="standardize", epochs=1, batch_size=20)
    trainer = model.trainer(recipe, Examples.of(x, y, (3,)))
    assert_array_equal(model.weights["conv1.w"], drawn)  # building a trainer changes nothing
    train(trainer)
    seen = patches(model.normalization.apply(x, np.float32), 2, 2) @ model.weights["conv1.w"][:4].reshape(4, -1).T
    assert_close(seen.T @ seen / len(seen), np.eye(4), error=0.02)
    trained = model.weights["conv1.w"].copy()
    model.freeze("conv1.w")
    model.fit(x[::2] * 0.5, y[::2], normalization="scale", progress=False)
    assert_array_equal(model.weights["conv1.w"], trained)
