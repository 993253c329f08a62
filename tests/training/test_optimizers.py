"""Trajectories of the optimizers against PyTorch's, recorded by tests/training/record_torch.py."""

import numpy as np
import pytest
from numerical import frozen
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


@pytest.mark.parametrize(("runs", "name"), RUNS)
def test_update_follows_pytorch(runs: str, name: str) -> None:
    optimizer, trajectory, expected = recorded(name, runs)
    parameters, moments = START, optimizer.init(START)
    for step, (gradient, rate) in enumerate(zip(GRADIENTS, RATES, strict=True), 1):
        parameters, moments = optimizer.update(parameters, gradient, moments, step=step, learning_rate=float(rate))
        np.testing.assert_allclose(parameters, trajectory[step - 1], rtol=1e-12, atol=1e-14)
    if (runs, name) != ("runs", "rmsprop"):  # without momentum PyTorch keeps no velocity
        assert len(moments) == len(expected)
    for moment, theirs in zip(moments, expected, strict=False):
        np.testing.assert_allclose(moment, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize(("runs", "name"), RUNS)
def test_update_in_place_follows_pytorch_on_every_engine(runs: str, name: str, engine: str) -> None:
    optimizer, trajectory, _ = recorded(name, runs)
    parameters, moments = START.copy(), optimizer.init(START)
    for step, (gradient, rate) in enumerate(zip(GRADIENTS, RATES, strict=True), 1):
        attributes = {"rate": float(rate), **optimizer.step_attributes(step)}
        loader.find(engine).update(optimizer.operation, parameters, gradient, moments, attributes, 2)
        np.testing.assert_allclose(parameters, trajectory[step - 1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", optimizers.NAMED)
def test_update_modifies_nothing(name: str) -> None:
    optimizer = optimizers.find(name)
    parameters, gradient = frozen(START), frozen(GRADIENTS[0])
    moments = tuple(frozen(np.abs(START)) for _ in optimizer.moments)
    found, after = optimizer.update(parameters, gradient, moments, step=3)
    assert (parameters == START).all()
    assert all((moment == np.abs(START)).all() for moment in moments)
    assert not np.shares_memory(found, parameters)
    assert not any(np.shares_memory(new, old) for new, old in zip(after, moments, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", optimizers.NAMED)
def test_the_dtype_stays(name: str, dtype: str) -> None:
    optimizer = optimizers.find(name)
    parameters = START.astype(dtype)
    moments = optimizer.init(parameters)
    assert all(moment.dtype == dtype and not moment.any() for moment in moments)
    found, moments = optimizer.update(parameters, GRADIENTS[0].astype(dtype), moments, step=1)
    assert {found.dtype.name, *(moment.dtype.name for moment in moments)} == {dtype}


@pytest.mark.parametrize("name", optimizers.NAMED)
def test_the_own_rate_is_the_default(name: str) -> None:
    optimizer = optimizers.find({"name": name, "learning_rate": 0.125})
    moments = optimizer.init(START)
    found = optimizer.update(START, GRADIENTS[0], moments, step=1)[0]
    assert (found == optimizer.update(START, GRADIENTS[0], moments, step=1, learning_rate=0.125)[0]).all()


@pytest.mark.parametrize("name", optimizers.NAMED)
def test_a_config_makes_the_same_optimizer(name: str) -> None:
    optimizer = optimizers.find(name)
    assert optimizer.name == name
    assert optimizers.find(optimizer.to_config()) == optimizer
    assert optimizers.find(optimizer) is optimizer


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("sgd", {"learning_rate": 0}, "learning_rate 0: expected a number above 0"),
        ("sgd", {"learning_rate": -1.0}, "learning_rate -1.0: expected a number above 0"),
        ("sgd", {"learning_rate": float("nan")}, "learning_rate nan: expected a number above 0"),
        ("sgd", {"learning_rate": float("inf")}, "learning_rate inf: expected a number above 0"),
        ("sgd", {"learning_rate": "fast"}, "learning_rate 'fast': expected a number"),
        ("sgd", {"learning_rate": None}, "learning_rate None: expected a number"),
        ("momentum", {"momentum": 1.0}, "momentum 1.0: expected at least 0 and below 1"),
        ("nesterov", {"momentum": -0.1}, "momentum -0.1: expected at least 0 and below 1"),
        ("sgd", {"weight_decay": -0.1}, "weight_decay -0.1: expected at least 0"),
        ("momentum", {"weight_decay": float("nan")}, "weight_decay nan: expected at least 0"),
        ("rmsprop", {"alpha": 1.0}, "alpha 1.0: expected at least 0 and below 1"),
        ("rmsprop", {"epsilon": 0.0}, "epsilon 0.0: expected a number above 0"),
        ("rmsprop", {"momentum": 1.0}, "momentum 1.0: expected at least 0 and below 1"),
        ("adam", {"beta1": 1.0}, "beta1 1.0: expected at least 0 and below 1"),
        ("adam", {"beta2": 1.0}, "beta2 1.0: expected at least 0 and below 1"),
        ("adam", {"beta2": float("nan")}, "beta2 nan: expected at least 0 and below 1"),
        ("adam", {"epsilon": 0.0}, "epsilon 0.0: expected a number above 0"),
        ("adam", {"epsilon": float("inf")}, "epsilon inf: expected a number above 0"),
        ("adamw", {"weight_decay": -1.0}, "weight_decay -1.0: expected at least 0"),
        ("adamw", {"weight_decay": float("inf")}, "weight_decay inf: expected at least 0"),
        ("lbfgs", {}, "unknown optimizer 'lbfgs'; known: sgd, momentum, nesterov, rmsprop, adam, adamw"),
    ],
)
def test_numbers_out_of_range_are_refused(name: str, options: dict[str, float], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        optimizers.find({"name": name, **options})
    assert str(caught.value) == words


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
