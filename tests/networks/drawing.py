"""Drawn networks and their inputs, each a pure function of (seed, number): rows of layers, and graphs.

Layers come in any order that their shapes allow, with the options that `make prove` draws, so that a new layer
there is drawn here too. Convolutions often have filters that fill vectors, and are followed by ReLU and pooling more
often than by chance, since kernels fuse them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import layers as cr
from chainrule.errors import ChainruleError
from chainrule.layers import Layer, Node, node
from chainrule.layers.node import Wiring
from chainrule.models.model import Graph, Sequential, connect
from chainrule.network import losses
from chainrule.training import optimizers
from experiments import graph_configurations
from experiments.configurations import DRAWERS, choice

Array = NDArray[Any]
Draw = np.random.Generator
Shape = tuple[int, ...]
MOST = 4_000_000  # multiplications of a forward pass of the largest batch
NUMBERS = 3_000_000  # entries of the largest array
TRIES = 40  # layers drawn for a shape before one is found that accepts it

CONVOLUTIONS = ("Conv1D", "Conv2D")
AFTER = {  # likely successors
    **dict.fromkeys(CONVOLUTIONS, ("ReLU", "ReLU", "MaxPool1D", "MaxPool2D", "MaxPool2D")),
    "BatchNorm2D": ("ReLU",),
    "ReLU": ("MaxPool1D", "MaxPool2D", "ReLU"),
    "Add": ("ReLU",),
    "MaxPool1D": ("MaxPool1D", "ReLU"),
    "MaxPool2D": ("MaxPool2D", "MaxPool2D", "ReLU"),
}
OPTIMIZERS = (
    optimizers.SGD(0.05),
    optimizers.Momentum(0.05),
    optimizers.Nesterov(0.05),
    optimizers.Adam(0.01, epsilon=1e-2),
    optimizers.AdamW(0.01, epsilon=1e-2, weight_decay=0.1),
)


@dataclass(frozen=True)
class Drawn:
    """A network and its inputs.

    wiring   what each layer reads; None: the one before it
    loss     None where the last layer's output is not a vector, so that the network can only predict
    batches  sizes of successive batches, which are slices of x and t
    """

    number: int
    layers: tuple[Layer, ...]
    x: Array
    t: Array
    loss: str | None
    batches: tuple[int, ...]
    dtype: str
    threads: int
    optimizer: optimizers.Optimizer
    clip_norm: float | None
    seed: int
    wiring: Wiring | None = None

    def __str__(self) -> str:
        shown = graph_configurations.describe(self.layers, self.wiring or node.chain(self.layers))
        size = "×".join(map(str, self.x.shape[1:]))
        return (
            f"network {self.number}: [{shown}] on {size}, {self.loss}, batches {self.batches}, {self.dtype}, "
            f"{self.threads} threads, {self.optimizer.name}, clip {self.clip_norm}, seed {self.seed}"
        )

    def build(self, engine: str) -> Sequential | Graph:
        """Build the model on an engine; biases and running statistics differ from 0 and 1."""
        options: dict[str, Any] = {"dtype": self.dtype, "seed": self.seed, "engine": engine, "threads": self.threads}
        model = connect(self.layers, self.x.shape[1:], self.wiring, loss=self.loss or losses.NAMES[0], **options)
        draw = np.random.default_rng([self.seed, 1])
        model.parameters += draw.normal(scale=0.2, size=model.parameters.shape).astype(self.dtype)
        model.statistics += draw.uniform(0, 0.5, model.statistics.shape).astype(self.dtype)
        return model


def draw_network(seed: int, number: int, dtypes: tuple[str, ...] = ("float64", "float32")) -> Drawn:
    """Draw the network with that number."""
    draw = np.random.default_rng([seed, number])
    while True:
        loss = choice(draw, *losses.NAMES)
        shape = input_shape(draw)
        x, drawn = layer_graph(draw, shape) if draw.integers(2) else layer_row(draw, shape)
        ended = end(draw, drawn, loss)
        batches = batch_sizes(draw)
        y, loss = (ended, loss) if draw.random() < 0.9 else (drawn, None)
        if y is x:
            continue
        layers, wiring = node.trace(x, y)
        read, given = shapes(layers, wiring, shape)
        entries = max(math.prod(each) for each in (shape, *given))
        if work(layers, read, given) * max(batches) <= MOST and entries * max(batches) <= NUMBERS:
            break
    outputs = y.shape
    count = max(batches)
    return Drawn(
        number=number,
        layers=layers,
        wiring=wiring,
        x=choice(draw, 1, 1, 3) * draw.normal(size=(count, *shape)),
        t=targets(draw, loss, count, outputs[0]),
        loss=loss,
        batches=batches,
        dtype=dtypes[number % len(dtypes)],
        threads=choice(draw, 1, 1, 2, 3),
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
    most = choice(draw, 3, 9, 33, 130)
    return tuple(int(choice(draw, 1, *draw.integers(1, most + 1, 3))) for _ in range(3))


def layer_row(draw: Draw, shape: Shape) -> tuple[Node, Node]:
    """Draw up to eight layers, each of which accepts the output of the one before; return input and output."""
    x = y = cr.Input(shape)
    for _ in range(int(draw.integers(1, 9))):
        found = next_layer(draw, y)
        if found is None:
            break
        y = replace(found)(y)
    return x, y


def layer_graph(draw: Draw, shape: Shape) -> tuple[Node, Node]:
    """Draw a graph of about as many layers; return input and output."""
    return graph_configurations.draw_graph(draw, shape, next_layer, steps=int(draw.integers(2, 9)), max_entries=NUMBERS)


def next_layer(draw: Draw, given: Node) -> Layer | None:
    """Draw a layer that accepts a node's result; return None if none was found."""
    usual = AFTER.get(type(given.layer).__name__, ())
    for _ in range(TRIES):
        name = choice(draw, *DRAWERS)
        if usual and draw.random() < 0.6:
            name = choice(draw, *usual)
        elif len(given.shape) > 1 and draw.random() < 0.6:
            name = choice(draw, *CONVOLUTIONS)
        try:
            layer = candidate(draw, name, given.shape)
            layer.output_shape(given.shape, "drawn")
        except ChainruleError:
            continue
        return layer
    return None


def candidate(draw: Draw, name: str, shape: Shape) -> Layer:
    """Draw options of a layer of that type, to fit the shape where they depend on it."""
    layer: Any = graph_configurations.fit_options(draw, DRAWERS[name](draw)[0], shape)
    if name in CONVOLUTIONS and not draw.integers(8):
        layer = replace(layer, groups=shape[0])  # depthwise
    if name in (*CONVOLUTIONS, "ConvTranspose2D"):
        filters = layer.groups * int(choice(draw, 1, 2, 3, 4, 8, 16, 32, draw.integers(1, 20)))
        layer = replace(layer, filters=filters)
        return (
            layer if draw.integers(2) else replace(layer, stride=1, dilation=1, padding=choice(draw, "valid", "same"))
        )
    if name.startswith("MaxPool") and draw.integers(3):
        return type(layer)(2)
    return layer


def end(draw: Draw, drawn: Node, loss: str) -> Node:
    """Return a vector for the loss, computed from the output of what was drawn."""
    if len(drawn.shape) > 1:
        drawn = cr.Flatten()(drawn)
    if drawn.shape[0] > 40 or drawn.shape == (1,) or draw.integers(2):
        drawn = cr.Dense(int(draw.integers(2, 12)), bias=bool(draw.integers(2)))(drawn)
    last = type(drawn.layer)
    allowed = {"categorical": [cr.Softmax], "binary": [cr.Sigmoid], "dice": [cr.Softmax, cr.Sigmoid]}
    endings = allowed.get(loss.split("_")[0], [last])
    if last not in endings:
        return choice(draw, *endings)()(drawn)
    if loss == "softmax_cross_entropy" and last in (cr.Softmax, cr.Sigmoid):
        return cr.Dense(3)(drawn)
    return drawn


def targets(draw: Draw, loss: str | None, count: int, classes: int) -> Array:
    """Draw targets of one class, of several, or of any values, as the loss accepts."""
    if loss is None:
        return np.zeros((count, 1))
    one_hot = np.eye(classes)[draw.integers(0, classes, count)]
    if "cross_entropy" in loss:
        return choice(draw, one_hot, draw.dirichlet(np.ones(classes), count))
    return choice(draw, one_hot, draw.normal(size=(count, classes)))


def shapes(layers: Sequence[Layer], wiring: Wiring, shape: Shape) -> tuple[list[Shape], list[Shape]]:
    """Return the shape of the first input of each layer, and that of its output."""
    known = [shape]
    for layer, inputs in zip(layers, wiring.inputs, strict=True):
        known.append(layer.joint_shape([known[each] for each in inputs], "drawn"))
    return [known[inputs[0]] for inputs in wiring.inputs], known[1:]


def work(layers: Sequence[Layer], read: Sequence[Shape], given: Sequence[Shape]) -> int:
    """Estimate the multiplications of a forward pass per sample, from the shapes that layers read and give."""
    total = 0
    for layer, shape, out in zip(layers, read, given, strict=True):
        weights = [parameter for parameter in layer.parameters(shape, "drawn") if parameter.name == "w"]
        cells = max(np.prod(out[1:]), np.prod(shape[1:])) if len(out) > 1 else 1
        total += sum(int(np.prod(parameter.shape) * cells) for parameter in weights)
    return total
