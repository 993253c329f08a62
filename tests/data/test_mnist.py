"""MNIST itself, fetched as users do (skipped where neither the cache nor the network has it)."""

import numpy as np

from chainrule.data import Dataset

COUNT = 50


def test_mnist_has_its_known_images(real_mnist: tuple[Dataset, Dataset]) -> None:
    train, test = real_mnist
    assert (len(train), len(test), train.sample_shape) == (60_000, 10_000, (1, 28, 28))
    assert train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
