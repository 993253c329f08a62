"""Random graphs of random layers on random shapes, each a pure function of (seed, number).

They compute in float64. In float32 a sum of branches can fall on the other side of a kink, and normalizations in a row
multiply rounding errors, so that only single layers have a tolerance.
"""

from dataclasses import dataclass

import numpy as np

from chainrule.check import graphs
from chainrule.check.configurations import DRAWERS, ENGINES, any_shape
from chainrule.core.shapes import text
from chainrule.errors import ChainruleError
from chainrule.layers import Layer, Node, node
from chainrule.layers.node import Wiring
from chainrule.models.network import Network

TRIES = 30
STEPS = (3, 9)  # fewest and most
MOST = 300  # entries of a result for one sample
SAMPLES = (4, 6)  # batch normalization needs several


@dataclass(frozen=True)
class GraphConfiguration:
    """Connected layers, their engine, and the shape of their batch."""

    number: int
    layers: tuple[Layer, ...]
    wiring: Wiring
    shape: tuple[int, ...]
    samples: int
    engine: str

    def __str__(self) -> str:
        batch = text((self.samples, *self.shape))
        return f"{self.number}: {graphs.describe(self.layers, self.wiring)} on {batch}, {self.engine}, float64"

    def network(self) -> Network:
        """Build the network."""
        return Network(self.layers, self.shape, wiring=self.wiring, dtype="float64", engine=self.engine)


def draw(seed: int, number: int, engines: tuple[str, ...] = ENGINES) -> GraphConfiguration:
    """Draw the graph of a number."""
    generator = np.random.default_rng([seed, number, len(DRAWERS)])
    shape = any_shape(generator)
    steps = int(generator.integers(STEPS[0], STEPS[1] + 1))
    found = node.trace(*graphs.draw_graph(generator, shape, _next_layer, steps=steps, most=MOST))
    samples = int(generator.integers(SAMPLES[0], SAMPLES[1] + 1))
    return GraphConfiguration(number, *found, shape, samples, engines[int(generator.integers(len(engines)))])


def _next_layer(generator: np.random.Generator, given: Node) -> Layer | None:
    """Draw a layer of any kind that accepts a node's result; None if none is found."""
    kinds = list(DRAWERS.values())
    for _ in range(TRIES):
        try:
            drawn, _ = kinds[int(generator.integers(len(kinds)))](generator)
            layer = graphs.fitted(generator, drawn, given.shape)
            layer.output_shape(given.shape, "layer")
        except ChainruleError:
            continue
        return layer
    return None
