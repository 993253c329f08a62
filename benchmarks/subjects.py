"""What is timed: a network, the recipe it is trained by, and images made up for it."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import zoo
from chainrule.errors import ChainruleError, one_of
from chainrule.layers import Dropout
from chainrule.model import Sequential, load
from chainrule.training.recipe import Recipe

STANDARD = ("numpy-cnn", "vanilla-cnn", "vgg-small")
TUTORIALS = ("independent-code-10", "vanilla-cnn", "numpy-cnn", "zayan", "venchislaw")  # a network of each
LIT = 0.19  # share of the pixels that are not black, as in MNIST
WRONG = 0.05  # share of labels that are wrong: a network that is never wrong has gradients of nothing


@dataclass(frozen=True)
class Subject:
    """A network and its recipe, as they travel to the processes that are timed.

    name   what its rows are called
    about  what `Sequential.about` gives
    recipe what `Recipe.to_config` gives
    file   the model file or run folder with its weights; "" for first weights
    """

    name: str
    about: dict[str, Any]
    recipe: dict[str, Any]
    file: str = ""

    def build(self, engine: str, threads: int, *, dropout: bool = True) -> Sequential:
        """The model on an engine, without its dropout if so wished."""
        if self.file:
            model = load(self.file, engine=engine, threads=threads)
        else:
            model = Sequential.from_about(self.about, engine=engine, threads=threads)
        if dropout:
            return model
        layers = [replace(layer, rate=0.0) if isinstance(layer, Dropout) else layer for layer in model.layers]
        twin = Sequential(layers, model.input_shape, dtype=str(model.dtype), engine=engine, threads=threads)
        twin.set_weights(model.weights)
        return twin

    def seeded(self, seed: int) -> "Subject":
        """The same with other first weights and another order of the images."""
        return replace(self, about={**self.about, "seed": seed}, recipe={**self.recipe, "seed": seed})

    def epoch(self, batch: int) -> Recipe:
        """Its recipe for one epoch on all images, none of them changed."""
        known = Recipe.from_config(self.recipe)
        return replace(known, batch_size=batch, epochs=1, augmentation=None, validation=0.0, patience=None)

    def steps(self, batch: int) -> Recipe:
        """Its recipe for training that is only to be timed: on ready images, until it is stopped."""
        return replace(self.epoch(batch), epochs=10**6)

    def to_config(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def standard() -> list[str]:
    """The networks that are timed when none is named."""
    return [name for name in STANDARD if name in zoo.NAMED]


def of_model(model: Sequential, recipe: Recipe, file: str = "") -> Subject:
    """The subject of a model."""
    return Subject(model.name, model.about(), recipe.to_config(), file)


def find(name: str) -> Subject:
    """The subject of a name: a network of the zoo, a model file or a run folder."""
    if name in zoo.NAMED:
        entry = zoo.find(name)
        return of_model(entry.build(engine="numpy", seed=entry.recipe.seed), entry.recipe)
    place = Path(name)
    if not place.exists():
        raise one_of("model", name, [*zoo.NAMED, "a model file", "a run folder"])
    model = load(place, engine="numpy")
    return replace(of_model(model, _trained_by(place, model), str(place.absolute())), name=name)


def _trained_by(place: Path, model: Sequential) -> Recipe:
    """The recipe of a run folder; of a file, its loss and what is usual."""
    from chainrule.runs import running

    try:
        return running.read_job(place).recipe if place.is_dir() else Recipe(loss=model.loss)
    except ChainruleError:
        return Recipe(loss=model.loss)


def images(
    shape: Sequence[int], classes: int, count: int, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bytes (count, *shape) and labels (count,) that can be learnt, but never quite.

    Each class is a pattern of bright pixels, moved by up to two pixels and mixed with noise. Numbers that a network
    learns to the last make gradients too small for the processor's fast path, which would then be what is timed.
    """
    generator = np.random.default_rng(seed)
    patterns = (generator.random((classes, *shape)) < LIT) * generator.integers(128, 256, (classes, *shape))
    y = generator.integers(0, classes, count)
    x = patterns[y].reshape(count, -1).astype(np.uint8)
    moves = generator.integers(-2, 3, count)
    for move in range(-2, 3):
        x[moves == move] = np.roll(x[moves == move], move, axis=1)
    noisy = generator.random(x.shape) < 0.05
    x[noisy] = generator.integers(0, 256, int(noisy.sum()))
    wrong = generator.random(count) < WRONG
    y[wrong] = generator.integers(0, classes, int(wrong.sum()))
    return x.reshape(count, *shape), y.astype(np.int64)


def enough(shape: Sequence[int], batch: int) -> int:
    """How many images are made: whole batches, more than the caches hold, and not too many to make."""
    wanted = min(max(1 << 22, 1) // math.prod(shape) + 1, 4096)
    return batch * max(-(-wanted // batch), 2)
