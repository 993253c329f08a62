"""Factors of the learning rate: which parameters they name, and the steps that follow, against the updates by hand."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from training.made import PlainSGD, classifier, stripes

import chainrule as cr
from chainrule.engines import loader
from chainrule.errors import OptionError
from chainrule.network.network import Network
from chainrule.training import optimizers
from chainrule.training.components import clipping
from chainrule.training.lr_multipliers import LRMultipliers, RateGroup
from chainrule.training.steps.stepper import Stepper

LAYOUT = {"conv1.w": (0, 8), "conv1.b": (8, 10), "norm1.gamma": (10, 12), "norm1.beta": (12, 14), "dense1.w": (14, 20)}
OPTIMIZERS = [
    optimizers.SGD(0.1, 0.03),
    optimizers.Nesterov(0.1, 0.8, 0.03),
    optimizers.RMSProp(0.01, weight_decay=0.03),
    optimizers.AdamW(0.01),
]


def test_names_of_parameters_of_layers_and_of_kinds() -> None:
    assert LRMultipliers.parse("none").groups(LAYOUT) == []
    assert LRMultipliers.parse("beta=64").groups(LAYOUT) == [
        RateGroup(0, 12, 1),
        RateGroup(12, 14, 64),
        RateGroup(14, 20, 1),
    ]
    assert LRMultipliers.parse("conv1=0, conv1.b=2").groups(LAYOUT) == [
        RateGroup(0, 8, 0),
        RateGroup(8, 10, 2),
        RateGroup(10, 20, 1),
    ]
    assert LRMultipliers.parse("w=3,gamma=0,dense1.w=0").groups(LAYOUT)[-1] == RateGroup(14, 20, 0)
    with pytest.raises(OptionError, match=r"no parameter is named 'bet'; there are conv1\.w, conv1\.b"):
        LRMultipliers.parse("bet=64").groups(LAYOUT)


@pytest.mark.parametrize("text", ["none", "beta=64,conv1.w=0", "dense1.w=0.012345679012345678,w=1e-300"])
def test_written_and_read(text: str) -> None:
    assert str(LRMultipliers.parse(text)) == text
    assert LRMultipliers.parse(str(LRMultipliers.parse(text))) == LRMultipliers.parse(text)


@pytest.mark.parametrize("text", ["beta", "beta=", "beta=x", "beta=-1", "beta=nan", "beta=inf"])
def test_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"(?i)lr_?multipliers|learning rate"):
        LRMultipliers.parse(text)


def stepper(engine: str, optimizer: optimizers.Optimizer, multipliers: str, **options: Any) -> Stepper:
    layers = [cr.Dense(5), cr.BatchNorm1D(), cr.Tanh(), cr.Dense(3)]
    network = Network(layers, (4,), engine=engine, dtype="float64", seed=3, threads=2)
    return Stepper(
        network, optimizer, "softmax_cross_entropy", lr_multipliers=LRMultipliers.parse(multipliers), **options
    )


def batch(step: int, samples: int = 6) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(step)
    return generator.normal(size=(samples, 4)), np.eye(3)[generator.integers(0, 3, samples)]


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: one.name)
def test_every_parameter_takes_the_step_of_its_own_rate(engine: str, optimizer: optimizers.Optimizer) -> None:
    """Compare three steps with the reference's update of each parameter, at its rate and with decay undone."""
    taking = stepper(engine, optimizer, "beta=8,gamma=0,dense2.w=0.25")
    network, factors = taking.network, {"norm1.beta": 8.0, "norm1.gamma": 0.0, "dense2.w": 0.25}
    reference = loader.find("reference")
    moments = {
        name: [np.zeros(last - first) for _ in optimizer.moments] for name, (first, last) in network.layout.items()
    }
    for step in (1, 2, 3):
        x, t = batch(step)
        gradient = network.compile(network.plan("softmax_cross_entropy")).gradients(x, t, seed=0, step=step)[2].copy()
        before = network.parameters.copy()
        taking.step(x, t, step=step, rate=0.02)
        for name, (first, last) in network.trainable_layout.items():
            factor = factors.get(name, 1.0)
            if not factor:
                assert network.parameters[first:last].tobytes() == before[first:last].tobytes()
                continue
            given = {"rate": 0.02 * factor, **optimizer.step_attributes(step)}
            given["decay"] = given.get("decay", 0.0) / factor
            arrays = (before[first:last], gradient[first:last], *moments[name])
            expected, *moments[name] = reference.run(optimizer.operation, arrays, given)
            assert_close(network.parameters[first:last], expected)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("samples", [1, 6])
def test_factors_of_one_change_nothing(engine: str, samples: int) -> None:
    """Include batches of one sample, whose dense gradients are otherwise never written."""
    layers = [cr.Dense(5), cr.Tanh(), cr.Dense(3)]
    both = []
    for multipliers in ("none", "dense1=1"):
        network = Network(layers, (4,), engine=engine, dtype="float64", seed=3, threads=2)
        taking = Stepper(
            network, optimizers.Adam(), "softmax_cross_entropy", lr_multipliers=LRMultipliers.parse(multipliers)
        )
        outcomes = [taking.step(*batch(step, samples), step=step, rate=0.02) for step in (1, 2, 3)]
        both.append((network.parameters, [outcome.norm for outcome in outcomes]))
    assert_close(both[0][0], both[1][0])
    assert_close(both[0][1], both[1][1])


def test_frozen_parameters_do_not_count_in_the_norm() -> None:
    norms = [
        stepper("numpy", optimizers.SGD(), multipliers).step(*batch(1), step=1, rate=0.1).norm
        for multipliers in ("none", "w=0")
    ]
    rest = stepper("numpy", optimizers.SGD(), "none")
    _, gradient = rest.gradient(*batch(1), step=1)
    own = [
        gradient[first:last] for name, (first, last) in rest.network.trainable_layout.items() if not name.endswith(".w")
    ]
    assert_close(norms[1], np.sqrt(sum(np.square(part).sum() for part in own)))
    assert norms[1] < norms[0]


def test_clipping_limits_the_step_at_the_parameters_own_rate() -> None:
    taking = stepper("numpy", optimizers.SGD(), "beta=8,gamma=0", components=clipping(1e-3))
    before = taking.network.parameters.copy()
    norm = taking.step(*batch(1), step=1, rate=0.1).norm
    assert norm > 1e-3
    first, last = taking.network.layout["norm1.beta"]
    moved = np.delete(taking.network.parameters - before, range(first, last))
    assert np.sqrt(np.square(moved).sum()) <= 1.001e-4


def test_an_optimizer_of_ones_own_has_no_rates() -> None:
    x, y = stripes(20)
    with pytest.raises(OptionError, match="per-parameter learning rates require a built-in optimizer"):
        classifier().fit(x, y, optimizer=PlainSGD(), lr_multipliers="dense1=0", progress=False)


def test_an_explained_update_is_the_one_that_is_taken() -> None:
    from chainrule.explain import NextStep, Trace

    optimizer, multipliers = optimizers.Nesterov(0.1, 0.8, 0.03), "beta=8,gamma=0,dense2.w=0.25"
    taking = stepper("numpy", optimizer, multipliers)
    x, t = batch(1)
    trace = Trace(
        taking.network,
        x,
        t,
        "softmax_cross_entropy",
        NextStep(optimizer, 0.02, lr_multipliers=LRMultipliers.parse(multipliers)),
    )
    taking.step(x, t, step=1, rate=0.02)
    for name in taking.network.trainable_layout:
        assert_close(trace[f"{name}.update"], taking.network.weights[name])
        explained = trace.explain(f"{name}.update", (0,) * taking.network.weights[name].ndim)
        assert_close(explained.value, taking.network.weights[name].flat[0])
