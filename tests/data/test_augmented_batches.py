"""Augmentation in training: the same batches by every path, custom functions, and masks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.made import classifier, stripes

import chainrule as cr
from chainrule.data import Augmentation
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError
from chainrule.training.examples import Examples
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Preparation, Samples
from chainrule.training.targets import Targets

RNG = np.random.default_rng(0)


def trained(augmentation: Any, x: Any, y: Any, **options: Any) -> np.ndarray:
    model = classifier(threads=options.pop("threads", 1))
    model.fit(x, y, epochs=2, batch_size=50, augmentation=augmentation, progress=False, **options)
    return model.parameters.copy()


ALL = "brightness=0.3,contrast=0.2,cutout=3,turn,flip_vertical"


@pytest.mark.parametrize(("text", "shape"), [(ALL, (1, 8, 8)), ("scale=0.1,noise=0.1", (8, 8))])
def test_batches_do_not_depend_on_the_engine_threads_or_the_source_of_the_data(
    text: str, shape: tuple[int, ...]
) -> None:
    """The same bits on each engine with 1 and 3 threads, from arrays, pairs, and processes that read ahead."""
    x, y = stripes(210)
    if len(shape) == 3:
        loaded = trained(text, x, y)
        assert not np.array_equal(loaded, trained(None, x, y))
    layers, batches = [cr.Flatten(), cr.Dense(3), cr.Softmax()], list[tuple[np.ndarray, ...]]()
    for engine, threads in (("numpy", 1), ("compiled", 1), ("compiled", 3)):
        model = cr.Sequential(layers, shape, engine=engine, threads=threads)
        samples = Examples.of(x.reshape(-1, *shape), y, (3,))
        loader = model.trainer(Recipe(augmentation=text, batch_size=50), samples).loader
        batches.append(tuple(map(np.concatenate, zip(*(loader.batch(step)[:2] for step in range(8)), strict=True))))
    for batch in batches[1:]:
        for actual, expected in zip(batch, batches[0], strict=True):
            assert_array_equal(actual, expected)


def test_a_function_of_the_image_the_target_and_a_generator(tmp_path: Path) -> None:
    """It receives copies, and a generator that depends on seed, epoch and sample alone."""
    x, y = stripes(120)
    calls: dict[tuple[int, ...], list[float]] = {}

    def swap(image: np.ndarray, target: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        calls.setdefault(tuple((image * 255).round().astype(int).ravel()), []).append(generator.random())
        image += 1.0  # of the copy
        return image[:, ::-1] - 1.0, np.roll(target, 1)

    kept = x.copy()
    first, drawn = trained(Augmentation(function=swap), x, y), dict(calls)
    calls.clear()
    assert_array_equal(trained(Augmentation(function=swap), x, y, threads=2), first)
    assert calls == drawn
    assert all(len(values) == len(set(values)) for values in drawn.values())
    assert_array_equal(x, kept)
    assert_close(first, trained(None, x[:, :, ::-1], np.roll(np.eye(3)[y], 1, axis=1)))
    for unusable in (lambda image, target, generator: image, lambda image, target, generator: (image[0], target)):
        with pytest.raises(OptionError, match="an image and a target of the shapes"):
            trained(Augmentation(function=unusable), x, y)
    with pytest.raises(cr.RunError, match="augmentation"):
        trained(Augmentation(function=swap), x, y, run=cr.Run(tmp_path / "run"))


def test_masks_keep_their_labels_under_a_cutout() -> None:
    x = RNG.integers(0, 255, (6, 1, 5, 5), dtype=np.uint8)
    labels = x[:, 0].astype(np.int64) % 3
    segmenting = cr.Sequential([cr.Conv2D(3, 1), cr.Softmax()], (1, 5, 5), engine="numpy")
    preparation = Preparation(segmenting, Normalization("none"), Augmentation(cutout=2), 1)
    images, targets, _ = Samples(x, Targets.of(labels, (3, 5, 5))).batch(np.arange(6), preparation)
    assert_array_equal(targets.argmax(1), labels)
    assert not np.array_equal(images, x)
