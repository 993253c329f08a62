"""Small learnable data and small models for it, drawn from a seed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.network.network import Network


def points(count: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw inputs (N, 6) around zero, and a linear function (N,) of them with a little noise."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, 6)).astype(np.float32)
    return x, x @ np.array([1.5, -2.0, 0.5, 0.0, 1.0, -1.0]) + 0.05 * generator.normal(size=count)


def stripes(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw bytes (N, 1, 8, 8) with horizontal stripes, vertical stripes, or noise, and the class (N,)."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 3, count)
    x = generator.integers(0, 100, (count, 1, 8, 8))
    x[y == 0, :, ::2] += 155
    x[y == 1, :, :, ::2] += 155
    return x.astype(np.uint8), y


def dense(outputs: int, *ending: Any, shape: tuple[int, ...] = (6,), **options: Any) -> cr.Sequential:
    """Build a network with one hidden layer and an ending."""
    flat = [cr.Flatten()] if len(shape) > 1 else []
    layers = [*flat, cr.Dense(12), cr.Tanh(), cr.Dense(outputs), *ending]
    return cr.Sequential(layers, shape, **{"engine": "numpy", "seed": 1, **options})


def classifier(**options: Any) -> cr.Sequential:
    """Build a network that tells the classes of `stripes` apart."""
    return dense(3, cr.Softmax(), shape=(1, 8, 8), **options)


def vectors(seed: int, count: int, dtype: str = "float64") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw inputs (N, 5), one-hot targets (N, 3), and weights (N,), of which some are 0."""
    generator = np.random.default_rng(seed)
    x, t = generator.normal(size=(count, 5)).astype(dtype), np.eye(3, dtype=dtype)[generator.integers(0, 3, count)]
    return x, t, generator.exponential(size=count) * (generator.random(count) < 0.8)


def network_of_vectors(*middle: Any, ending: Sequence[Any] = (), **options: Any) -> Network:
    """Build a network for `vectors` with layers between its two dense layers and at its end."""
    layers = [cr.Dense(6), *middle, cr.Tanh(), cr.Dense(3), *ending]
    return Network(layers, (5,), **{"dtype": "float64", "engine": "numpy", "threads": 2, "seed": 3, **options})


class Doubled:
    """A custom layer."""

    def forward(self, x: Any) -> Any:
        """Compute y = 2x."""
        return 2 * x

    def backward(self, dy: Any) -> Any:
        """Compute dx = 2 dy."""
        return 2 * dy


class Squares:
    """A custom loss."""

    def forward(self, p: Any, t: Any) -> Any:
        """Compute the sum of squared errors of each sample."""
        self.error = p - t
        return np.square(self.error).sum(1)

    def backward(self) -> Any:
        """Compute the gradient of their mean."""
        return 2 * self.error / len(self.error)


class PlainSGD:
    """A custom optimizer."""

    learning_rate = 0.1

    def init(self, parameters: Any) -> Any:
        """Return no moments."""
        return ()

    def update(self, parameters: Any, gradients: Any, moments: Any, *, step: int, learning_rate: float) -> Any:
        """Take a step of gradient descent."""
        return parameters - learning_rate * gradients, ()
