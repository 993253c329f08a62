"""Small networks that together contain every kind of cell, with random values in all buffers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
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


def rich() -> Subject:
    """Use strides, dilation, groups, batch normalization, dropout, average pooling, smooth activations, decay."""
    body = [
        layers.Conv2D(4, 3, stride=2, padding=1, bias="untied"),
        *(layers.BatchNorm2D(), layers.GELU(), layers.Conv2D(4, 2, dilation=2, groups=2, convolution=True)),
        *(layers.Tanh(), layers.AveragePool2D(2, stride=1, padding=1), layers.LeakyReLU(0.1), layers.Dropout(0.4)),
        *(layers.ConvTranspose2D(3, 3, stride=2), layers.Arctan(), layers.MaxPool2D(3, stride=2, padding=1)),
        *(layers.GlobalAveragePool2D(), layers.Dense(6), layers.Sigmoid(), layers.Dense(4), layers.Softmax()),
    ]
    return random_subject(
        "rich", body, (2, 13, 11), Recipe(optimizer=optimizers.AdamW(learning_rate=0.02), clip_norm=0.5), seed=2
    )


def yes_or_no() -> Subject:
    """Use binary cross-entropy of sigmoids, and Nesterov's momentum."""
    body = [layers.SumPool2D(2), layers.Flatten(), layers.Dense(4), layers.Tanh(), layers.Dense(3), layers.Sigmoid()]
    recipe = Recipe(loss="binary_cross_entropy", optimizer=optimizers.Nesterov(learning_rate=0.1))
    return random_subject("yes-or-no", body, (1, 6, 6), recipe, seed=3)


def squares() -> Subject:
    """Use half the squared error of probabilities, and plain gradient descent."""
    body = [layers.Flatten(), layers.Dense(4), layers.Softmax()]
    recipe = Recipe(loss="half_squared_error", optimizer=optimizers.SGD(learning_rate=0.1))
    return random_subject("squares", body, (1, 3, 4), recipe, seed=4)


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
