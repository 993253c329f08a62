"""Our networks as PyTorch modules: loss, every gradient and every step agree in float64.

The networks of the zoo, and random configurations of every layer, are compared in tests/parity.
"""

import numpy as np
import pytest

from chainrule import layers as cr
from chainrule.network.network import Network
from chainrule.training import optimizers
from chainrule.training.steps.selection import make_stepper

torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")
peer = pytest.importorskip("benchmarks.peers.torch")
training = pytest.importorskip("benchmarks.peers.torch_training")


def same_steps(network, loss, optimizer, x, t, steps):
    """Take steps on both sides and compare loss, gradients and weights after each."""
    plan = network.plan(loss)
    made = peer.translate(network, plan)
    module, ending = made.module, training.ending(plan)
    theirs = training.optimizer(optimizer, module.parameters())
    stepper = make_stepper(network, optimizer, loss)
    probe = network.compile(plan)
    for step in range(1, steps + 1):
        gradient = probe.gradients(x, t, seed=0, step=step)[2].copy()
        theirs.zero_grad(set_to_none=True)
        value = training.LOSSES[ending](module(torch.from_numpy(x)), training.targets(ending, t))
        value.backward()
        np.testing.assert_allclose(made.gradient(), gradient, rtol=0, atol=1e-9)
        theirs.step()
        outcome = stepper.step(x, t, step=step, rate=optimizer.learning_rate)
        assert outcome.loss == pytest.approx(value.item(), abs=1e-9)
        for name, tensor in made.tensors.items():
            np.testing.assert_allclose(tensor.detach().numpy().ravel(), network.weights[name].ravel(), atol=1e-9)
    return module


@pytest.mark.parametrize("name", optimizers.NAMED)
def test_optimizers(name):
    network = Network([cr.Dense(3), cr.Softmax()], (6,), dtype="float64", engine="numpy")
    generator = np.random.default_rng(1)
    x, t = generator.normal(size=(5, 6)), np.eye(3)[generator.integers(0, 3, 5)]
    same_steps(network, "categorical_cross_entropy", optimizers.find(name), x, t, 10)


def test_dropout_drops_as_often():
    network = Network([cr.Dropout(0.25), cr.Dense(1)], (4000,), engine="numpy")
    first = peer.translate(network, network.plan("half_squared_error")).modules[0]
    kept = first(torch.ones(10, 4000))
    assert float((kept == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert set(np.unique(kept.numpy()).round(5)) == {0.0, np.float32(1.33333)}
