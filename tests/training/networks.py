"""Small networks that together contain every kind of kernel, and their data. Few, because each is compiled."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import layers as cr
from chainrule.layers import Layer
from chainrule.network.network import Network

Array = NDArray[Any]

# name → (layers, input shape, loss)
NETWORKS: dict[str, tuple[Sequence[Layer], tuple[int, ...], str]] = {
    "pictures": (
        [
            *(
                cr.Conv2D(4, (3, 2), stride=(2, 1), padding="same", groups=2),
                cr.GELU(),
                cr.MaxPool2D(3, stride=2, padding=1),
            ),
            *(cr.BatchNorm2D(), cr.Conv2D(3, (2, 3), padding="full", dilation=(1, 2), bias="untied", convolution=True)),
            *(cr.LeakyReLU(0.1), cr.Dropout(0.25), cr.ConvTranspose2D(2, (3, 2), stride=2, output_padding=(1, 0))),
            *(cr.AveragePool2D((2, 3), stride=(2, 2), padding="same"), cr.Conv2D(4, 3, bias=False), cr.ReLU()),
            *(cr.Flatten(), cr.Dense(6), cr.BatchNorm1D(), cr.Sigmoid(), cr.Dense(3), cr.Softmax()),
        ],
        (2, 9, 8),
        "categorical_cross_entropy",
    ),
    "lines": (
        [
            *(
                cr.Conv1D(3, 3, stride=2, padding=(2,), dilation=2),
                cr.Arctan(),
                cr.MaxPool1D(3, stride=2, padding=((1, 0),)),
            ),
            *(cr.Conv1D(4, 2, padding="same", bias="untied"), cr.Tanh(), cr.AveragePool1D(2, stride=1)),
            *(cr.Flatten(), cr.Dropout(0.4), cr.Dense(3, bias=False), cr.Sigmoid()),
        ],
        (2, 21),
        "binary_cross_entropy",
    ),
    "enlarged": (
        [
            *(cr.ConvTranspose2D(4, 3, stride=(2, 1), padding="same", groups=2), cr.SumPool2D(2, stride=1)),
            *(cr.Pad2D(((0, 1), (2, 0))), cr.UpSample2D((2, 1), mode="bilinear"), cr.AdaptiveAveragePool2D((3, 5))),
            *(cr.Conv2D(3, 2, padding=1), cr.GlobalAveragePool2D(), cr.Dense(3)),
        ],
        (2, 4, 5),
        "half_squared_error",
    ),
}


def build(name: str, engine: str, threads: int = 1, dtype: str = "float64") -> Network:
    """Build the network of that name, with parameters and running statistics different from 0 and 1."""
    actual, shape, _ = NETWORKS[name]
    network = Network(actual, shape, dtype=dtype, seed=5, engine=engine, threads=threads)
    generator = np.random.default_rng(6)
    network.parameters += generator.normal(scale=0.2, size=network.parameters.shape).astype(dtype)
    network.statistics += generator.uniform(0, 0.5, network.statistics.shape).astype(dtype)
    return network


def batch(name: str, count: int, dtype: str = "float64", seed: int = 7) -> tuple[Array, Array]:
    """Draw inputs and one-hot targets."""
    _, shape, _ = NETWORKS[name]
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, *shape)).astype(dtype)
    return x, np.eye(3, dtype=dtype)[generator.integers(0, 3, count)]
