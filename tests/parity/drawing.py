"""Random configurations of every layer and every loss, and random graphs of layers, for comparison with PyTorch.

Each is a pure function of a generator; refused ones (a kernel larger than its image, for example) are drawn again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import layers as cr
from chainrule.check import graph_configurations
from chainrule.errors import ChainruleError, ShapeError
from chainrule.layers import Layer, Node, node
from chainrule.layers.activations import ELEMENTWISE, EXAMPLES
from chainrule.layers.node import Wiring
from chainrule.models.network import Network

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


def one(draw: Draw, *choices: Any) -> Any:
    """Draw one of the choices."""
    return choices[draw.integers(len(choices))]


def numbers(draw: Draw, axes: int, most: int, least: int = 1) -> Any:
    """Draw one number for all axes, or one per axis."""
    each = tuple(int(n) for n in draw.integers(least, most + 1, axes))
    return one(draw, each[0], each, each)


def sizes(draw: Draw, axes: int, most: int = 9) -> Shape:
    return tuple(int(size) for size in draw.integers(1, most + 1, axes))


def padding(draw: Draw, axes: int, most: int) -> Any:
    """Draw a padding of every kind that a layer accepts, half of them asymmetric."""
    pairs = tuple((int(a), int(b)) for a, b in draw.integers(0, most + 1, (axes, 2)))
    return one(draw, "valid", "same", "full", numbers(draw, axes, most, 0), pairs, pairs, pairs, pairs)


def convolution(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    axes, groups = kind.axes, one(draw, 1, 1, 2, 3)
    options: dict[str, Any] = {
        "stride": numbers(draw, axes, 3),
        "padding": padding(draw, axes, 3),
        "dilation": numbers(draw, axes, 3),
        "groups": groups,
        "bias": one(draw, True, False, "untied"),
    }
    if kind is cr.ConvTranspose2D:
        options["output_padding"] = numbers(draw, axes, 2, 0)
    else:
        options["convolution"] = one(draw, True, False)
    channels, filters = (groups * one(draw, 1, 2, 3) for _ in range(2))
    return kind(filters, numbers(draw, axes, 4), **options), (channels, *sizes(draw, axes))


def pool(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    axes = kind.axes
    options: dict[str, Any] = {"stride": one(draw, None, numbers(draw, axes, 3)), "padding": padding(draw, axes, 2)}
    options["ceil_mode"] = one(draw, True, False)
    if issubclass(kind, cr.AveragePool2D):
        options["count_padding"] = one(draw, True, False)
    return kind(numbers(draw, axes, 4), **options), (int(draw.integers(1, 4)), *sizes(draw, axes))


def any_shape(draw: Draw) -> Shape:
    """Draw (F,), (C, W) or (C, H, W)."""
    return sizes(draw, one(draw, 1, 2, 3), 6)


def plain(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    return kind(), any_shape(draw)


def example(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    return one(draw, *EXAMPLES[kind.kind]), any_shape(draw)


def leaky(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    return kind(one(draw, 0.0, 0.01, float(draw.uniform(0, 0.9)))), any_shape(draw)


def vector(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    return kind(), sizes(draw, 1, 12)


def picture(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    return kind(), sizes(draw, kind.axes + 1)


def dense(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    return kind(int(draw.integers(1, 40)), bias=one(draw, True, False)), sizes(draw, 1, 60)


def dropout(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    return kind(one(draw, 0.0, 0.5, float(draw.uniform(0, 0.95)))), any_shape(draw)


def norm(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    options = {"momentum": one(draw, 0.1, 1.0, float(draw.uniform(0.01, 1))), "epsilon": one(draw, 1e-5, 1e-3, 0.5)}
    return kind(**options), sizes(draw, one(draw, 1, kind.axes + 1), 6)


def sample_norm(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    """Draw a normalization within each sample, of more than one value: PyTorch refuses others."""
    epsilon = one(draw, 1e-5, 1e-3, 0.5)
    if kind is cr.InstanceNorm2D:
        return kind(epsilon), (int(draw.integers(1, 5)), *(int(size) for size in draw.integers(2, 7, 2)))
    first, *rest = (int(size) for size in draw.integers(2, 7, one(draw, 1, 2, 3)))
    if kind is cr.LayerNorm:
        return kind(epsilon), (first, *rest)
    groups = one(draw, 1, 2, 3)
    return kind(groups, epsilon), (groups * first, *rest)


def response_norm(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    options = {"alpha": one(draw, 1e-4, 0.5), "beta": one(draw, 0.75, 0.6), "k": one(draw, 1.0, 2.0)}
    return kind(one(draw, 1, 3, 5), **options), sizes(draw, one(draw, 2, 3), 6)


def reshape(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    shape = sizes(draw, 3, 5)
    return kind(one(draw, shape[::-1], (int(np.prod(shape)),), (shape[0] * shape[1], shape[2]))), shape


def ends(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    pairs = tuple((int(a), int(b)) for a, b in draw.integers(0, 4, (2, 2)))
    return kind(one(draw, numbers(draw, 2, 3, 0), pairs, pairs)), sizes(draw, 3)


def part(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    shape = any_shape(draw)
    axis = int(draw.integers(len(shape)))
    start = int(draw.integers(shape[axis]))
    return kind(axis, start, one(draw, None, int(draw.integers(start + 1, shape[axis] + 1)))), shape


def adaptive(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    return kind(numbers(draw, 2, 5)), sizes(draw, 3)


def upsample(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    return kind(numbers(draw, 2, 4), one(draw, "nearest", "bilinear")), sizes(draw, 3, 6)


def resample(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    rows, columns = (tuple(int(draw.integers(low, 4)) for low in (-2, -3, 1)) for _ in range(2))
    return kind(numbers(draw, 2, 6), rows, columns, one(draw, "nearest", "bilinear")), sizes(draw, 3, 6)


def affine(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    return kind(one(draw, "channel", "element")), any_shape(draw)


def permutation(draw: Draw, kind: Any) -> tuple[Layer, Shape]:
    shape = any_shape(draw)
    return kind(tuple(int(axis) for axis in draw.permutation(len(shape)))), shape


DRAWN: dict[str, Callable[[Draw, Any], tuple[Layer, Shape]]] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "ConvTranspose2D"), convolution),
    **dict.fromkeys(("MaxPool1D", "MaxPool2D", "AveragePool1D", "AveragePool2D", "SumPool1D", "SumPool2D"), pool),
    **{ELEMENTWISE[name].__name__: example for name in EXAMPLES},
    **dict.fromkeys(("Pad2D", "Crop2D"), ends),
    "AdaptiveAveragePool2D": adaptive,
    "UpSample2D": upsample,
    "Resample2D": resample,
    "FixedAffine": affine,
    "Permute": permutation,
    "Slice": part,
    "Flatten": plain,
    "PReLU": plain,
    "LocalResponseNorm": response_norm,
    "LeakyReLU": leaky,
    "Softmax": plain,
    **dict.fromkeys(("GlobalAveragePool1D", "GlobalAveragePool2D", "GlobalMaxPool1D", "GlobalMaxPool2D"), picture),
    "Dense": dense,
    "Dropout": dropout,
    **dict.fromkeys(("BatchNorm1D", "BatchNorm2D"), norm),
    **dict.fromkeys(("GroupNorm", "InstanceNorm2D", "LayerNorm"), sample_norm),
    "Reshape": reshape,
}

ENDINGS: dict[str, tuple[tuple[Layer, ...], ...]] = {
    "half_squared_error": ((cr.Sigmoid(),), (cr.LeakyReLU(0.3),), (cr.Dense(4),)),
    "mean_squared_error": ((cr.Tanh(),), (cr.GELU(),), (cr.Dense(3, bias=False),)),
    "mean_absolute_error": ((cr.Tanh(),), (cr.Dense(3),)),
    "huber": ((cr.GELU(),), (cr.Dense(4),)),
    "binary_cross_entropy": ((cr.Sigmoid(),), (cr.Dense(4), cr.Softmax())),
    "categorical_cross_entropy": ((cr.Softmax(),), (cr.Dense(5), cr.Softmax()), (cr.Sigmoid(),)),
    "softmax_cross_entropy": ((cr.Dense(4),), (cr.Arctan(),)),
}


def fitting(draw: Draw, name: str) -> tuple[Layer, Shape]:
    """Draw a layer and a shape that it accepts."""
    while True:
        try:
            layer, shape = DRAWN[name](draw, cr.NAMED[name])
            layer.output_shape(shape, "drawn")
        except ShapeError:
            continue
        return layer, shape


def inputs(draw: Draw, count: int, shape: Shape) -> Array:
    """Draw values of either sign, sometimes with zeros and ties, or large."""
    x = draw.normal(size=(count, *shape))
    return one(draw, x, x, np.round(x), 5 * x)


def layer_configuration(draw: Draw, name: str) -> Configuration:
    """Draw a layer under half the squared error of random targets, so that its upstream gradient is random too."""
    layer, shape = fitting(draw, name)
    count = int(draw.integers(4, 8) if name.startswith("BatchNorm") else draw.integers(1, 5))
    outputs = int(np.prod(layer.output_shape(shape, name)))
    found = (layer, cr.Flatten())
    return Configuration(found, "half_squared_error", inputs(draw, count, shape), draw.normal(size=(count, outputs)))


def loss_configuration(draw: Draw, name: str) -> Configuration:
    """Draw a loss after a suitable ending, with targets of one class, of several, or of any values, as it accepts.

    Binary cross-entropy is given no probabilities near 0 or 1: log(1 − p) has few correct digits there in any
    library, and beyond ε each library clips in its own way.
    """
    found, count = one(draw, *ENDINGS[name]), int(draw.integers(1, 7))
    shape = sizes(draw, 1, 7)
    shape = (shape[0] + 1,) if "cross_entropy" in name else shape
    classes = Network(found, shape, engine="numpy").output_shape[0]
    one_hot = np.eye(classes)[draw.integers(0, classes, count)]
    soft = draw.dirichlet(np.ones(classes), count)
    t = one(draw, one_hot, soft) if "cross_entropy" in name else one(draw, one_hot, draw.normal(size=(count, classes)))
    x = draw.normal(size=(count, *shape)) if name.startswith("binary") else inputs(draw, count, shape)
    return Configuration(found, name, x, t)


def graph_configuration(draw: Draw, name: str) -> Configuration:
    """Draw a graph of layers with any options, under half the squared error of random targets."""
    shape, count = any_shape(draw), int(draw.integers(4, 7))
    x, y = graph_configurations.draw_graph(draw, shape, _next_layer, steps=int(draw.integers(3, 9)), max_entries=400)
    layers, wiring = node.trace(x, cr.Flatten()(y))
    t = draw.normal(size=(count, int(np.prod(y.shape))))
    return Configuration(layers, "half_squared_error", inputs(draw, count, shape), t, wiring)


def _next_layer(draw: Draw, given: Node) -> Layer | None:
    """Draw a layer that accepts a node's result, and that PyTorch accepts: no normalization of a single value."""
    for _ in range(20):
        try:
            layer = graph_configurations.fit_options(draw, fitting(draw, one(draw, *DRAWN))[0], given.shape)
            layer.output_shape(given.shape, "drawn")
        except ChainruleError:
            continue
        values = int(np.prod(given.shape[1:] if isinstance(layer, cr.InstanceNorm2D) else given.shape[-1:]))
        if values > 1 or not isinstance(layer, cr.GroupNorm | cr.InstanceNorm2D | cr.LayerNorm):
            return layer
    return None
