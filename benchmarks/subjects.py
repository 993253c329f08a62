"""Subjects of the benchmarks: a network, its recipe, and synthetic images."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import imported_networks
from chainrule import zoo
from chainrule.errors import unknown_name
from chainrule.layers import Dropout
from chainrule.models.model import Model, connect
from chainrule.runs.loading import load
from chainrule.training.recipe import Recipe

STANDARD = ("numpy-cnn", "vanilla-cnn", "vgg-small")
BRIGHT_FRACTION = 0.19  # fraction of pixels that are not black, as in MNIST
WRONG_LABELS = 0.05  # fraction of wrong labels, since a network without errors has vanishing gradients


@dataclass(frozen=True)
class Subject:
    """A network and its recipe, serialized for the timed processes.

    name    name in the rows of tables
    about   description from `Model.about`
    recipe  description from `Recipe.to_config`
    file    model file with the weights; "" for initial weights
    """

    name: str
    about: dict[str, Any]
    recipe: dict[str, Any]
    file: str = ""

    def build(self, engine: str, threads: int, *, dropout: bool = True) -> Model:
        """Build the model on an engine; dropout=False disables its dropout layers."""
        if self.file:
            model = load(self.file, engine=engine, threads=threads)
        else:
            model = Model.from_about(self.about, engine=engine, threads=threads)
        if dropout:
            return model
        layers = [replace(layer, rate=0.0) if isinstance(layer, Dropout) else layer for layer in model.layers]
        options: Any = {"dtype": str(model.dtype), "engine": engine, "threads": threads}
        twin = connect(layers, model.input_shape, model.wiring, **options)
        twin.set_weights(model.weights)
        return twin

    def steps(self, batch: int) -> Recipe:
        """Return the recipe for timed training steps, without augmentation, which runs until it is stopped."""
        recipe = Recipe.from_config(self.recipe)
        return replace(recipe, batch_size=batch, epochs=10**6, augmentation=None, validation=0.0, patience=None)

    def to_config(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


def of_model(model: Model, recipe: Recipe, file: str = "") -> Subject:
    """Return the subject of a model."""
    return Subject(model.name, model.about(), recipe.to_config(), file)


def find(name: str) -> Subject:
    """Return the subject for a network from the zoo or of `imported_networks`, or a model file."""
    if name in zoo.NAMED:
        entry = zoo.find(name)
        return of_model(entry.build(engine="numpy", seed=entry.recipe.seed), entry.recipe)
    if name in imported_networks.NETWORKS:
        return of_model(imported_networks.build(name), Recipe())
    path = Path(name)
    if not path.exists():
        raise unknown_name("model", name, [*zoo.NAMED, *imported_networks.NETWORKS, "a model file"])
    model = load(path, engine="numpy")
    return replace(of_model(model, Recipe(loss=model.loss), str(path.absolute())), name=name)


def images(
    shape: Sequence[int], classes: int, count: int, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images, uint8 (count, *shape), and labels (count,) that can be learned, but not perfectly.

    Each class is a pattern of bright pixels, shifted by up to two pixels and mixed with noise. If the data were learned
    perfectly, gradients would become denormal, and their slow arithmetic would distort the times.
    """
    generator = np.random.default_rng(seed)
    patterns = (generator.random((classes, *shape)) < BRIGHT_FRACTION) * generator.integers(128, 256, (classes, *shape))
    y = generator.integers(0, classes, count)
    x = patterns[y].reshape(count, -1).astype(np.uint8)
    moves = generator.integers(-2, 3, count)
    for move in range(-2, 3):
        x[moves == move] = np.roll(x[moves == move], move, axis=1)
    noisy = generator.random(x.shape) < 0.05
    x[noisy] = generator.integers(0, 256, int(noisy.sum()))
    wrong = generator.random(count) < WRONG_LABELS
    y[wrong] = generator.integers(0, classes, int(wrong.sum()))
    return x.reshape(count, *shape), y.astype(np.int64)


def samples_needed(shape: Sequence[int], batch: int) -> int:
    """Return the number of images to time: whole batches, larger in total than the caches.

    Unless the images are large, there are at least 64 batches, since the last steps of an epoch run in separate calls.
    """
    size = math.prod(shape)
    minimum = min((1 << 22) // size + 1, 4096)
    return batch * max(-(-minimum // batch), min(64, (1 << 26) // (batch * size)), 2)
