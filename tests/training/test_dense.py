"""Dense targets: labels and numbers per position, ignored positions, class weights and augmentation."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal

import chainrule as cr
from chainrule.data.augmentation import Augmentation
from chainrule.data.normalization import Normalization
from chainrule.training.samples import Preparation, Samples
from chainrule.training.targets import Targets

IGNORED = 9


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


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
