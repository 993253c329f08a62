"""Training on one sample at a time: threads share its large layers, and results do not depend on the threads."""

import numpy as np
import pytest
from numerical import assert_close

from chainrule import layers
from chainrule.layers import Layer
from chainrule.network.network import Network
from chainrule.training.components import clipping
from chainrule.training.optimizers import SGD
from chainrule.training.steps.stepper import Stepper

LOSS = "softmax_cross_entropy"
SHAPE = (3, 32, 32)
LAYERS: list[Layer] = [
    *(layers.Conv2D(40, 5, padding="same"), layers.Sigmoid(), layers.MaxPool2D()),
    *(layers.Conv2D(32, 3, bias=False), layers.BatchNorm2D(), layers.ReLU(), layers.Conv2D(64, 3, stride=2)),
    *(layers.GELU(), layers.Conv2D(64, 3, groups=2, padding="same"), layers.LeakyReLU(), layers.Flatten()),
    *(layers.Dense(130), layers.ReLU(), layers.Dense(2000), layers.Tanh(), layers.Dense(7)),
]


def trained(engine: str, threads: int = 1, clip: float | None = None) -> tuple[np.ndarray, ...]:
    """Return parameters, statistics, losses and norms of five steps on one sample each."""
    model = Network(LAYERS, SHAPE, dtype="float64", engine=engine, threads=threads, seed=4)
    stepper, generator, outcomes = (
        Stepper(model, SGD(), LOSS, components=clipping(clip)),
        np.random.default_rng(2),
        [],
    )
    for step in range(5):
        x, t = generator.standard_normal((1, *SHAPE)), np.eye(model.output_shape[-1])[[step % 5]]
        outcomes.append(stepper.step(x, t, step=step + 1, rate=0.01, seed=1))
    return model.parameters.copy(), model.statistics.copy(), np.array(outcomes)


@pytest.mark.parametrize("clip", [None, 0.05])
def test_one_sample_is_trained_as_the_equations_say_by_any_number_of_threads(clip: float | None) -> None:
    expected, alone = trained("numpy", clip=clip), trained("compiled", clip=clip)
    for actual, right in zip(alone, expected, strict=True):
        assert_close(actual, right)
    for threads in (2, 3, 5):
        several = trained("compiled", threads, clip)
        for actual, right in zip(several[:2], alone[:2], strict=True):  # the norm is added up in another order
            assert_close(actual, right)
