"""Balanced sampling: equal numbers of all classes, in turns, by random numbers of the seed and the epoch alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws
from training.networks import Array

import chainrule as cr
from chainrule.errors import OptionError
from chainrule.training.sampling import balanced_draws

SEEDS = st.integers(0, 2**32 - 1)


def drawn_labels(seed: int) -> Array:
    """Draw labels of up to six classes, of which some have few samples or none."""
    draw = np.random.default_rng(seed)
    shares = draw.dirichlet(np.full(int(draw.integers(1, 7)), 0.5))
    return draw.choice(len(shares), int(draw.integers(1, 80)), p=shares)


@settings(max_examples=draws(30), deadline=None)
@given(SEEDS, st.integers(0, 5))
def test_every_epoch_draws_all_classes_equally_often(seed: int, epoch: int) -> None:
    labels = drawn_labels(seed)
    numbers = balanced_draws(labels, seed, epoch)
    counts = np.bincount(labels[numbers % len(labels)])[np.unique(labels)]
    assert len(numbers) == len(labels)
    assert counts.max() - counts.min() <= 1
    assert len({*numbers.tolist()}) == len(numbers)  # another number for each draw of a sample
    assert np.array_equal(numbers, balanced_draws(labels, seed, epoch))


@settings(max_examples=draws(20), deadline=None)
@given(SEEDS)
def test_the_samples_of_a_class_take_turns_over_the_epochs(seed: int) -> None:
    """After each epoch, the numbers of draws of two samples of a class differ by 2 and one for each epoch at most."""
    labels = drawn_labels(seed)
    total = np.zeros(len(labels), int)
    for epoch in range(4):
        numbers = balanced_draws(labels, seed, epoch)
        total += np.bincount(numbers % len(labels), minlength=len(labels))
        for label in np.unique(labels):
            times = total[labels == label]
            assert times.max() - times.min() <= 2 + epoch


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_repeated_samples_are_augmented_differently(engine: str) -> None:
    seen = list[Array]()

    def record(image: Any, target: Any, generator: Any) -> Any:
        if target.argmax() == 1:
            seen.append(np.array(image))
        return image, target

    x = np.random.default_rng(0).normal(size=(24, 1, 6, 6)).astype("f4")
    labels = np.arange(24) // 23  # one sample of class 1
    model = cr.Sequential([cr.Flatten(), cr.Dense(2), cr.Softmax()], (1, 6, 6), engine=engine)
    augmentation = cr.Augmentation(noise=0.5, function=record)
    model.fit(x, labels, sampling="balanced", augmentation=augmentation, normalization="none", progress=False)
    assert len(seen) == 12
    assert len({image.tobytes() for image in seen}) == 12


def imbalanced() -> tuple[Array, Array]:
    draw = np.random.default_rng(0)
    labels = (draw.random(2000) < 0.03).astype(int)
    return draw.normal(size=(2000, 5)) + labels[:, None] * 0.8, labels


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_rare_class_is_found_without_a_false_warning(outputs: int) -> None:
    x, labels = imbalanced()
    recalls = list[float]()
    for sampling in (None, "balanced"):
        last = [cr.Dense(1), cr.Sigmoid()] if outputs == 1 else [cr.Dense(2), cr.Softmax()]
        model = cr.Sequential(last, (5,), engine="numpy")
        history = model.fit(x, labels, epochs=5, learning_rate=0.02, sampling=sampling, progress=False)
        recalls.append(float(model.evaluate(x, labels).recall[1]))
        assert sampling is None or history.warnings == []
    assert recalls[1] > recalls[0] + 0.3


def test_a_useless_network_is_compared_with_the_sampled_classes() -> None:
    x, labels = imbalanced()
    model = cr.Sequential([cr.Dense(2), cr.Softmax()], (5,), engine="numpy")
    x = np.random.default_rng(1).normal(size=x.shape)
    warnings = model.fit(x, labels, epochs=3, learning_rate=1e-4, sampling="balanced", progress=False).warnings
    assert "0.693" in warnings[-1]  # the entropy of two equal classes


@pytest.mark.parametrize("shape", [(2,), (2, 3)])
def test_sampling_needs_one_class_for_each_sample(shape: tuple[int, ...]) -> None:
    layers = [cr.Dense(2)] if len(shape) == 1 else [cr.Conv1D(2, 1), cr.Softmax()]
    model = cr.Sequential(layers, shape, loss=None if len(shape) > 1 else "mean_squared_error", engine="numpy")
    y = np.zeros((4, 2)) + 0.5 if len(shape) == 1 else np.zeros((4, 3), int)
    with pytest.raises(OptionError, match="sampling"):
        model.fit(np.ones((4, *shape)), y, sampling="balanced", progress=False)
    with pytest.raises(OptionError, match="balanced"):
        model.fit(np.ones((4, *shape)), y, sampling="upsampled", progress=False)
