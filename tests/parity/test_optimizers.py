"""Updates by every optimizer on every engine, and schedules of drawn options, against PyTorch's in float64."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from training.test_schedules import factors

from chainrule.engines import loader
from chainrule.engines.loader import NAMES
from chainrule.training import optimizers, schedules

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")
training = pytest.importorskip("benchmarks.peers.torch_training")


def drawn(name: str, draw: np.random.Generator) -> optimizers.Optimizer:
    """Draw the options of an optimizer."""
    options = {
        option: float(10 ** draw.uniform(-9, -5) if option == "epsilon" else draw.uniform(0, 0.99))
        for option in optimizers.find(name).to_config().keys() - {"name"}
    }
    return optimizers.find({"name": name, **options})


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("name", optimizers.NAMED)
@pytest.mark.parametrize("seed", range(3))
def test_update_in_place_follows_pytorch_on_every_engine(seed: int, name: str, engine: str) -> None:
    draw = np.random.default_rng(seed)
    optimizer, parameters = drawn(name, draw), draw.normal(size=5)
    theirs, moments = torch.tensor(parameters, requires_grad=True), optimizer.init(parameters)
    taking = training.optimizer(optimizer, [theirs])
    for step in range(1, 26):
        gradient, rate = draw.normal(size=5) * 10.0 ** draw.integers(-4, 3, size=5), 0.05 / step
        gradient[4] = 0
        taking.param_groups[0]["lr"], theirs.grad = rate, torch.tensor(gradient)
        taking.step()
        attributes = {"rate": rate, **optimizer.step_attributes(step)}
        loader.find(engine).update(optimizer.operation, parameters, gradient, moments, attributes, 2)
        assert_close(parameters, theirs.detach().numpy())


@pytest.mark.parametrize("seed", range(30))
def test_factors_are_pytorchs(seed: int) -> None:
    draw = np.random.default_rng(seed)
    steps, epoch_steps, epochs = (int(number) for number in draw.integers(1, (40, 6, 4)))
    gamma, warm, divisor, final = draw.uniform((0.1, 0.1, 1, 1), (0.9, 0.9, 30, 1e4)).tolist()
    optimizer, theirs = torch.optim.SGD([torch.zeros(1)], lr=1.0), torch.optim.lr_scheduler
    phases: dict[str, Any] = {
        "pct_start": warm,
        "div_factor": divisor,
        "final_div_factor": final,
        "cycle_momentum": False,
    }
    schedule, scheduler = [
        (
            schedules.OneCycle(warm, divisor, final),
            lambda: theirs.OneCycleLR(optimizer, 1.0, steps, **phases),
        ),
        (schedules.Step(epochs, gamma), lambda: theirs.StepLR(optimizer, epochs * epoch_steps, gamma)),
        (schedules.Cosine(), lambda: theirs.CosineAnnealingLR(optimizer, steps)),
    ][seed % 3]
    stepping, expected = scheduler(), list[float]()
    for step in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < steps:
            stepping.step()
    assert_close(factors(schedule, steps, epoch_steps), expected)
