"""A network with two inputs and two outputs, and data for it."""

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.layers.node import Node

LOSSES = {"digit": "categorical_cross_entropy", "size": "mean_squared_error"}
WEIGHTS = {"digit": 1.0, "size": 0.3}


def nodes() -> tuple[list[cr.Input], dict[str, Node]]:
    """Return the inputs, an image and a vector, and the outputs: probabilities of 4 classes, and 2 numbers."""
    image, vector = cr.Input((2, 5, 6), name="image"), cr.Input((3,), name="vector")
    h = cr.ReLU()(cr.Conv2D(3, (3, 2))(image))
    joined = cr.Concatenate()(cr.Flatten()(h), cr.Tanh()(cr.Dense(5)(vector)))
    return [image, vector], {"digit": cr.Softmax()(cr.Dense(4)(joined)), "size": cr.Dense(2)(cr.Flatten()(h))}


def model(**options: Any) -> cr.Graph:
    """Return the network."""
    return cr.Graph(*nodes(), **{"engine": "numpy", "dtype": "float64", **options})


def batch(count: int = 6, seed: int = 0) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """Return inputs and targets."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, 2, 5, 6)), draw.normal(size=(count, 3))
    return x, {"digit": draw.integers(0, 4, count), "size": draw.normal(size=(count, 2))}


def scaled_batch(count: int = 6, seed: int = 0) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """Return inputs and targets whose image consists of bytes, and whose numbers are far from 0."""
    x, y = batch(count, seed)
    pixels = np.random.default_rng(seed).integers(0, 256, x[0].shape).astype(np.uint8)
    return (pixels, x[1]), {**y, "size": 500 + 90 * y["size"]}
