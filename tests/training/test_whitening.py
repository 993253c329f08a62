"""Kernels that whiten the images, and label smoothing: what training does with them."""

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.made import classifier, stripes

import chainrule as cr
from chainrule.layers import initializers
from chainrule.layers.initializers import Fans
from chainrule.models.model import Sequential
from chainrule.training.examples import Examples
from chainrule.training.loop import train
from chainrule.training.lr_multipliers import LRMultipliers
from chainrule.training.recipe import Recipe

X = np.random.default_rng(0).normal(size=(700, 2, 6, 7)) @ np.random.default_rng(1).normal(size=(7, 7))


def patches(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return all patches as rows, by loops."""
    rows = range(x.shape[2] - height + 1)
    columns = range(x.shape[3] - width + 1)
    return np.concatenate([x[:, :, i : i + height, j : j + width].reshape(len(x), -1) for i in rows for j in columns])


@pytest.mark.parametrize(("filters", "kept"), [(24, 0), (7, 1), (30, 6)])
@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_patches_are_whitened_by_the_largest_directions(filters: int, kept: int, epsilon: float) -> None:
    """Filters and their negatives; those beyond the directions keep their values, and ε damps small eigenvalues."""
    start = np.random.default_rng(2).normal(size=(filters, 2, 2, 3))
    w, half, samples = initializers.whitening(start, X, epsilon=epsilon), (filters - kept) // 2, patches(X, 2, 3)
    assert_array_equal(w[filters - kept :], start[filters - kept :])
    assert_array_equal(w[half : 2 * half], -w[:half])
    eigenvalues = np.linalg.eigvalsh(samples.T @ samples / len(samples))[::-1][:half]
    projected = samples @ w[:half].reshape(half, -1).T
    assert_close(projected.T @ projected / len(projected), np.diag(eigenvalues / (eigenvalues + epsilon)))


def test_dirac_filters_pass_their_channel_on() -> None:
    w = initializers.draw("dirac", (5, 3, 3, 3), Fans(27, 45), np.random.default_rng(0), "float64")
    for o in range(3):
        expected = np.zeros((3, 3, 3))
        expected[o, 1, 1] = 1
        assert_array_equal(w[o], expected)
    assert 0 < np.abs(w[3:]).max() <= 27**-0.5
    assert np.count_nonzero(w[3:]) == w[3:].size
    square = initializers.draw("dirac", (2, 4), Fans(4, 2), np.random.default_rng(0), "float32")
    assert_array_equal(square, np.eye(2, 4))


def test_kernels_whiten_in_the_first_training_alone() -> None:
    x, y = stripes(60)
    layers = [cr.Conv2D(8, 2, initializer="whiten"), cr.Tanh(), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    model = Sequential(layers, (1, 8, 8), engine="numpy")
    drawn = model.weights["conv1.w"].copy()
    recipe = Recipe(
        lr_multipliers=LRMultipliers.parse("conv1.w=0"), normalization="standardize", epochs=1, batch_size=20
    )
    trainer = model.trainer(recipe, Examples.of(x, y, (3,)))
    assert_array_equal(model.weights["conv1.w"], drawn)  # building a trainer changes nothing
    train(trainer)
    seen = patches(model.normalization.apply(x, np.float32), 2, 2) @ model.weights["conv1.w"][:4].reshape(4, -1).T
    assert_close(seen.T @ seen / len(seen), np.eye(4), error=0.02)
    trained = model.weights["conv1.w"].copy()
    model.fit(x[::2] * 0.5, y[::2], lr_multipliers="conv1.w=0", normalization="scale", progress=False)
    assert_array_equal(model.weights["conv1.w"], trained)


def test_smoothed_labels_by_hand() -> None:
    x, y = stripes(12)
    model = classifier()
    trainer = model.trainer(Recipe(label_smoothing=0.3, batch_size=4), Examples.of(x, y, (3,)))
    _, t, _ = trainer.loader.batch(1)
    _, hard, _ = model.trainer(Recipe(batch_size=4), Examples.of(x, y, (3,))).loader.batch(1)
    assert_close(t, np.where(hard == 1, 0.8, 0.1))
    assert_array_equal(trainer.train_data.targets.values, np.eye(3)[y])
