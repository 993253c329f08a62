"""VanillaCNN 2.2.2: kernels learned with correlation are the 180° rotations of those learned with convolution."""

import numpy as np
import pytest

from chainrule import layers
from chainrule.network.network import Network
from chainrule.training.optimizers import Adam
from chainrule.training.steps.selection import make_stepper


def net(rotated: bool, engine: str) -> Network:
    return Network(
        [
            layers.Conv2D(3, 3, convolution=rotated),
            layers.Tanh(),
            layers.Conv2D(2, (2, 3), stride=2, convolution=rotated),
            layers.Flatten(),
            layers.Dense(3),
        ],
        (2, 9, 8),
        dtype="float64",
        engine=engine,
    )


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_a_network_of_true_convolutions_learns_the_rotated_kernels(engine: str) -> None:
    rng = np.random.default_rng(0)
    plain, rotated = net(False, engine), net(True, engine)
    for name, weights in rotated.weights.items():
        kernel = weights.ndim == 4
        weights[...] = plain.weights[name][..., ::-1, ::-1] if kernel else plain.weights[name]
    steppers = [make_stepper(network, Adam(0.01), "softmax_cross_entropy") for network in (plain, rotated)]
    for step in range(1, 21):
        x, t = rng.standard_normal((5, 2, 9, 8)), np.eye(3)[rng.integers(0, 3, 5)]
        first, second = (stepper.step(x, t, step=step, rate=0.01) for stepper in steppers)
        assert first.loss == pytest.approx(second.loss, abs=1e-12)
    before = net(False, engine).weights
    for name, weights in rotated.weights.items():
        expected = plain.weights[name][..., ::-1, ::-1] if weights.ndim == 4 else plain.weights[name]
        np.testing.assert_allclose(weights, expected, atol=1e-10)
        assert np.abs(plain.weights[name] - before[name]).max() > 1e-3  # they did learn
