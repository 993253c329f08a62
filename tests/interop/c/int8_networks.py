"""Random networks that integers can compute."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import NamedTuple

import numpy as np
from drawn_networks import TRIES, candidate
from numpy.typing import NDArray
from proving import graph_configurations
from proving.acceptance import accepts

import chainrule as cr
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError
from chainrule.interop.c import Quantized
from chainrule.layers import Layer, Node
from chainrule.models.model import Model

KINDS = (  # layers that integers can compute
    *("Conv2D", "Conv2D", "ConvTranspose2D", "MaxPool2D", "AveragePool2D", "AdaptiveAveragePool2D", "BatchNorm2D"),
    *("Dense", "Permute", "Pad2D", "Crop2D", "Broadcast", "Gather"),
    *("ReLU", "GELU", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid"),
)


class Case(NamedTuple):
    """A network with random weights and statistics, images, and the quantized network."""

    model: Model
    x: NDArray[np.float32]
    integers: Quantized


def next_layer(draw: np.random.Generator, node: Node) -> Layer | None:
    name = KINDS[draw.integers(len(KINDS))]
    for _ in range(TRIES):
        layer = candidate(draw, name, node.shape)
        if accepts(layer, node.shape):
            return layer
    return None


def cases() -> Iterator[Case]:
    """Draw graphs until integers can compute all layers of one."""
    for number in count():
        draw = np.random.default_rng([41, number])
        shape = tuple(int(size) for size in draw.integers((2, 6, 6), (5, 13, 13)))
        steps = int(draw.integers(3, 8))
        start, y = graph_configurations.draw_graph(draw, shape, next_layer, steps=steps, max_entries=3000)
        if draw.integers(4):
            y = cr.Dense(3)(y if len(y.shape) == 1 else cr.Flatten()(y))
        model = cr.Graph(start, y, engine="numpy")
        model.parameters += draw.normal(scale=0.1, size=model.parameters.shape).astype("f4")
        model.statistics += draw.uniform(0, 0.3, model.statistics.shape).astype("f4")
        x = draw.normal(size=(30, *shape)).astype("f4") * 10.0 ** draw.uniform(-2, 2, (shape[0], 1, 1)).astype("f4")
        model.normalization = Normalization.fit("standardize", x)
        with suppress(OptionError):  # of layers without an integer form
            yield Case(model, x, Quantized(model, x))
