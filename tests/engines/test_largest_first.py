"""An activation before max pooling is computed only for the largest cells, also in training."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws

from chainrule import layers
from chainrule.engines.compiled.passes.rewriting import rewrite
from chainrule.layers import Layer
from chainrule.network.network import Network

LOSS = "softmax_cross_entropy"
GROWING = [
    *(layers.ReLU(), layers.LeakyReLU(), layers.LeakyReLU(0.0), layers.Sigmoid(), layers.Tanh(), layers.Arctan()),
    *(layers.ELU(), layers.Softplus(), layers.Clip(0, 6), layers.HardSigmoid()),
]
OTHERS = [layers.GELU(), layers.SiLU(), layers.HardSwish()]


def network(engine: str, activation: Layer, window: int, stride: int, normal: bool) -> Network:
    """Build a network with an activation before a max pooling."""
    norm = [layers.BatchNorm2D()] if normal else []
    made = [
        layers.Conv2D(4, 3),
        *norm,
        activation,
        layers.MaxPool2D(window, stride=stride),
        layers.Flatten(),
        layers.Dense(3),
    ]
    model = Network(made, (2, 9, 11), dtype="float64", engine=engine, threads=2, seed=2)
    model.parameters[:] = np.random.default_rng(1).standard_normal(model.parameters.size)
    return model


@settings(max_examples=draws(8))
@given(
    activation=st.sampled_from(GROWING + OTHERS),
    window=st.integers(2, 3),
    stride=st.integers(1, 3),
    normal=st.booleans(),
    seed=st.integers(0, 99),
)
def test_gradients_are_those_of_the_plan_as_written(
    activation: Layer, window: int, stride: int, normal: bool, seed: int
) -> None:
    generator, results = np.random.default_rng(seed), []
    x, t = 3 * generator.standard_normal((3, 2, 9, 11)), np.eye(3)
    for engine in ("compiled", "numpy"):
        model = network(engine, activation, window, stride, normal)
        losses, _, gradient = model.compile(model.plan(LOSS)).gradients(x, t, seed=0, step=1)
        results.append((losses.copy(), gradient.copy(), model.apply(x)))
    for one, other in zip(*results, strict=True):
        assert_close(one, other, roundings=1000, magnitude=1.0)  # losses are differences of larger numbers


def test_only_what_grows_is_taken_after_pooling():
    for activation in GROWING + OTHERS:
        model = network("numpy", activation, 2, 2, normal=False)
        names = [each.name for each in rewrite(model.plan(LOSS), 8).forward]
        pooling = next(number for number, name in enumerate(names) if name.startswith("max_pool"))
        before = names[pooling - 1].startswith(("cross_correlate", "correlate"))
        assert before == (activation in GROWING), (activation, names)
