"""A trace's arrays against the reference engine and finite differences, and its update against a training step."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from explain.networks import LOSSES, around, trace_of
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule import layers as cr
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


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_arrays_are_those_of_the_reference(loss, samples):
    network = around(cr.Conv2D(2, (2, 3), stride=(1, 2), padding=1), (2, 4, 5), loss)
    training = NextStep(optimizers.Adam(), step=4, seed=11)
    trace = trace_of(network, loss, samples, 1, training)
    x, t = trace._arrays["x"], trace._arrays["t"]
    buffers = SimpleNamespace(parameters=network.parameters.astype(float), statistics=network.statistics.astype(float))
    walk = Interpreter(loader.find("reference"), trace.plan, network.layout, buffers)
    walk.gradients(x, t, seed=11, step=4)
    for operation in trace.plan.operations:
        for tensor in operation.writes:
            assert_close(trace._arrays[tensor.storage].reshape(walk.read(tensor).shape), walk.read(tensor), 200)
    walk.commit_statistics()
    for name in ("running_mean", "running_variance"):
        first, last = network.layout[f"norm1.{name}"]
        assert_close(trace[f"norm1.{name}.update"], buffers.statistics[first:last])
    for name, weights in network.weights.items():
        assert trace[name].dtype == np.float64
        assert_array_equal(trace[name], weights)


def test_a_fused_softmax_has_tensors_of_its_own():
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
    assert_array_equal(np.concatenate([trace[name].ravel() for name in network.trainable_layout]), before)
    for parameter, weights in network.weights.items():
        assert_close(trace[f"{parameter}.update"], weights)
    assert (trace.update.scale < 1) == (clip is not None)


REFUSED = [
    (ShapeError, "N×2×3×3", {"x": np.zeros((2, 3, 3))}),
    (ShapeError, "N×2×3×3", {"x": np.zeros((0, 2, 3, 3)), "t": np.zeros((0, 3))}),
    (ShapeError, "2×3, found 2×4", {"t": np.zeros((2, 4))}),
    (OptionError, "each of", {"training": NextStep(moments=(np.zeros(3),))}),
]


@pytest.mark.parametrize(("error", "words", "changed"), REFUSED)
def test_inputs_of_other_shapes_are_refused(error, words, changed):
    options = {"x": np.zeros((2, 2, 3, 3)), "t": np.zeros((2, 3)), "training": None, **changed}
    with pytest.raises(error, match=words):
        Trace(around(cr.Tanh(), (2, 3, 3)), options["x"], options["t"], "half_squared_error", options["training"])


def test_a_network_without_parameters():
    trace = trace_of(Network([cr.Tanh()], (3,), engine="numpy"))
    assert trace.explain("tanh1.dx[2]").cell == "dx[2]"
    assert "tanh1.update" not in trace.names


def test_a_trace_and_its_network_do_not_change_each_other():
    model = Sequential([cr.BatchNorm2D(), cr.Flatten(), cr.Dense(2)], (1, 5, 5), dtype="float64", engine="numpy")
    before = model.parameters.copy(), model.statistics.copy()
    x, t = np.ones((2, 1, 5, 5)), np.array([[1.0, 0.0]] * 2)
    trace = model.trace(x, t, loss="softmax_cross_entropy")
    x[:], t[:] = 0, 0
    assert trace["x"].all()
    assert trace["t"].any()
    assert_array_equal(model.parameters, before[0])
    assert_array_equal(model.statistics, before[1])
