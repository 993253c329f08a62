"""MNIST itself, fetched as users do (skipped where neither the cache nor the network has it)."""

import numpy as np
from PIL import Image

from chainrule.data import Dataset, as_mnist

COUNT = 50


def test_what_mnist_is(real_mnist: tuple[Dataset, Dataset]) -> None:
    train, test = real_mnist
    assert (len(train), len(test), train.shape) == (60_000, 10_000, (1, 28, 28))
    assert train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    few = train.only([0, 1]).per_class(100)
    assert np.bincount(few.y).tolist() == [100, 100]


def test_digits_are_prepared_as_mnist_was_made(real_mnist: tuple[Dataset, Dataset]) -> None:
    images = real_mnist[1].x[:COUNT, 0]
    again = np.stack([as_mnist(image) for image in images])
    assert np.abs(again.astype(int) - images).mean() < 1.5
    np.testing.assert_array_equal(np.stack([as_mnist(255 - image) for image in images]), again)


def test_photographs_of_mnist_are_still_read_right(real_mnist: tuple[Dataset, Dataset]) -> None:
    """Classify by the nearest of 5000 training images: no worse on photographs than on the images themselves."""
    train, test = real_mnist
    known = train.x[:5000].reshape(5000, -1).astype(np.float32)
    images, labels = test.x[:COUNT, 0], test.y[:COUNT]

    def right(given: np.ndarray) -> int:
        seen = given.reshape(COUNT, -1).astype(np.float32)
        distances = (known**2).sum(1) - 2 * seen @ known.T
        return int((train.y[distances.argmin(1)] == labels).sum())

    rng = np.random.default_rng(0)
    found = right(np.stack([as_mnist(photograph(image, rng)) for image in images]))
    assert found >= right(images) - 2


def photograph(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw dark ink on unevenly lit paper, somewhere in an image of 480×640, with camera noise."""
    ink = np.zeros((480, 640))
    top, left = rng.integers(10, 190), rng.integers(10, 350)
    ink[top : top + 280, left : left + 280] = Image.fromarray(image).resize((280, 280), Image.Resampling.BICUBIC)
    rows, columns = np.indices(ink.shape)
    light = 220 - 60 * columns / 640 - 40 * rows / 480
    return (light * (1 - 0.7 * ink / 255) + rng.normal(0, 4, ink.shape)).clip(0, 255).astype(np.uint8)
