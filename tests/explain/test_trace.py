"""A trace's arrays against the reference engine and finite differences, and its update against a training step."""

import json
from dataclasses import replace

import numpy as np
import pytest
from explain.networks import LOSSES, around, trace_of
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule import layers as cr
from chainrule._io.files import without_nonfinite
from chainrule.engines import loader
from chainrule.engines.interpreter import Interpreter
from chainrule.errors import OptionError, ShapeError
from chainrule.explain import NextStep, Trace
from chainrule.models.model import Sequential
from chainrule.network.network import Network
from chainrule.operations import reference
from chainrule.training import optimizers
from chainrule.training.components import clipping
from chainrule.training.steps.stepper import Stepper


class Buffers:
    def __init__(self, network):
        self.parameters, self.statistics = network.parameters.astype(float), network.statistics.astype(float)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_arrays(loss, samples):
    network = around(cr.Conv2D(2, (2, 3), stride=(1, 2), padding=1), (2, 4, 5), loss)
    training = NextStep(optimizers.Adam(), step=4, seed=11)
    trace = trace_of(network, loss, samples, 1, training)
    x, t = trace._arrays["x"], trace._arrays["t"]
    buffers = Buffers(network)
    walk = Interpreter(loader.find("reference"), trace.plan, network.layout, buffers)
    walk.gradients(x, t, seed=11, step=4)
    for operation in trace.plan.operations:
        for tensor in operation.writes:
            found = trace._arrays[tensor.storage].reshape(walk.read(tensor).shape)
            assert_close(found, walk.read(tensor), 200)
    walk.commit_statistics()
    for name in ("running_mean", "running_variance"):
        first, last = network.layout[f"norm1.{name}"]
        assert_close(trace[f"norm1.{name}.update"], buffers.statistics[first:last])
    for name, weights in network.weights.items():
        assert trace[name].dtype == np.float64
        assert_array_equal(trace[name], weights)


def test_fused_softmax_is_there():
    trace = trace_of(around(cr.Tanh(), (2, 3, 3), "categorical_cross_entropy"), "categorical_cross_entropy", 2)
    z, t = trace["dense1.y"], trace["t"]
    assert_close(trace["softmax1.y"], reference.softmax(z))
    dp = reference.categorical_cross_entropy_dp(reference.softmax(z), t)
    assert_close(trace["softmax1.dy"], dp)
    assert_close(trace["dense1.dy"], reference.softmax_dx(dp, reference.softmax(z)))


@pytest.mark.parametrize("name", [*optimizers.NAMED])
@pytest.mark.parametrize("clip", [None, 0.01])
def test_the_update_is_the_step_of_training(name, clip):
    """Take two real steps in float32 and trace the third, with the moments after two."""
    network = around(cr.Conv2D(2, 3), (2, 5, 5), "categorical_cross_entropy")
    optimizer = replace(optimizers.find(name), learning_rate=0.02)
    stepper = Stepper(network, optimizer, "categorical_cross_entropy", components=clipping(clip))
    generator = np.random.default_rng(2)
    x = generator.normal(size=(3, 2, 5, 5)).astype(np.float32)
    t = np.eye(3, dtype=np.float32)
    for step in (1, 2):
        stepper.step(x, t, step=step, rate=0.02, seed=4)
    moments = tuple(moment.copy() for moment in stepper.moments)
    training = NextStep(optimizer, 0.02, 3, moments, clip, 4)
    trace = Trace(network, x, t, "categorical_cross_entropy", training)
    before = network.parameters.copy()
    stepper.step(x, t, step=3, rate=0.02, seed=4)
    assert_array_equal(np.concatenate([trace[f"{n}"].ravel() for n in network.weights if "running" not in n]), before)
    for parameter, weights in network.weights.items():
        assert_close(trace[f"{parameter}.update"], weights)
    attributes = {"rate": 0.02, **optimizer.step_attributes(3)}
    for parameter in ("conv1.w", "dense1.b"):
        layer, _, own = parameter.rpartition(".")
        g = trace[f"{layer}.d{own}"] * trace.update.scale
        held = [trace[f"{parameter}.{moment}"] for moment in optimizer.moments]
        result = getattr(reference, optimizer.operation)(trace[parameter], g, *held, **attributes)
        expected = result[0] if held else result
        assert_close(trace[f"{parameter}.update"], expected)
    assert (trace.update.scale < 1) == (clip is not None)


def test_nothing_of_the_network_changes():
    network = around(cr.Dropout(0.5), (2, 3, 3))
    before = network.parameters.copy(), network.statistics.copy()
    trace_of(network, samples=4)
    assert_array_equal(network.parameters, before[0])
    assert_array_equal(network.statistics, before[1])


def test_what_cannot_be_traced():
    network = around(cr.Tanh(), (2, 3, 3))
    x, t = np.zeros((2, 2, 3, 3)), np.zeros((2, 3))
    with pytest.raises(ShapeError, match="N×2×3×3"):
        Trace(network, x[0], t, "half_squared_error")
    with pytest.raises(ShapeError, match="N×2×3×3"):
        Trace(network, x[:0], t[:0], "half_squared_error")
    with pytest.raises(ShapeError, match="2×3, found 2×4"):
        Trace(network, x, np.zeros((2, 4)), "half_squared_error")
    with pytest.raises(OptionError, match="each of"):
        Trace(network, x, t, "half_squared_error", NextStep(moments=(np.zeros(3),)))


@pytest.mark.parametrize("number", range(len(LOSSES)))
def test_networks_that_are_not_finite(number):
    """Show everything although values are not finite."""
    loss, value = LOSSES[number], (np.nan, np.inf, -np.inf, 3e38)[number % 4]
    for layer in (cr.GELU(), cr.MaxPool2D(2), cr.Conv2D(2, 2))[number % 2 :]:
        network = around(layer, (2, 3, 3), loss)
        network.parameters[::2] = np.float32(value)
        trace = trace_of(network, loss, 2)
        for name in trace.names:
            explanation = trace.explain(name, tuple(size - 1 for size in trace[name].shape))
            assert explanation.shown in str(explanation)
            assert explanation._repr_html_()
            json.dumps(without_nonfinite(explanation.to_json()), allow_nan=False)


def test_a_network_without_parameters():
    trace = trace_of(Network([cr.Tanh()], (3,), engine="numpy"))
    assert trace.explain("tanh1.dx[2]").cell == "dx[2]"
    assert "tanh1.update" not in trace.names


def test_a_trace_keeps_its_numbers_whatever_becomes_of_the_arrays_it_was_given():
    model = Sequential([cr.Conv2D(1, 3), cr.Flatten(), cr.Dense(2)], (1, 5, 5), dtype="float64", engine="numpy")
    x, t = np.ones((1, 1, 5, 5)), np.array([[1.0, 0.0]])
    trace = model.trace(x, t, loss="softmax_cross_entropy")
    x[:], t[:] = 0, 0
    assert trace["x"].all()
    assert trace["t"].any()
