"""Small networks to trace, with one layer of every kind, drawn as in the sweep of the gradient checker."""

import math

import numpy as np

from chainrule import layers as cr
from chainrule.check.configurations import DRAWERS, draw
from chainrule.explain import NextStep, Trace
from chainrule.models.network import Network

LOSSES = (
    *("half_squared_error", "mean_squared_error", "mean_absolute_error", "huber", "softmax_cross_entropy"),
    *("binary_cross_entropy", "categorical_cross_entropy"),
)
ENDINGS = {"binary_cross_entropy": (cr.Sigmoid(),), "categorical_cross_entropy": (cr.Softmax(),)}
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


def trace_of(network, loss="half_squared_error", samples=1, seed=0, training=None) -> Trace:
    generator = np.random.default_rng([seed, 5])
    x = generator.normal(size=(samples, *network.input_shape))
    t = np.eye(network.output_shape[0])[generator.integers(0, network.output_shape[0], samples)]
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
