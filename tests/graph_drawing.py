"""Random graphs: branches, shared layers, gates, sums of several readers."""

import numpy as np

import chainrule as cr

ACTIVATIONS = (cr.Tanh, cr.Sigmoid, cr.SiLU)  # smooth, so that differences of the loss are exact


def draw_graph(draw: np.random.Generator, **options) -> cr.Graph:
    """Draw a graph of some ten layers on images of 2×5×6, whose results all reach the output."""
    x = cr.Input((2, 5, 6))
    nodes, shared = [x], {}
    for _ in range(draw.integers(3, 9)):
        nodes.append(_layer(draw, nodes, shared))
    parts = [cr.GlobalAveragePool2D()(node) for node in nodes[1:] if draw.random() < 0.3 or node is nodes[-1]]
    ends = [cr.Dense(3)(part) for part in parts]
    y = cr.Add()(*ends) if len(ends) > 1 else ends[0]
    model = cr.Graph(x, cr.Softmax()(y), **options)
    generator = np.random.default_rng(model.parameters.size)
    model.parameters += generator.normal(scale=0.2, size=model.parameters.shape).astype(model.dtype)
    return model


def _layer(draw, nodes, shared):
    a = nodes[draw.integers(len(nodes))]
    alike = [node for node in nodes if node.shape == a.shape]
    b = alike[draw.integers(len(alike))]
    kind = draw.integers(9)
    if kind == 0:
        return ACTIVATIONS[draw.integers(len(ACTIVATIONS))]()(a)
    if kind == 1:
        return (cr.Add() if draw.random() < 0.6 else cr.Multiply())(a, b)
    if kind == 2:
        channels = a.shape[0]
        gate = cr.Sigmoid()(cr.Conv2D(channels, 1)(cr.AveragePool2D(a.shape[1:])(a)))
        return cr.Multiply()(b, gate)
    if kind == 3:
        return cr.Add()(b, cr.Conv2D(1, 3, padding="same")(a), a)
    if kind == 4:
        return cr.BatchNorm2D()(a)
    if kind == 5:
        layer = shared.setdefault(a.shape[0], cr.Conv2D(a.shape[0], 3, padding="same"))
        return layer(a)
    if kind == 6:
        return cr.Concatenate()(a, cr.Tanh()(b), a)
    if kind == 7:
        start = int(draw.integers(a.shape[0]))
        return cr.Slice(0, start)(a)
    return cr.Conv2D(int(draw.integers(1, 5)), int(draw.choice((1, 3))), padding="same")(a)
