"""Layers, losses and graphs in random configurations against PyTorch, in float64: forward and all gradients."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from drawn_networks import LAYERS, Drawn, draw_graph, draw_layer, draw_loss
from parity.sweeping import EXAMPLES, Largest, generator

from chainrule.core.plan import Plan
from chainrule.engines import loader
from chainrule.engines.interpreter import Interpreter
from chainrule.layers import IN_A_ROW
from chainrule.network import losses
from chainrule.network.network import Network

torch = pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")
theirs = pytest.importorskip("parity.theirs")
training = pytest.importorskip("benchmarks.peers.torch_training")

STEP = 3  # step of dropout's masks
GRAPHS = 10  # times as many graphs as configurations of a layer


def by_torch(network: Network, plan: Plan, config: Drawn) -> dict[str, Any]:
    """Return output, mean loss, gradients of x and of all parameters, running statistics and inference by PyTorch."""
    module = theirs.translate(network, plan)
    ending = training.ending(plan)
    theirs.at_step(module, STEP)
    x = torch.from_numpy(config.x).requires_grad_()
    y = module(x)
    loss = training.LOSSES[ending](y, training.targets(ending, config.t))
    loss.backward()
    result = {"y": y.detach().numpy(), "loss": loss.item(), "dx": x.grad.numpy(), "gradients": module.gradient()}
    after = copy.deepcopy(network)
    for name, value in after.weights.items():
        value[...] = module.tensors[name].detach().numpy().reshape(value.shape)
    inference = theirs.translate(after, after.plan()).eval()(torch.from_numpy(config.x))
    return {**result, "statistics": after.statistics, "inference": inference.detach().numpy()}


def by_engine(name: str, network: Network, plan: Plan, config: Drawn) -> dict[str, Any]:
    """Return the same by an engine's single operations, so that no program is compiled per configuration."""
    network = copy.deepcopy(network)
    walk = Interpreter(loader.find(name), plan, network.layout, network, 1)
    losses_of_samples, _, gradients = walk.gradients(config.x, config.t, seed=0, step=STEP)
    result = {"y": walk.read(plan.output), "loss": losses_of_samples.mean(), "dx": walk.read(plan.input.gradient())}
    walk.commit_statistics()
    inference = Interpreter(loader.find(name), network.plan(), network.layout, network, 1).forward(config.x)
    return {**result, "gradients": gradients, "statistics": network.statistics, "inference": inference}


def sweep(engine: str, name: str, draw: Callable[[np.random.Generator], Drawn]) -> Largest:
    largest = Largest()
    for number in range(EXAMPLES):
        config = draw(generator(name, number))
        network = config.build("numpy")
        plan = network.plan(config.loss, input_gradient=True)
        expected = by_torch(network, plan, config)
        if not np.isfinite(expected["loss"]):  # exponentials of exponentials
            continue
        for tensor, value in by_engine(engine, network, plan, config).items():
            largest.meet(f"{tensor} of number {number}: {config}", value, expected[tensor])
    return largest


each_engine: Any = pytest.mark.parametrize("engine", ["numpy", "compiled"])


DRAWS: dict[str, Callable[[np.random.Generator], Drawn]] = {
    **{name: partial(draw_layer, name=name) for name in LAYERS},
    **{name: partial(draw_loss, name=name) for name in losses.NAMES},
    **dict.fromkeys([f"graphs {part}" for part in range(GRAPHS)], draw_graph),
}


@each_engine
@pytest.mark.parametrize("name", DRAWS)
def test_configurations(engine: str, name: str, record_property: Any) -> None:
    largest = sweep(engine, name, DRAWS[name])
    record_property("parity", [f"{name}, {engine}", largest.value, largest.where])


def test_every_layer_is_drawn() -> None:
    assert {*LAYERS} == {*IN_A_ROW} - {"FixedValue"}  # no layer before it has an effect
