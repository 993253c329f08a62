"""Networks for live pages outside the course. Each function returns a model, images and labels."""

import numpy as np
from numpy.typing import NDArray

import chainrule as cr

SIZE = 10
STROKES = ("horizontal", "vertical", "diagonal")


def strokes() -> tuple[cr.Sequential, NDArray[np.uint8], NDArray[np.int64]]:
    """Train a small network to classify images of a single stroke."""
    x, y = _images(120)
    layers = [cr.Conv2D(3, 3), cr.Tanh(), cr.Conv2D(4, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    model = cr.Sequential(layers, (1, SIZE, SIZE), engine="numpy", name="strokes", classes=STROKES)
    model.fit(x, y, epochs=1, learning_rate=0.05, progress=False)
    return model, x, y


def _images(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    generator = np.random.default_rng(3)
    x = np.zeros((count, 1, SIZE, SIZE), np.uint8)
    y = np.arange(count) % len(STROKES)
    for image, label in zip(x[:, 0], y, strict=True):
        row, column, length = generator.integers((2, 2, 4), (5, 5, 7))
        along = np.arange(length)
        down, right = ((0, 1), (1, 0), (1, 1))[label]
        image[row + down * along, column + right * along] = generator.integers(160, 256, length)
        image += generator.integers(0, 24, image.shape, np.uint8) * (image == 0)
    return x, y
