"""Dense targets: labels and numbers per position, ignored positions, class weights and augmentation."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from selection import draws

import chainrule as cr
from chainrule.data.augmentation import Augmentation
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError
from chainrule.training.samples import Preparation, Samples
from chainrule.training.targets import Targets

IGNORED = 9
ENDINGS: dict[str, tuple[int, list[Any], str]] = {  # outputs, layers after the scores, loss
    "classes": (3, [cr.Softmax()], "categorical_cross_entropy"),
    "logits": (3, [], "softmax_cross_entropy"),
    "yes or no": (1, [cr.Sigmoid()], "binary_cross_entropy"),
    "labels": (3, [cr.Sigmoid()], "binary_cross_entropy"),
    "numbers": (3, [], "mean_squared_error"),
}
EXACT: dict[str, Any] = {
    "optimizer": "sgd", "learning_rate": 0.3, "normalization": "none", "standardize_targets": False, "progress": False
}  # fmt: skip


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def rows(array: np.ndarray) -> np.ndarray:
    """Return the positions of all samples as samples: (N·P, K)."""
    return np.moveaxis(array, 1, -1).reshape(-1, array.shape[1])


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=draws(8))
@given(st.sampled_from(((5,), (4, 5))), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_positions_train_as_samples(ending: str, size: tuple[int, ...], weigh: bool, ignore: bool, seed: int) -> None:
    """Kernels of one position are a dense layer. Each sample counts once, however many of its positions are ignored."""
    (outputs, layers, loss), draw = ENDINGS[ending], np.random.default_rng(seed)
    options: dict[str, Any] = {"dtype": "float64", "engine": "numpy", "loss": loss}
    convolution = (cr.Conv1D if len(size) == 1 else cr.Conv2D)(outputs, 1)
    model = cr.Sequential([convolution, *layers], (2, *size), **options)
    twin = cr.Sequential([cr.Dense(outputs), *layers], (2,), **options)
    twin.parameters[:] = model.parameters
    x, y = draw.normal(size=(7, 2, *size)), draw.integers(0, max(outputs, 2), (7, *size))
    targets, counted, known = y.reshape(-1), np.ones((7, *size)), dict[str, Any]()
    if ending in ("labels", "numbers"):
        y = draw.integers(0, 2, (7, 3, *size)) if ending == "labels" else draw.normal(size=(7, 3, *size))
        targets, weigh, ignore = rows(y), False, False
    if ignore:
        counted = (draw.random((7, *size)) < 0.7) | (np.arange(5) == 0)
        y, known = np.where(counted, y, IGNORED), {"ignore_label": IGNORED}
    weights = (counted / counted.mean(tuple(range(1, counted.ndim)), keepdims=True)).reshape(-1)
    before, shares, fit = twin.evaluate(rows(x), targets), weights, dict(EXACT)
    if weigh:
        of_class = draw.uniform(0.5, 3, max(outputs, 2))
        fit["class_weight"], weights = dict(enumerate(of_class)), weights * of_class[targets]
    history = model.fit(x, y, epochs=2, batch_size=7, **fit, **known)
    twin.fit(rows(x), targets, epochs=2, batch_size=len(targets), sample_weight=weights, **EXACT)
    assert_close(history.loss[0], (before.losses * weights).mean(), dtype=float)
    if targets.ndim == 1:
        assert_close(history.measured[0], (before.correct * shares).mean(), dtype=float)
    assert model.task == twin.task
    assert_close(model.parameters, twin.parameters)
    evaluation, expected = model.evaluate(x, y, **known), twin.evaluate(rows(x), targets)
    assert_close(rows(evaluation.outputs), expected.outputs)
    assert_close(evaluation.loss, (expected.losses * shares).mean())


def augmented(x: np.ndarray, y: np.ndarray, outputs: int, augmentation: str, **options: Any) -> tuple[Any, Any, Any]:
    """Return the moved images and targets, and the positions that count."""
    network = cr.Sequential([cr.ReLU()], x.shape[1:], dtype="float64")
    preparation = Preparation(network, Normalization("none"), Augmentation.parse(augmentation))
    samples = Samples(x, Targets.of(y, (outputs, *x.shape[2:]), **options))
    moved, targets, weights = samples.batch(np.arange(len(x)), preparation, epoch=1)
    return moved, targets, np.ones_like(moved[:, 0]) if weights is None else weights[:, 1]


@pytest.mark.parametrize("augmentation", ["flip", "shift=2", "shift=2,flip,reflect", "shift=1,rotation=20,scale=0.2"])
def test_augmentation_moves_masks_with_their_images(augmentation: str) -> None:
    """Each pixel of the image is its label + 1. A moved image then shows the label of each pixel, and 0 outside."""
    y = np.random.default_rng(1).integers(0, 3, (40, 2, 2)).repeat(8, 1).repeat(6, 2)  # (40, 16, 12)
    y[:, :4] = IGNORED
    x = np.where(y == IGNORED, 3, y)[:, None] + 1.0
    moved, targets, weights = augmented(x, y, 3, augmentation, ignore_label=IGNORED)
    assert not np.array_equal(moved, x)
    shown = np.where(targets.any(1), targets.argmax(1) + 1, 0)
    agreement = 0.75 if "rotation" in augmentation else 1  # interpolated pixels differ from the nearest
    assert (np.abs(shown - moved[:, 0] % 4) < 0.5).mean() >= agreement
    assert_array_equal(targets.any(1), weights > 0)
    assert_close(weights.mean((1, 2)), 1)


@pytest.mark.parametrize("augmentation", ["rotation=20", "scale=0.3", "shift=2", "rotation=20,scale=0.3,reflect"])
def test_numbers_that_count_are_not_mixed_with_the_outside(augmentation: str) -> None:
    _, targets, weights = augmented(normal(30, 1, 9, 12), np.full((30, 2, 9, 12), 100.0), 2, augmentation)
    assert (weights > 0).mean() > 0.3
    assert_close(targets.transpose(0, 2, 3, 1)[weights > 0], 100)


@pytest.mark.parametrize("move", ["flip", "shift=1", "rotation=9,reflect", "scale=0.1", "turn", "flip_vertical"])
def test_numbers_of_a_moved_image_are_refused_unless_they_stay(move: str) -> None:
    pairs, triples, classes = normal(8, 2, seed=1), normal(8, 3), np.arange(8) % 2
    soft = np.tile([0.3, 0.7], (8, 1))  # probabilities of classes stay
    for augmentation, y, refusal in (
        (move, pairs, "or keep_targets"),
        *((f"{move},{allowed}", pairs, None) for allowed in ("keep_targets", "positions")),
        *((f"{move},positions", other, "pairs of numbers") for other in (triples, classes)),
        ("brightness=0.1", pairs, None),
        (move, soft, None),
    ):
        is_class = y is classes or y is soft
        layers = [cr.Flatten(), cr.Dense(y.shape[-1] if y.ndim > 1 else 2), *([cr.Softmax()] if is_class else [])]
        model = cr.Sequential(layers, (1, 6, 6), loss=None if is_class else "mean_squared_error", engine="numpy")
        with pytest.raises(OptionError, match=refusal) if refusal else nullcontext():
            model.fit(normal(8, 1, 6, 6), y, augmentation=augmentation, progress=False)
