"""A non-finite step changes nothing and is reported; clipping limits the norm."""

import math

import numpy as np
import pytest
from numerical import assert_close
from training.networks import NETWORKS, Array, batch, build

from chainrule import layers
from chainrule.errors import NotFiniteError
from chainrule.network.network import Network
from chainrule.training import optimizers
from chainrule.training.components import clipping
from chainrule.training.steps.gradients import Batches, Outcome
from chainrule.training.steps.stepper import Stepper

LOSS = NETWORKS["pictures"][2]


def bits(stepper: Stepper) -> list[bytes]:
    network = stepper.network
    return [array.tobytes() for array in (network.parameters, network.statistics, *stepper.moments)]


def refused(stepper: Stepper, x: Array, t: Array, step: int = 7) -> str:
    before = bits(stepper)
    with pytest.raises(NotFiniteError) as caught:
        stepper.step(x, t, step=step, rate=0.1)
    assert bits(stepper) == before
    text = str(caught.value)
    assert text.startswith(f"step {step}: ")
    assert text.endswith("; the parameters were not changed")
    assert "\n" not in text
    return text.removeprefix(f"step {step}: ").removesuffix("; the parameters were not changed")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("conv1.w", "y of conv1 is not finite (cross_correlate)"),
        ("conv2.b", "y of conv2 is not finite (cross_correlate)"),
        ("norm1.gamma", "y of norm1 is not finite (batch_norm)"),
        ("convt1.b", "y of convt1 is not finite (add_bias)"),
        ("dense2.w", "y of dense2 is not finite (dense)"),
    ],
)
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_the_layer_and_the_tensor_are_named(engine: str, name: str, place: str) -> None:
    stepper = Stepper(build("pictures", engine, 2), optimizers.Nesterov(), LOSS)
    stepper.network.weights[name].reshape(-1)[0] = math.nan
    expected = f"{place}; parameters were not finite before this step: try a smaller learning rate"
    assert refused(stepper, *batch("pictures", 5)) == expected


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_a_gradient_that_is_not_finite_though_the_loss_is(engine: str) -> None:
    """Overflow a gradient before the loss: batch norm divides by the spread of its input."""
    network = build("pictures", engine, 2)
    stepper = Stepper(network, optimizers.SGD(), LOSS)
    network.weights["dense2.w"][...] *= 1e200
    network.weights["dense1.w"][...] *= 1e-200
    network.weights["conv3.w"][...] *= 1e160
    network.weights["norm2.gamma"][...] = 1e200
    x, t = batch("pictures", 5)
    text = refused(stepper, x, t)
    assert "not finite" in text or "too large" in text


@pytest.mark.parametrize("large", range(5))
def test_steps_at_once_go_on_after_float32_squares_that_overflow(large: int) -> None:
    """Clip |g| ≈ 1e23, which is finite in float32 though g² is not, and move at most 0.1 in each of five steps."""
    x = np.random.default_rng(large).standard_normal((5, 3)).astype(np.float32)
    t = x.sum(axis=1, keepdims=True)
    x[large], t[large] = 1e5, -1e18
    ends = []
    for engine in ("numpy", "compiled"):
        network = Network([layers.Dense(1)], (3,), dtype="float32", engine=engine, seed=1)
        start = network.parameters.copy()
        stepper, outcomes = (
            Stepper(network, optimizers.SGD(), "half_squared_error", components=clipping(1.0)),
            list[Outcome](),
        )
        while (done := len(outcomes)) < 5:
            outcomes += stepper.steps(Batches((x[done:], t[done:]), [0.1] * (5 - done), done + 1, 0, 1))
        assert np.abs(network.parameters - start).max() <= 0.51
        ends.append([network.parameters, *zip(*outcomes, strict=True)])
        assert_close(outcomes[large].norm, 1e23 * 3**0.5)
    for actual, expected in zip(*ends, strict=True):
        assert_close(actual, expected)
