"""Data sets that are computed instead of downloaded: shapes to segment, and digits with noise to remove."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Bools, Floats, Ints
from chainrule.core.randomness import generator
from chainrule.data.dataset import Dataset

SHAPES, NOISY_MNIST = "shapes", "noisy-mnist"
TITLES = {
    SHAPES: "Disks, squares and triangles on noise, with a class for each pixel. Drawn, not downloaded.",
    NOISY_MNIST: "MNIST with added noise, and the original digits as targets. Computed from mnist.",
}
SHAPES_SIZE = 32  # pixels; height and width of an image of shapes
SHAPES_TRAIN, SHAPES_TEST = 4000, 1000  # images
MOST_SHAPES = 4  # shapes per image
SHAPE_CLASSES = ("background", "disk", "square", "triangle")
SHAPES_NOISE = 0.12  # standard deviation of the noise; the range of the images is 0 … 1
DIGITS_NOISE = 0.4  # the same for digits

Coordinates = Floats


def shapes(train: int = SHAPES_TRAIN, test: int = SHAPES_TEST) -> tuple[Dataset, Dataset]:
    """Draw disks, squares and triangles on noise, and return (training set, test set).

    The images are uint8 (N, 1, 32, 32), and the labels of their pixels int64 (N, 32, 32). An image has 1 to 4 shapes of
    random sizes, positions and gray levels, 0.2 to 0.5 brighter or darker than the background; later shapes cover
    earlier ones. The shape, not the gray level, determines the class. The images depend only on their numbers.

    train, test   numbers of images
    """
    images, labels = zip(*(_drawn(number) for number in range(train + test)), strict=True)
    x = np.stack(images)[:, None]
    y = np.stack(labels)
    sets = ((x[:train], y[:train]), (x[train:], y[train:]))
    training, test_set = (Dataset(*arrays, SHAPE_CLASSES, SHAPES, "drawn by chainrule") for arrays in sets)
    return training, test_set


def _drawn(number: int) -> tuple[NDArray[np.uint8], Ints]:
    draw = generator(0, "shapes", number)
    rows, columns = np.mgrid[:SHAPES_SIZE, :SHAPES_SIZE].astype(np.float64)
    background = draw.uniform(0.35, 0.65)
    image = np.full((SHAPES_SIZE, SHAPES_SIZE), background)
    labels = np.zeros(image.shape, np.int64)
    for _ in range(int(draw.integers(1, MOST_SHAPES + 1))):
        label = int(draw.integers(1, len(SHAPE_CLASSES)))
        radius = draw.uniform(4, 8)
        i, j = draw.uniform(4, SHAPES_SIZE - 4, 2)
        inside = INSIDE[label](rows - i, columns - j, radius)
        image[inside] = background + draw.choice((-1, 1)) * draw.uniform(0.2, 0.5)
        labels[inside] = label
    image += draw.normal(0, SHAPES_NOISE, image.shape)
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8), labels


def _disk(i: Coordinates, j: Coordinates, radius: float) -> Bools:
    return i * i + j * j <= radius * radius


def _square(i: Coordinates, j: Coordinates, radius: float) -> Bools:
    return np.maximum(abs(i), abs(j)) <= 0.85 * radius


def _triangle(i: Coordinates, j: Coordinates, radius: float) -> Bools:
    """Return the pixels of a triangle with a horizontal base and its apex at the top."""
    return (i <= 0.8 * radius) & (i + radius >= 1.8 * abs(j))


INSIDE = {1: _disk, 2: _square, 3: _triangle}  # label → pixels inside the shape, relative to its center


def noisy_mnist(load: Callable[..., tuple[Dataset, Dataset]], **options: Any) -> tuple[Dataset, Dataset]:
    """Add noise to MNIST, and return (training set, test set) with the clean images as targets.

    The inputs are uint8 (N, 1, 28, 28). The targets are the original images, float32, from 0 to 1.

    load      function that loads MNIST
    options   its options
    """
    training, test = (_with_noise(digits, number) for number, digits in enumerate(load(**options)))
    return training, test


def _with_noise(digits: Dataset, number: int) -> Dataset:
    clean = digits.x.astype(np.float32) / 255
    noise = generator(0, "noisy mnist", number).standard_normal(clean.shape, np.float32)
    x = np.rint(255 * np.clip(clean + DIGITS_NOISE * noise, 0, 1)).astype(np.uint8)
    return Dataset(x, clean, ("ink",), NOISY_MNIST, digits.source, digits=True)
