"""Small networks to trace, with one layer of every kind, drawn as in the sweep of the gradient checker."""

import math

import numpy as np

from chainrule import layers as cr
from chainrule.explain import NextStep, Trace
from chainrule.network.network import Network
from experiments.configurations import DRAWERS, draw

LOSSES = (
    *("half_squared_error", "mean_squared_error", "mean_absolute_error", "huber", "softmax_cross_entropy"),
    *("binary_cross_entropy", "categorical_cross_entropy"),
    *("binary_focal_cross_entropy", "categorical_focal_cross_entropy", "dice"),
)
ENDINGS = {
    **dict.fromkeys(("binary_cross_entropy", "binary_focal_cross_entropy"), (cr.Sigmoid(),)),
    **dict.fromkeys(("categorical_cross_entropy", "categorical_focal_cross_entropy", "dice"), (cr.Softmax(),)),
}
KINDS = tuple(DRAWERS)
SEED = 31


def around(layer, shape, loss="half_squared_error", outputs=3, seed=0) -> Network:
    """Build a network with a trainable layer, the given layer and a dense layer."""
    first = [cr.Sigmoid()] if len(shape) == 2 else [cr.BatchNorm2D()]
    layers = [*first, layer, cr.Tanh(), cr.Flatten(), cr.Dense(outputs), *ENDINGS.get(loss, ())]
    network = Network(layers, shape, seed=seed, engine="numpy")
    generator = np.random.default_rng(seed)
    network.parameters[:] += generator.normal(0, 0.3, network.parameters.size)
    return network


def dense(loss, positions, outputs=3) -> Network:
    """Build a network that predicts a row of outputs for each position."""
    layer = (cr.Conv1D if len(positions) == 1 else cr.Conv2D)(outputs, 1)
    return Network([layer, *ENDINGS.get(loss, ())], (2, *positions), seed=2, engine="numpy")


def trace_of(network, loss="half_squared_error", samples=1, seed=0, training=None) -> Trace:
    generator = np.random.default_rng([seed, 5])
    x = generator.normal(size=(samples, *network.input_shape))
    classes, *positions = network.output_shape
    t = np.eye(classes)[generator.integers(0, classes, (samples, *positions))]
    t = np.moveaxis(t, -1, 1)
    return Trace(network, x, t, loss, training)


def drawn(number: int, samples: int | None = None, training: NextStep | None = None) -> Trace:
    """Trace the layer with that number of the sweep."""
    one = draw(SEED, number)
    loss = LOSSES[number // len(KINDS) % len(LOSSES)]
    network = around(one.layer, one.shape, loss, seed=number)
    return trace_of(network, loss, one.samples if samples is None else samples, number, training)


def random_index(shape, generator) -> tuple[int, ...]:
    place = int(generator.integers(math.prod(shape)))
    return tuple(int(k) for k in np.unravel_index(place, shape)) if shape else ()
