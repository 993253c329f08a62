"""Random graphs that end in a softmax, drawn as `make prove` draws them: of smooth layers of every kind."""

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.layers import Layer, Node
from experiments import graph_configurations

ANY: tuple[Layer, ...] = (  # for any shape
    *(cr.Tanh(), cr.Sigmoid(), cr.SiLU(), cr.GELU(), cr.ExactGELU(), cr.ELU(), cr.Softplus(), cr.Arctan()),
    *(cr.BatchNorm2D(), cr.GroupNorm(2), cr.LayerNorm(epsilon=0.1), cr.Permute(()), cr.Slice(0, 0)),
)
OF_IMAGES: tuple[Layer, ...] = (
    *(cr.Conv2D(3, 3, padding="same"), cr.Conv2D(2, 1), cr.Conv2D(4, (2, 3), stride=2), cr.ConvTranspose2D(2, 2)),
    *(cr.InstanceNorm2D(epsilon=0.1), cr.LocalResponseNorm(3, alpha=0.5), cr.AveragePool2D(2, ceil_mode=True)),
    *(cr.AdaptiveAveragePool2D((2, 3)), cr.UpSample2D(2, mode="bilinear"), cr.Pad2D(((1, 0), (0, 2)))),
    *(cr.Crop2D(((0, 1), (1, 0))), cr.Reshape((1,))),
)


def draw_graph(draw: np.random.Generator, **options: Any) -> cr.Graph:
    """Draw a graph of some ten layers on images of 2×5×6, whose results lead to the output."""
    x, y = graph_configurations.draw_graph(draw, (2, 5, 6), _smooth, steps=int(draw.integers(3, 9)), max_entries=500)
    y = cr.Dense(3)(y if len(y.shape) == 1 else cr.Flatten()(y))
    model = cr.Graph(x, cr.Softmax()(y), **options)
    generator = np.random.default_rng(model.parameters.size)
    model.parameters += generator.normal(scale=0.2, size=model.parameters.shape).astype(model.dtype)
    return model


def _smooth(draw: np.random.Generator, node: Node) -> Layer | None:
    """Draw a layer without kinks, so that differences of the loss are exact."""
    known = (*ANY, *OF_IMAGES * 2) if len(node.shape) == 3 else ANY
    layer = graph_configurations.fit_options(draw, known[draw.integers(len(known))], node.shape)
    return layer if len(node.shape) != 2 or not isinstance(layer, cr.BatchNorm2D) else cr.BatchNorm1D()
