"""A recipe trained here and by PyTorch: the same losses, step by step, and the same evaluation."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import chainrule as cr
from benchmarks import recipes
from chainrule.data.dataset import Dataset
from chainrule.layers import Layer
from chainrule.training.averaging import Lookahead
from chainrule.training.lr_multipliers import LRMultipliers
from chainrule.training.recipe import Recipe
from chainrule.zoo.entries import Entry

RECIPE = Recipe(
    epochs=2,
    batch_size=16,
    optimizer=cr.Nesterov(0.2, 0.8, 0.01),
    loss="softmax_cross_entropy",
    schedule=cr.Triangular(),
    normalization="standardize",
    augmentation=cr.Augmentation(shift=1, flip="alternate", reflect=True),
    label_smoothing=0.2,
    lookahead=Lookahead(3, 0.9),
    lr_multipliers=LRMultipliers.parse("conv1.w=0,gamma=0,beta=8,dense1.w=0.1"),
    views=cr.Views(flip=True, shift=1),
)


def layers(classes: int) -> list[Layer]:
    first = [cr.Conv2D(8, 2, initializer="whiten"), cr.GELU(), cr.Conv2D(6, 3, bias=False, initializer="dirac")]
    return [
        *first,
        cr.BatchNorm2D(momentum=0.4, epsilon=1e-12),
        cr.GELU(),
        cr.MaxPool2D(2),
        cr.Flatten(),
        cr.Dense(classes),
    ]


def data(samples: int) -> Dataset:
    """Draw bytes (N, 2, 9, 9) whose odd columns are the brighter, the higher the class."""
    generator = np.random.default_rng(samples)
    y = generator.integers(0, 3, samples)
    x = generator.integers(0, 120, (samples, 2, 9, 9)) + 40 * y[:, None, None, None] * (np.arange(9) % 2)
    return Dataset(x.astype(np.uint8), y, ("a", "b", "c"), "made")


@pytest.mark.parametrize("who", ["torch", "torch-channels-last"])
def test_the_same_losses_and_the_same_evaluation(who: str) -> None:
    entry = Entry("small", "", layers, RECIPE)
    ours, theirs = recipes.outcomes(entry, RECIPE, (data(60), data(40)), ["ours", who], 1)
    assert len(ours.losses) == ours.planned == 8
    assert recipes.largest_difference(ours, theirs) < 1e-4
    for mine, other in ((ours.plain, theirs.plain), (ours.averaged, theirs.averaged)):
        assert mine is not None
        assert other is not None
        np.testing.assert_allclose(mine.outputs, other.outputs, atol=1e-3)
        assert mine.loss == pytest.approx(other.loss, rel=1e-3)


def test_the_first_steps_only() -> None:
    entry = Entry("small", "", layers, replace(RECIPE, epochs=3))
    (ours,) = recipes.outcomes(entry, entry.recipe, (data(60), data(40)), ["ours"], 1, steps=2)
    assert (len(ours.losses), ours.planned, ours.plain) == (2, 12, None)
    assert ours.minutes == pytest.approx(ours.seconds / 60 * 6)
