"""Convolutions whose kernels cover the whole image run as dense layers, and give the results of the NumPy engine."""

from typing import Any

import numpy as np
import pytest
from tests.selection import draws

import chainrule as cr
from chainrule import Sequential
from chainrule.layers import Conv2D, ConvTranspose2D, Dense, Flatten, Layer, ReLU, Softmax, Tanh

CLASSES, SAMPLES = 3, 12


def drawn_layers(rng: np.random.Generator) -> tuple[list[Layer], tuple[int, int, int]]:
    """Return layers that meet images of a single window, and the shape of the first image."""
    channels, height, width = (int(number) for number in rng.integers(1, 20, 3))
    bias: Any = rng.choice([True, False, "untied"])
    covering = Conv2D(int(rng.integers(1, 40)), (height, width), stride=int(rng.integers(1, 4)), bias=bool(bias))
    pointwise = Conv2D(int(rng.integers(1, 20)), 1, bias="untied" if bias == "untied" else True)
    layers: list[Layer] = [
        covering,
        Tanh(),
        pointwise,
        ReLU(),
        ConvTranspose2D(3, (2, 3)),
        Flatten(),
        Dense(CLASSES),
        Softmax(),
    ]
    return layers, (channels, height, width)


@pytest.mark.parametrize("seed", range(draws(6)))
def test_the_weights_after_training_equal_those_of_the_numpy_engine(seed: int) -> None:
    """The batches have 5, 5 and 2 images, then single images."""
    rng = np.random.default_rng(seed)
    layers, shape = drawn_layers(rng)
    x, labels = rng.normal(size=(SAMPLES, *shape)), np.arange(SAMPLES) % CLASSES
    models = [Sequential(layers, shape, seed=seed, dtype="float64", engine=engine) for engine in ("numpy", "compiled")]
    for model in models:
        for batch_size in (5, 1):
            model.fit(x, labels, epochs=1, batch_size=batch_size, optimizer=cr.SGD(0.01))
    for name, expected in models[0].weights.items():
        np.testing.assert_allclose(models[1].weights[name], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(models[1].predict(x), models[0].predict(x), rtol=1e-9)
    single = np.concatenate([models[1].predict(image[None]) for image in x])
    np.testing.assert_allclose(single, models[0].predict(x), rtol=1e-9)


def test_a_single_window_takes_the_kernels_of_a_dense_layer() -> None:
    """Wherever the image is larger than the kernel, or padded, a convolution stays one."""
    covering = [Conv2D(4, (3, 5)), Conv2D(6, 1), Conv2D(2, 1, padding="same")]
    model = Sequential([Conv2D(3, 3), *covering, Conv2D(2, 3, padding="same")], (2, 5, 7), engine="compiled")
    kernels = model.engine.kernels(model.plan(), model.dtype)
    dense = [kernels[f"conv{number}.y"][0] == "dense" for number in range(1, 6)]
    assert dense == [False, True, True, True, False]
