"""Drawn layers, losses and networks with their inputs: each a pure function of a generator, or of (seed, number).

Layers have the options that `make prove` draws, so that a new layer there is drawn here too. What the rules of
`proving.acceptance` exclude (a kernel larger than its image, for example) is drawn again; an error of a layer is an
error of the test. In networks layers come in any order that their shapes allow.
Convolutions often have filters that fill vectors, and are followed by ReLU and pooling more often than by chance, since
kernels fuse them.
"""

import copy
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from proving import graph_configurations
from proving.acceptance import accepts
from proving.configurations import DRAWERS, any_shape, choice, draw_accepted

from chainrule import layers as cr
from chainrule.errors import ChannelOrderWarning
from chainrule.layers import Layer, Node, node
from chainrule.layers.kinds import ELEMENTWISE, PARTIAL
from chainrule.layers.node import Wiring
from chainrule.models.model import Graph, Sequential, connect
from chainrule.network import losses
from chainrule.training import optimizers

Array = NDArray[Any]
Draw = np.random.Generator
Shape = tuple[int, ...]
THREADS = (1, 2, 3, 4, 7)  # drawn wherever engines are compared
MOST = 4_000_000  # multiplications of a forward pass of the largest batch
NUMBERS = 3_000_000  # entries of the largest array
TRIES = 40  # layers drawn for a shape before one is found that accepts it

OF_POSITIVE = {ELEMENTWISE[name].__name__: ELEMENTWISE[name] for name in PARTIAL}  # not drawn by `make prove`
# `Graph` adds the first two. Comparisons jump at ties, and no layer before a FixedValue has an effect.
UNDRAWN = {*OF_POSITIVE, "Pack", "Unpack", "Compare", "Where", "FixedValue"}
LAYERS = sorted({*DRAWERS, *OF_POSITIVE})
CONVOLUTIONS = ("Conv1D", "Conv2D")
AFTER = {  # likely successors
    "Conv1D": ("ReLU", "ReLU", "MaxPool1D", "BatchNorm1D"),
    "Conv2D": ("ReLU", "ReLU", "MaxPool2D", "MaxPool2D", "BatchNorm2D"),
    **dict.fromkeys(("BatchNorm1D", "BatchNorm2D"), ("ReLU",)),
    "ReLU": ("MaxPool1D", "MaxPool2D", "ReLU"),
    "Add": ("ReLU",),
    **dict.fromkeys(("Sigmoid", "Tanh", "LeakyReLU", "ELU", "Softplus", "Clip", "SiLU"), ("MaxPool1D", "MaxPool2D")),
    "MaxPool1D": ("MaxPool1D", "ReLU"),
    "MaxPool2D": ("MaxPool2D", "MaxPool2D", "ReLU"),
}
ENDINGS: dict[str, tuple[Layer | None, ...]] = {  # last layers before a loss, by its first word; None: any layer
    "categorical": (cr.Softmax(),),
    "binary": (cr.Sigmoid(),),
    "dice": (cr.Softmax(), cr.Sigmoid()),
    "softmax": (None, None, cr.Arctan()),
    "poisson": (cr.Exp(), cr.Softplus()),
}
OF_NUMBERS = (None, None, None, cr.Tanh(), cr.GELU(), cr.LeakyReLU(0.3), cr.Sigmoid())  # before other losses
OPTIMIZERS = (
    optimizers.SGD(0.05),
    optimizers.Momentum(0.05),
    optimizers.Nesterov(0.05),
    optimizers.Adam(0.01, epsilon=1e-2),
    optimizers.AdamW(0.01, epsilon=1e-2, weight_decay=0.1),
)


@dataclass(frozen=True)
class Drawn:
    """A network, its inputs and its training.

    loss     None where the last layer's output is not a vector, so that the network can only predict
    wiring   what each layer reads; None: the one before it
    batches  sizes of successive batches, which are slices of x and t
    """

    layers: tuple[Layer, ...]
    loss: str | None
    x: Array
    t: Array
    wiring: Wiring | None = None
    number: int = 0
    batches: tuple[int, ...] = ()
    dtype: str = "float64"
    threads: int = 1
    optimizer: optimizers.Optimizer = OPTIMIZERS[0]
    clip_norm: float | None = None
    seed: int = 1

    def __str__(self) -> str:
        shown = graph_configurations.describe(self.layers, self.wiring or node.chain(self.layers))
        size = "×".join(map(str, self.x.shape[1:]))
        return (
            f"network {self.number}: [{shown}] on {size}, {self.loss}, batches {self.batches or len(self.x)}, "
            f"{self.dtype}, {self.threads} threads, {self.optimizer.name}, clip {self.clip_norm}, seed {self.seed}"
        )

    def build(self, engine: str) -> Sequential | Graph:
        """Build the model on an engine; biases and running statistics differ from 0 and 1."""
        options: dict[str, Any] = {"dtype": self.dtype, "seed": self.seed, "engine": engine, "threads": self.threads}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChannelOrderWarning)  # few rows and many channels may be drawn
            layers = copy.deepcopy(self.layers)  # those of a trained graph would bring its weights
            model = connect(layers, self.x.shape[1:], self.wiring, loss=self.loss or losses.NAMES[0], **options)
        draw = np.random.default_rng([self.seed, 1])
        model.parameters += draw.normal(scale=0.2, size=model.parameters.shape).astype(self.dtype)
        model.statistics += draw.uniform(0, 0.5, model.statistics.shape).astype(self.dtype)
        return model


# ---------------------------------------------------------------------------------------------- one layer, or one loss


def fitting(draw: Draw, name: str) -> tuple[Layer, Shape]:
    """Draw a layer and a shape that it accepts."""
    if name in OF_POSITIVE:
        kind = OF_POSITIVE[name]
        return kind(**choice(draw, *kind.examples)[1]), any_shape(draw)
    return draw_accepted(draw, name)


def inputs(draw: Draw, count: int, shape: Shape) -> Array:
    """Draw values of either sign, sometimes with zeros and ties, or large."""
    x = draw.normal(size=(count, *shape))
    return choice(draw, x, x, np.round(x), 5 * x)


def draw_layer(draw: Draw, name: str) -> Drawn:
    """Draw a layer under half the squared error of random targets, so that its upstream gradient is random too.

    Square roots, logarithms and reciprocals are given positive values that are not near 0.
    """
    layer, shape = fitting(draw, name)
    count = int(draw.integers(4, 8) if name.startswith("BatchNorm") else draw.integers(1, 5))
    x = inputs(draw, count, shape)
    x = np.abs(x) + 0.1 if name in OF_POSITIVE else x
    t = draw.normal(size=(count, math.prod(layer.output_shape(shape, name))))
    return Drawn((layer, cr.Flatten()), "half_squared_error", x, t)


def draw_loss(draw: Draw, name: str) -> Drawn:
    """Draw a loss after one or two suitable layers on vectors.

    Binary cross-entropy and focal losses are given no probabilities near 0 or 1: log(1 − p) has few correct digits
    there in any library, and beyond ε each library clips in its own way.
    """
    x, count = cr.Input((int(draw.integers(2, 9)),)), int(draw.integers(1, 7))
    while (y := end(draw, x, name)) is x:
        pass
    is_moderate = name.startswith("binary") or "focal" in name
    values = draw.normal(size=(count, *x.shape)) if is_moderate else inputs(draw, count, x.shape)
    return Drawn(node.trace(x, y)[0], name, values, targets(draw, name, count, y.shape[0]))


def end(draw: Draw, y: Node, loss: str) -> Node:
    """Return a vector for the loss, computed from a result."""
    if len(y.shape) > 1:
        y = cr.Flatten()(y)
    if y.shape[0] > 40 or y.shape == (1,) or draw.integers(2):
        y = cr.Dense(int(draw.integers(2, 12)), bias=bool(draw.integers(2)))(y)
    last = choice(draw, *ENDINGS.get(loss.split("_")[0], OF_NUMBERS))
    if last is not None:
        return y if type(y.layer) is type(last) else last(y)
    is_probability = isinstance(y.layer, cr.Softmax | cr.Sigmoid)
    return cr.Dense(3)(y) if loss == "softmax_cross_entropy" and is_probability else y


def targets(draw: Draw, loss: str | None, count: int, classes: int) -> Array:
    """Draw targets of one class, of several, or of any values, as the loss accepts."""
    if loss is None:
        return np.zeros((count, 1))
    one_hot = np.eye(classes)[draw.integers(0, classes, count)]
    if loss in (*losses.OF_PROBABILITIES, "softmax_cross_entropy"):
        return choice(draw, one_hot, draw.dirichlet(np.ones(classes), count))
    numbers = draw.normal(size=(count, classes))
    return choice(draw, one_hot, np.abs(numbers) if loss == "poisson" else numbers)


# ------------------------------------------------------------------------------------------------------------ networks


def next_layer(draw: Draw, source: Node) -> Layer | None:
    """Draw a layer that accepts a node's result; return None if none was found."""
    usual = AFTER.get(type(source.layer).__name__, ())
    for _ in range(TRIES):
        name = choice(draw, *DRAWERS)
        if usual and draw.random() < 0.6:
            name = choice(draw, *usual)
        elif len(source.shape) > 1 and draw.random() < 0.6:
            name = choice(draw, *CONVOLUTIONS)
        layer = candidate(draw, name, source.shape)
        if accepts(layer, source.shape):
            return layer
    return None


def candidate(draw: Draw, name: str, shape: Shape) -> Layer:
    """Draw options of a layer of that type, to fit the shape where they depend on it."""
    layer: Any = graph_configurations.fit_options(draw, DRAWERS[name](draw)[0], shape)
    if name in CONVOLUTIONS and not draw.integers(4):
        layer = replace(layer, groups=shape[0])  # depthwise
    if name in (*CONVOLUTIONS, "ConvTranspose2D"):
        filters = layer.groups * int(choice(draw, 1, 2, 3, 4, 8, 16, 32, draw.integers(1, 20)))
        layer = replace(layer, filters=filters)
        if draw.integers(2):
            return layer
        plain: dict[str, Any] = {"stride": 1, "dilation": 1, "padding": choice(draw, "valid", "same")}
        if name == "ConvTranspose2D":
            plain["output_padding"] = 0
        return replace(layer, **plain)
    if name.startswith("MaxPool") and draw.integers(3):
        return type(layer)(2)
    return layer


def draw_graph(draw: Draw) -> Drawn:
    """Draw a small graph of layers with any options, under half the squared error of random targets.

    No group of a single value is normalized, which PyTorch refuses. The inputs have no ties: after a softmax or an
    average, rounding errors would decide which of two equal numbers a maximum selects.
    """

    def of_several_values(draw: Draw, source: Node) -> Layer | None:
        layer = next_layer(draw, source)
        values = math.prod(source.shape[1:] if isinstance(layer, cr.InstanceNorm2D) else source.shape[-1:])
        is_alone = values == 1 and isinstance(layer, cr.GroupNorm | cr.InstanceNorm2D | cr.LayerNorm)
        return None if is_alone else layer

    shape, count = any_shape(draw), int(draw.integers(4, 7))
    steps = int(draw.integers(3, 9))
    x, y = graph_configurations.draw_graph(draw, shape, of_several_values, steps=steps, max_entries=400)
    layers, wiring = node.trace(x, cr.Flatten()(y))
    values, t = choice(draw, 1, 5) * draw.normal(size=(count, *shape)), draw.normal(size=(count, math.prod(y.shape)))
    return Drawn(layers, "half_squared_error", values, t, wiring)


def draw_network(seed: int, number: int, dtypes: tuple[str, ...] = ("float64", "float32")) -> Drawn:
    """Draw the network with that number, a row of layers or a graph, with its training."""
    draw = np.random.default_rng([seed, number])
    while True:
        loss = choice(draw, *losses.NAMES)
        x, last = choice(draw, layer_graph, layer_row, separable_row, separable_row)(draw)
        shape, ended = x.shape, end(draw, last, loss)
        batches = batch_sizes(draw)
        y, loss = (ended, loss) if draw.random() < 0.9 else (last, None)
        if y is x:
            continue
        layers, wiring = node.trace(x, y)
        read, written = shapes(layers, wiring, shape)
        entries = max(math.prod(each) for each in (shape, *written))
        if work(layers, read, written) * max(batches) <= MOST and entries * max(batches) <= NUMBERS:
            break
    count = max(batches)
    return Drawn(
        layers,
        loss,
        choice(draw, 1, 1, 3) * draw.normal(size=(count, *shape)),
        targets(draw, loss, count, y.shape[0]),
        wiring,
        number,
        batches,
        dtypes[number % len(dtypes)],
        threads=choice(draw, *THREADS),
        optimizer=choice(draw, *OPTIMIZERS),
        clip_norm=choice(draw, None, None, 0.1),
        seed=int(draw.integers(2**31)),
    )


def input_shape(draw: Draw) -> Shape:
    """Draw (F,), (C, W) or (C, H, W): usually small, up to 224×224."""
    most = choice(draw, 9, 16, 16, 32, 64, 224)
    sizes = [int(size) for size in draw.integers(1, most + 1, 2)]
    if most == 224 and draw.integers(2):
        sizes = [224, 224]
    channels = int(choice(draw, 1, 2, 3, draw.integers(1, 17)))
    return choice(
        draw, (channels, *sizes), (channels, *sizes), (channels, sizes[1]), (channels, 1, sizes[1]), (sizes[0],)
    )


def batch_sizes(draw: Draw) -> tuple[int, ...]:
    """Draw sizes of successive batches, from 1 to 130."""
    most = choice(draw, 3, 9, 9, 33, 130)
    return tuple(int(choice(draw, 1, *draw.integers(1, most + 1, 3))) for _ in range(3))


def layer_row(draw: Draw) -> tuple[Node, Node]:
    """Draw up to eight layers, each of which accepts the output of the one before; return input and output."""
    x = y = cr.Input(input_shape(draw))
    for _ in range(int(draw.integers(1, 9))):
        layer = next_layer(draw, y)
        if layer is None:
            break
        y = replace(layer)(y)
    return x, y


def separable_row(draw: Draw) -> tuple[Node, Node]:
    """Draw pointwise and depthwise or grouped convolutions after each other; return input and output.

    Their channels seldom fill vectors or divide evenly among threads.
    """
    x = y = cr.Input((int(draw.integers(1, 9)), *(int(size) for size in draw.integers(5, 21, 2))))
    for _ in range(int(draw.integers(2, 5))):
        channels = int(draw.integers(5, 61))
        groups = choice(draw, channels, channels, channels, channels, math.gcd(channels, 12))
        window, stride = choice(draw, 3, 3, 5, (1, 3)), choice(draw, 1, 1, 1, 2, (2, 1))
        across = cr.Conv2D(channels * choice(draw, 1, 1, 1, 2), window, groups=groups, padding="same", stride=stride)
        for layer in (cr.Conv2D(channels, 1), between(draw), across, between(draw)):
            y = layer(y) if layer is not None else y
    return x, y


def between(draw: Draw) -> Layer | None:
    """Draw a layer of any channels, or none."""
    return choice(draw, None, None, None, cr.ReLU(), cr.SiLU(), cr.BatchNorm2D(), cr.Dropout(0.3), cr.AveragePool2D(1))


def layer_graph(draw: Draw) -> tuple[Node, Node]:
    """Draw a graph of about as many layers; return input and output."""
    shape = input_shape(draw)
    return graph_configurations.draw_graph(draw, shape, next_layer, steps=int(draw.integers(2, 9)), max_entries=NUMBERS)


def shapes(layers: Sequence[Layer], wiring: Wiring, shape: Shape) -> tuple[list[Shape], list[Shape]]:
    """Return the shape of the first input of each layer, and that of its output."""
    known = [shape]
    for layer, places in zip(layers, wiring.inputs, strict=True):
        known.append(layer.joint_shape([known[place] for place in places], "drawn"))
    return [known[places[0]] for places in wiring.inputs], known[1:]


def work(layers: Sequence[Layer], read: Sequence[Shape], written: Sequence[Shape]) -> int:
    """Estimate the multiplications of a forward pass per sample, from the shapes that layers read and give."""
    total = 0
    for layer, shape, out in zip(layers, read, written, strict=True):
        weights = [parameter for parameter in layer.parameters(shape, "drawn") if parameter.name == "w"]
        cells = max(np.prod(out[1:]), np.prod(shape[1:])) if len(out) > 1 else 1
        total += sum(int(np.prod(parameter.shape) * cells) for parameter in weights)
    return total


# ------------------------------------------------------------------------------------------------------- smooth graphs

SMOOTH: tuple[Layer, ...] = (  # for any shape
    *(cr.Tanh(), cr.Sigmoid(), cr.SiLU(), cr.GELU(), cr.ExactGELU(), cr.ELU(), cr.Softplus(), cr.Arctan()),
    *(cr.BatchNorm2D(), cr.GroupNorm(2), cr.LayerNorm(epsilon=0.1), cr.Permute(()), cr.Slice(0, 0)),
)
OF_IMAGES: tuple[Layer, ...] = (
    *(cr.Conv2D(3, 3, padding="same"), cr.Conv2D(2, 1), cr.Conv2D(4, (2, 3), stride=2), cr.ConvTranspose2D(2, 2)),
    *(cr.InstanceNorm2D(epsilon=0.1), cr.LocalResponseNorm(3, alpha=0.5), cr.AveragePool2D(2, ceil_mode=True)),
    *(cr.AdaptiveAveragePool2D((2, 3)), cr.UpSample2D(2, mode="bilinear"), cr.Pad2D(((1, 0), (0, 2)))),
    *(cr.Crop2D(((0, 1), (1, 0))), cr.Reshape((1,))),
)


def smooth_graph(draw: Draw, **options: Any) -> Graph:
    """Draw a graph of some ten layers without kinks on images of 2×5×6, whose results lead to a softmax."""

    def smooth_layer(draw: Draw, source: Node) -> Layer:
        known = (*SMOOTH, *OF_IMAGES * 2) if len(source.shape) == 3 else SMOOTH
        layer = graph_configurations.fit_options(draw, known[draw.integers(len(known))], source.shape)
        return layer if len(source.shape) != 2 or not isinstance(layer, cr.BatchNorm2D) else cr.BatchNorm1D()

    steps = int(draw.integers(3, 9))
    x, y = graph_configurations.draw_graph(draw, (2, 5, 6), smooth_layer, steps=steps, max_entries=500)
    y = cr.Dense(3)(y if len(y.shape) == 1 else cr.Flatten()(y))
    model = Graph(x, cr.Softmax()(y), **options)
    generator = np.random.default_rng(model.parameters.size)
    model.parameters += generator.normal(scale=0.2, size=model.parameters.shape).astype(model.dtype)
    return model
