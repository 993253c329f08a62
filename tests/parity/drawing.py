"""Random configurations of every layer and every loss, and random graphs of layers, for comparison with PyTorch.

Each is a pure function of a generator; refused ones (a kernel larger than its image, for example) are drawn again.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import layers as cr
from chainrule.errors import ChainruleError
from chainrule.layers import Layer, Node, node
from chainrule.layers.activations import ELEMENTWISE, PARTIAL
from chainrule.layers.node import Wiring
from chainrule.network import losses
from chainrule.network.network import Network
from experiments import graph_configurations
from experiments.configurations import DRAWERS, choice

Array = NDArray[Any]
Shape = tuple[int, ...]
Draw = np.random.Generator


@dataclass(frozen=True)
class Configuration:
    """Layers, a loss and their batch; `wiring`: what each layer reads, the one before it if None."""

    layers: tuple[Layer, ...]
    loss: str
    x: Array
    t: Array
    wiring: Wiring | None = None

    def __str__(self) -> str:
        shown = graph_configurations.describe(self.layers, self.wiring or node.chain(self.layers))
        return f"[{shown}], {self.loss}, x {self.x.shape}"

    def network(self) -> Network:
        """Build the network in float64, with parameters and running statistics different from 0 and 1."""
        options: dict[str, Any] = {"dtype": "float64", "engine": "numpy", "threads": 1}
        network = Network(self.layers, self.x.shape[1:], wiring=self.wiring, **options)
        generator = np.random.default_rng(self.x.size)
        network.parameters += generator.normal(scale=0.5, size=network.parameters.shape)
        network.statistics += generator.uniform(0, 0.5, network.statistics.shape)
        return network


def sizes(draw: Draw, axes: int, most: int = 9) -> Shape:
    return tuple(int(size) for size in draw.integers(1, most + 1, axes))


def any_shape(draw: Draw) -> Shape:
    """Draw (F,), (C, W) or (C, H, W)."""
    return sizes(draw, choice(draw, 1, 2, 3), 6)


ENDINGS: dict[str, tuple[tuple[Layer, ...], ...]] = {
    "half_squared_error": ((cr.Sigmoid(),), (cr.LeakyReLU(0.3),), (cr.Dense(4),)),
    "mean_squared_error": ((cr.Tanh(),), (cr.GELU(),), (cr.Dense(3, bias=False),)),
    "mean_absolute_error": ((cr.Tanh(),), (cr.Dense(3),)),
    "huber": ((cr.GELU(),), (cr.Dense(4),)),
    "binary_cross_entropy": ((cr.Sigmoid(),), (cr.Dense(4), cr.Sigmoid())),
    "categorical_cross_entropy": ((cr.Softmax(),), (cr.Dense(5), cr.Softmax()), (cr.Sigmoid(),)),
    "softmax_cross_entropy": ((cr.Dense(4),), (cr.Arctan(),)),
    "binary_focal_cross_entropy": ((cr.Sigmoid(),), (cr.Dense(4), cr.Sigmoid())),
    "categorical_focal_cross_entropy": ((cr.Softmax(),), (cr.Dense(5), cr.Softmax()), (cr.Sigmoid(),)),
    "dice": ((cr.Sigmoid(),), (cr.Softmax(),), (cr.Dense(4), cr.Softmax())),
}
OF_POSITIVE = {ELEMENTWISE[name].__name__: ELEMENTWISE[name] for name in PARTIAL}  # not drawn by `make prove`
UNDRAWN = {*OF_POSITIVE, "Pack", "Unpack"}  # `Graph` adds the latter two
LAYERS = sorted({*DRAWERS, *OF_POSITIVE})


def fitting(draw: Draw, name: str) -> tuple[Layer, Shape]:
    """Draw a layer and a shape that it accepts."""
    if name in OF_POSITIVE:
        kind = OF_POSITIVE[name]
        return kind(**choice(draw, *kind.examples)[1]), any_shape(draw)
    while True:
        try:
            layer, shape = DRAWERS[name](draw)
            layer.output_shape(shape, "drawn")
        except ChainruleError:
            continue
        return layer, shape


def inputs(draw: Draw, count: int, shape: Shape) -> Array:
    """Draw values of either sign, sometimes with zeros and ties, or large."""
    x = draw.normal(size=(count, *shape))
    return choice(draw, x, x, np.round(x), 5 * x)


def layer_configuration(draw: Draw, name: str) -> Configuration:
    """Draw a layer under half the squared error of random targets, so that its upstream gradient is random too.

    Square roots, logarithms and reciprocals are given positive values that are not near 0.
    """
    layer, shape = fitting(draw, name)
    count = int(draw.integers(4, 8) if name.startswith("BatchNorm") else draw.integers(1, 5))
    outputs = int(np.prod(layer.output_shape(shape, name)))
    found = (layer, cr.Flatten())
    x = inputs(draw, count, shape)
    x = np.abs(x) + 0.1 if name in OF_POSITIVE else x
    return Configuration(found, "half_squared_error", x, draw.normal(size=(count, outputs)))


def loss_configuration(draw: Draw, name: str) -> Configuration:
    """Draw a loss after a suitable ending, with targets of one class, of several, or of any values, as it accepts.

    Binary cross-entropy and focal losses are given no probabilities near 0 or 1: log(1 − p) has few correct digits
    there in any library, and beyond ε each library clips in its own way.
    """
    of_shares = name in (*losses.OF_PROBABILITIES, "softmax_cross_entropy")
    found, count = choice(draw, *ENDINGS[name]), int(draw.integers(1, 7))
    shape = sizes(draw, 1, 7)
    shape = (shape[0] + 1,) if of_shares else shape
    classes = Network(found, shape, engine="numpy").output_shape[0]
    one_hot = np.eye(classes)[draw.integers(0, classes, count)]
    soft = draw.dirichlet(np.ones(classes), count)
    t = choice(draw, one_hot, soft) if of_shares else choice(draw, one_hot, draw.normal(size=(count, classes)))
    moderate = name.startswith("binary") or "focal" in name
    x = draw.normal(size=(count, *shape)) if moderate else inputs(draw, count, shape)
    return Configuration(found, name, x, t)


def graph_configuration(draw: Draw, name: str) -> Configuration:
    """Draw a graph of layers with any options, under half the squared error of random targets.

    Its inputs have no ties: after a softmax or an average, rounding errors would decide which of two equal numbers a
    maximum selects.
    """
    shape, count = any_shape(draw), int(draw.integers(4, 7))
    x, y = graph_configurations.draw_graph(draw, shape, _next_layer, steps=int(draw.integers(3, 9)), max_entries=400)
    layers, wiring = node.trace(x, cr.Flatten()(y))
    inputs, t = choice(draw, 1, 5) * draw.normal(size=(count, *shape)), draw.normal(size=(count, int(np.prod(y.shape))))
    return Configuration(layers, "half_squared_error", inputs, t, wiring)


def _next_layer(draw: Draw, given: Node) -> Layer | None:
    """Draw a layer that accepts a node's result, and that PyTorch accepts: no normalization of a single value."""
    for _ in range(20):
        try:
            layer = graph_configurations.fit_options(draw, fitting(draw, choice(draw, *DRAWERS))[0], given.shape)
            layer.output_shape(given.shape, "drawn")
        except ChainruleError:
            continue
        values = int(np.prod(given.shape[1:] if isinstance(layer, cr.InstanceNorm2D) else given.shape[-1:]))
        if values > 1 or not isinstance(layer, cr.GroupNorm | cr.InstanceNorm2D | cr.LayerNorm):
            return layer
    return None
