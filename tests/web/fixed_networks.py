"""Networks with a few images for the page, with random values in all buffers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from web import networks
from web.fixed_page import Subject

from chainrule import layers
from chainrule.data.normalization import Normalization
from chainrule.models.model import Sequential
from chainrule.training import optimizers
from chainrule.training.recipe import Recipe

SAMPLES = 3


def plain() -> Subject:
    """Build a typical network: convolutions, ReLU, max pooling, dense, softmax with cross-entropy, Adam."""
    body = [
        *(layers.Conv2D(3, (3, 2)), layers.ReLU(), layers.Conv2D(4, 3, padding="same"), layers.ReLU()),
        *(layers.MaxPool2D(2), layers.Flatten(), layers.Dense(5), layers.Softmax()),
    ]
    return random_subject("plain", body, (2, 9, 8), Recipe(optimizer=optimizers.Adam(learning_rate=0.01)), seed=1)


def with_images(name: str) -> Subject:
    """Return a network of `networks` with random images."""
    known = networks.find_subject(name)
    pictures = [known.picture(seed) for seed in range(SAMPLES)]
    images, labels = np.stack([one["x"] for one in pictures]), [one["label"] for one in pictures]
    return Subject(known.model, known.recipe, images, labels, known.moments, known.step)


def random_subject(name: str, body: Sequence[Any], size: tuple[int, ...], recipe: Recipe, *, seed: int) -> Subject:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (SAMPLES, *size), dtype=np.uint8)
    normalization = Normalization.fit("scale", images)
    model = Sequential(body, size, name=name, loss=recipe.loss, normalization=normalization, engine="numpy")
    model.parameters[:] = random.normal(scale=0.4, size=model.parameters.shape)
    if model.statistics.size:
        model.statistics[:] = random.uniform(0.5, 1.5, size=model.statistics.shape)
    moments = tuple(random.uniform(0, 0.01, model.parameters.size).astype("float32") for _ in recipe.optimizer.moments)
    labels = random.integers(0, model.output_shape[-1], SAMPLES).tolist()
    return Subject(model, recipe, images, labels, moments, step=11)
