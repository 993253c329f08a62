"""Trajectories of the optimizers against PyTorch's, recorded by tests/training/record_torch.py."""

import math

import numpy as np
import pytest
from numerical import assert_close
from training.recorded import RECORDED, unpack

from chainrule.engines import loader
from chainrule.engines.loader import NAMES
from chainrule.errors import OptionError
from chainrule.training import optimizers

THEIRS = RECORDED["optimizers"]
START, GRADIENTS, RATES = (unpack(THEIRS[name]) for name in ("start", "gradients", "rates"))


RUNS = [("runs", name) for name in THEIRS["runs"]] + [("decayed", name) for name in THEIRS["decayed"]]


def recorded(name: str, runs: str = "runs") -> tuple[optimizers.Optimizer, np.ndarray, list[np.ndarray]]:
    run = THEIRS[runs][name]
    optimizer = optimizers.find({"name": name, "learning_rate": 1.0, **run["options"]})
    return optimizer, unpack(run["trajectory"]), [unpack(moment) for moment in run["moments"]]


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize(("runs", "name"), RUNS)
def test_update_in_place_follows_pytorch_on_every_engine(runs: str, name: str, engine: str) -> None:
    optimizer, trajectory, expected = recorded(name, runs)
    parameters, moments = START.copy(), optimizer.init(START)
    for step, (gradient, rate) in enumerate(zip(GRADIENTS, RATES, strict=True), 1):
        attributes = {"rate": float(rate), **optimizer.step_attributes(step)}
        loader.find(engine).update(optimizer.operation, parameters, gradient, moments, attributes, 2)
        assert_close(parameters, trajectory[step - 1])
    for moment, theirs in zip(moments, expected, strict=(runs, name) != ("runs", "rmsprop")):  # without momentum
        assert_close(moment, theirs)  # PyTorch keeps no velocity


@pytest.mark.parametrize("name", optimizers.NAMED)
def test_a_config_makes_the_same_optimizer(name: str) -> None:
    optimizer = optimizers.find(name)
    assert optimizer.name == name
    assert optimizers.find(optimizer.to_config()) == optimizer
    assert optimizers.find(optimizer) is optimizer


BELOW_ONE = ("momentum", "alpha", "beta1", "beta2")
NOT_ZERO = ("learning_rate", "epsilon")


@pytest.mark.parametrize("name", optimizers.NAMED)
def test_numbers_out_of_range_are_refused(name: str) -> None:
    options = optimizers.find(name).to_config()
    for option in options.keys() - {"name"}:
        wrong = [-0.1, math.nan, math.inf, "fast", None]
        for value in wrong + [1.0] * (option in BELOW_ONE) + [0] * (option in NOT_ZERO):
            with pytest.raises(OptionError, match=f"{option} {value!r}: expected "):
                optimizers.find({"name": name, option: value})


def test_an_unknown_optimizer_is_named() -> None:
    with pytest.raises(OptionError, match="unknown optimizer 'lbfgs'; known: sgd, momentum, nesterov, rmsprop, adam"):
        optimizers.find("lbfgs")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("momentum", "momentum"),
        ("nesterov", "momentum"),
        ("adam", "beta1"),
        ("adam", "beta2"),
        ("adamw", "weight_decay"),
    ],
)
def test_nought_is_in_range(name: str, option: str) -> None:
    assert getattr(optimizers.find({"name": name, option: 0}), option) == 0


def test_a_config_without_a_name_is_refused() -> None:
    with pytest.raises(OptionError, match="unknown optimizer None; known: sgd"):
        optimizers.find({"learning_rate": 0.1})


def test_numbers_become_pythons_own() -> None:
    """Convert, as a NumPy scalar in float64 would turn float32 parameters into float64."""
    optimizer = optimizers.Adam(learning_rate=np.float64(0.5), beta1=np.float32(0.5), beta2=0.25)
    assert [type(number) for number in (optimizer.learning_rate, optimizer.beta1, optimizer.beta2)] == [float] * 3
    assert (optimizer.learning_rate, optimizer.beta1, optimizer.beta2) == (0.5, 0.5, 0.25)
    assert type(optimizers.SGD(learning_rate=2).learning_rate) is int


def test_every_optimizer_was_recorded() -> None:
    assert {*THEIRS["runs"]} == {*optimizers.NAMED}
