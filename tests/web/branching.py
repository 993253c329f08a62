"""A network that branches, for the page: a residual block with a shared layer and a gate, drawn from a seed."""

import numpy as np
from web.fixed_page import Subject

import chainrule as cr
from chainrule.data.normalization import Normalization
from chainrule.training import optimizers
from chainrule.training.recipe import Recipe

SAMPLES = 3
ACTIVATIONS = (cr.ReLU, cr.Tanh, cr.SiLU)


def graph(seed: int) -> cr.Graph:
    """Draw a graph: a convolution applied twice inside a shortcut, a gate, and maps of two branches."""
    draw = np.random.default_rng(seed)
    channels = int(draw.integers(2, 5))
    bend = ACTIVATIONS[draw.integers(len(ACTIVATIONS))]
    x = cr.Input((2, int(draw.integers(6, 9)), 7))
    stem = bend()(cr.Conv2D(channels, (3, 2), padding="same")(x, name="stem"))
    shared = cr.Conv2D(channels, 3, padding="same")
    y = shared(bend()(shared(stem)))
    y = cr.Add()(y, stem, *([cr.Conv2D(1, 1)(stem)] if draw.random() < 0.5 else []))
    gate = cr.Sigmoid()(cr.Conv2D(channels, 1)(cr.AveragePool2D(y.shape[1:])(y)))
    y = cr.Concatenate()(cr.Multiply()(cr.ReLU()(y), gate), stem)
    y = cr.Softmax()(cr.Dense(4)(cr.GlobalAveragePool2D()(y)))
    return cr.Graph(x, y, name=f"drawn-{seed}", engine="numpy")


def drawn(seed: int = 1) -> Subject:
    """Return such a network with random values in all buffers, images and labels."""
    model = graph(seed)
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (SAMPLES, *model.input_shape), dtype=np.uint8)
    model.normalization = Normalization.fit("scale", images)
    model.parameters[:] = random.normal(scale=0.4, size=model.parameters.shape)
    recipe = Recipe(optimizer=optimizers.Adam(learning_rate=0.01))
    moments = tuple(random.uniform(0, 0.01, model.parameters.size).astype("float32") for _ in recipe.optimizer.moments)
    return Subject(model, recipe, images, random.integers(0, 4, SAMPLES).tolist(), moments, step=11)
