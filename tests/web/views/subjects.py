"""A small network of digits, for views that need images as in MNIST."""

import numpy as np
from web.fixed_page import Subject

from chainrule import layers
from chainrule.data.normalization import Normalization
from chainrule.models.model import Sequential
from chainrule.training import optimizers
from chainrule.training.recipe import Recipe

SAMPLES = 6


def digits() -> Subject:
    """Build a network from 28×28 bytes to ten classes, with random values in all buffers."""
    random = np.random.default_rng(8)
    convolution = [layers.Conv2D(4, 5), layers.ReLU(), layers.MaxPool2D(2)]
    body = [*convolution, layers.Flatten(), layers.Dense(10), layers.Softmax()]
    images = random.integers(0, 256, (SAMPLES, 1, 28, 28), dtype=np.uint8)
    recipe = Recipe(optimizer=optimizers.Adam(learning_rate=0.01))
    classes = tuple("0123456789")
    normalization = Normalization.fit("scale", images, digits=True)
    model = Sequential(body, (1, 28, 28), name="digits", classes=classes, normalization=normalization, engine="numpy")
    model.parameters[:] = random.normal(scale=0.1, size=model.parameters.shape)
    moments = tuple(random.uniform(0, 0.01, model.parameters.size).astype("float32") for _ in recipe.optimizer.moments)
    return Subject(model, recipe, images, [3, 1, 4, 1, 5, 9], moments, step=11)
