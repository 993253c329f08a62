"""Small networks to trace, with one layer of every kind, drawn as in the sweep of the gradient checker."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from drawn_networks import smooth_graph
from proving.configurations import DRAWERS, draw

from chainrule import layers as cr
from chainrule.explain import Explanation, NextStep, Trace
from chainrule.network import losses
from chainrule.network.network import Network
from chainrule.training.optimizers import SGD, Adam, AdamW, Momentum, Nesterov, RMSProp

LOSSES = losses.NAMES
TRAININGS = (
    *(NextStep(SGD(0.1)), NextStep(Momentum(0.1)), NextStep(Nesterov(0.05), clip_norm=0.01)),
    *(NextStep(Adam(), step=7), NextStep(AdamW(0.01), clip_norm=0.1, step=3)),
    *(NextStep(SGD(0.1, weight_decay=0.3)), NextStep(Nesterov(0.05, weight_decay=0.3)), NextStep(RMSProp(), step=2)),
    *(NextStep(RMSProp(momentum=0.5, weight_decay=0.3)), NextStep(RMSProp(weight_decay=0.2))),
)
KINDS = tuple(DRAWERS)
SEED = 31


def ending(loss) -> list[cr.Layer]:
    """Return the layers that a loss of probabilities reads."""
    if loss == "poisson":
        return [cr.Exp()]
    if loss not in losses.OF_PROBABILITIES:
        return []
    return [cr.Sigmoid() if loss.startswith("binary") else cr.Softmax()]


def around(layer, shape, loss="half_squared_error", outputs=3, seed=0) -> Network:
    """Build a network with a trainable layer, the given layer and a dense layer."""
    first = [cr.Sigmoid()] if len(shape) == 2 else [cr.BatchNorm2D()]
    layers = [*first, layer, cr.Tanh(), cr.Flatten(), cr.Dense(outputs), *ending(loss)]
    network = Network(layers, shape, seed=seed, engine="numpy")
    generator = np.random.default_rng(seed)
    network.parameters[:] += generator.normal(0, 0.3, network.parameters.size)
    return network


def trace_of(network, loss="half_squared_error", samples=1, seed=0, training=None, *, classes=True) -> Trace:
    """Trace random inputs; their targets are classes, or arbitrary numbers, which need not sum to 1."""
    generator = np.random.default_rng([seed, 5])
    x = generator.normal(size=(samples, *network.input_shape))
    outputs, *positions = network.output_shape
    t = np.moveaxis(np.eye(outputs)[generator.integers(0, outputs, (samples, *positions))], -1, 1)
    return Trace(network, x, t if classes else generator.uniform(0.1, 0.9, t.shape), loss, training)


def drawn(number: int) -> Trace:
    """Trace the layer with that number of the sweep: with a loss and an optimizer, one sample or several."""
    configuration, turn = draw(SEED, number), number // len(KINDS)
    loss = LOSSES[(number + turn) % len(LOSSES)]
    network = around(configuration.layer, configuration.shape, loss, seed=number)
    samples = 1 if turn % 2 else configuration.samples
    return trace_of(network, loss, samples, number, TRAININGS[number % len(TRAININGS)], classes=number % 3 > 0)


def dense(loss: str, positions: tuple[int, ...], samples: int) -> Trace:
    """Trace a network that predicts a row of outputs for each position."""
    layer = (cr.Conv1D if len(positions) == 1 else cr.Conv2D)(3, 1)
    network = Network([layer, *ending(loss)], (2, *positions), seed=2, engine="numpy")
    return trace_of(network, loss, samples)


def branched(seed: int) -> Trace:
    """Trace a network that branches."""
    return trace_of(smooth_graph(np.random.default_rng(seed), engine="numpy"), "categorical_cross_entropy")


TRACES: dict[str, Callable[[], Trace]] = {
    **{
        f"{kind} {turn}": partial(drawn, place + turn * len(KINDS))
        for place, kind in enumerate(KINDS)
        for turn in (0, 1)
    },
    **{f"{loss} of a row": partial(dense, loss, (5,), 2) for loss in LOSSES},
    **{f"{loss} of a map": partial(dense, loss, (2, 3), 1) for loss in LOSSES},
    **{f"graph {seed}": partial(branched, seed) for seed in range(8)},
}


def explained(trace: Trace, digits: int = 3, seed: int = 0) -> Iterator[Explanation]:
    """Explain a random cell of every tensor."""
    generator = np.random.default_rng(seed)
    for name in trace.names:
        yield trace.explain(name, random_index(trace[name].shape, generator), digits=digits)


def random_index(shape, generator) -> tuple[int, ...]:
    place = int(generator.integers(math.prod(shape)))
    return tuple(int(k) for k in np.unravel_index(place, shape)) if shape else ()
