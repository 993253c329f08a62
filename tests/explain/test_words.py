"""Titles, sentences and code locations for learners."""

import inspect

import numpy as np
import pytest
from explain.networks import around, trace_of
from numerical import assert_close

import chainrule.operations.reference as reference
from chainrule import layers as cr
from chainrule.core.randomness import stream_key, uniform
from chainrule.engines import numpy as engine
from chainrule.engines.native.kernels.registry import lanes
from chainrule.explain import NextStep
from chainrule.explain.code import SOURCE, derivation, locations
from chainrule.models.model import Sequential
from chainrule.network.network import Network
from chainrule.operations import definitions
from chainrule.training.optimizers import SGD, Adam, Momentum


def source_line(place):
    return (SOURCE / place.file).read_text(encoding="utf-8").splitlines()[place.line - 1]


@pytest.mark.parametrize("operation", reference.__all__)
def test_code_locations_are_those_of_python(operation):
    """Compare the file with Python's own, and the line with the source text."""
    places = locations(operation)
    if entry := definitions.generated().get(operation):  # generated from a table of formulas
        assert source_line(places[1]) == f"[{entry}]"
        assert len(places) == 2
        return
    folders = [place.file.rpartition("/")[0] for place in places]
    in_c = places[2].file.endswith(".c")
    assert folders == ["operations/reference", "engines/numpy", "engines/native/kernels"]
    for place, module in zip(places, (reference, engine), strict=False):
        code = inspect.unwrap(getattr(module, operation)).__code__
        assert (SOURCE / place.file).samefile(code.co_filename)
    for place, head in zip(places, ["def {}(", "def {}(", "KERNEL({})" if in_c else "def {}("], strict=True):
        assert source_line(place).startswith(head.format(operation))
    assert (SOURCE.parent.parent / derivation(operation)).is_file()


@pytest.mark.skipif(lanes(4) < 8, reason="narrow registers have other kernels for these shapes")
def test_the_kernel_that_ran_is_named():
    """The one chosen for the shapes; a ReLU that no other operation needs is done by the convolution before it."""
    layers = [cr.Conv2D(lanes(4), 3), cr.ReLU(), cr.Conv2D(3, 2), cr.Tanh(), cr.Flatten(), cr.Dense(2)]
    model = Sequential(layers, (8, 9, 7), loss="half_squared_error", engine="compiled")
    trace = model.trace(np.ones((1, 8, 9, 7)), np.zeros((1, 2)))
    for cell, place in {
        "conv1.y[0,0,0]": ("filters.c", "correlate_filters"),
        "relu1.y[0,0,0]": ("filters.c", "correlate_filters"),
        "conv1.dw[0,0,0,0]": ("filters.c", "correlate_filters_dw"),
        "conv2.y[0,0,0]": ("convolution.c", "cross_correlate"),
        "conv2.dx[0,0,0]": ("convolution.c", "cross_correlate_dx"),
    }.items():
        *_, kernel = trace.explain(cell).code
        assert (kernel.file.rpartition("/")[2], kernel.function) == place
        assert source_line(kernel) == f"KERNEL({kernel.function})"
        assert f"{kernel.file}:{kernel.line}" in " ".join(str(trace.explain(cell)).split())


def test_custom_operations_have_no_code():
    assert locations("mine.forward") == ()
    assert derivation("mine.forward") is None


TITLES = {
    "x[0,0,0]": "one value of the input",
    "t[0]": "one value of the target",
    "dx[0,0,0]": "the gradient of one value of the input",
    "loss.y": "the loss",
    "loss.correct": "whether the prediction is correct",
    "conv1.w[0,0,0,0]": "one weight of conv1",
    "conv1.b.update[0]": "one bias of conv1 after the step",
    "conv1.w.m[0,0,0,0]": "the running mean of the gradient of one weight of conv1",
    "conv1.w.v[0,0,0,0]": "the running mean of the squared gradient of one weight of conv1",
    "tanh1.dy[0,0,0]": "the gradient of one output of tanh1",
    "norm1.dbeta[0]": "the gradient of one shift β of norm1",
    "norm1.running_variance.update[0]": "the running variance of one channel of norm1 after the step",
}


def test_titles_name_a_value_and_its_layer():
    """A velocity is not a mean."""
    network = around(cr.Conv2D(2, 2), (1, 3, 3))
    trace = trace_of(network)
    assert {cell: trace.explain(cell).title for cell in TITLES} == TITLES
    velocity = trace_of(network, training=NextStep(Momentum(0.1), step=3)).explain("conv1.w.v[0,0,0,0]")
    assert velocity.title == "the velocity of one weight of conv1"
    assert "initial value" not in velocity.details.words


def test_an_update_states_its_direction_and_reason():
    network = around(cr.Conv2D(2, 2), (1, 3, 3))
    trace = trace_of(network, training=NextStep(SGD(0.5)))
    place = tuple(int(k) for k in np.unravel_index(np.abs(trace["conv1.dw"]).argmax(), (2, 1, 2, 2)))
    gradient = trace["conv1.dw"][place]
    words = trace.explain("conv1.w.update", place).details.words
    assert ("increase the loss" if gradient > 0 else "reduce the loss") in words
    assert ("lowers" if gradient > 0 else "raises") in words
    against, ones = np.full(network.parameters.size, -np.sign(gradient) * 9), np.ones(network.parameters.size)
    for weights, training, words in (
        (1, NextStep(Momentum(0.5), moments=(against,)), "because of earlier gradients"),
        (0, NextStep(SGD(0.5)), "does not change"),
        (0, NextStep(Adam(), moments=(ones, ones), step=2), "gradient is 0"),
    ):
        network.parameters *= weights
        assert words in trace_of(network, training=training).explain("conv1.w.update", place).details.words


def test_dropout_shows_its_random_number():
    trace = trace_of(around(cr.Dropout(0.4), (2, 3, 3)), samples=2, training=NextStep(seed=8, step=6))
    for n, c, i, j in np.ndindex(2, 2, 3, 3):
        derived = trace.explain("dropout1.y", (n, c, i, j)).details
        u = uniform(8, stream_key("dropout1"), 6, np.array([n]), 18)[0, (c * 3 + i) * 3 + j]
        assert derived.steps[0].value == u
        assert derived.steps[0].numbers == f"uniform(8, dropout1, 6, {n}, {(c * 3 + i) * 3 + j})"
        assert ("dropped" in derived.words) == (u < 0.4)
        assert trace.explain("dropout1.dx", (n, c, i, j)).details.steps[0].value == u


def test_a_custom_layer_is_explained():
    class Mine:
        def __init__(self):
            self.scale = np.ones(3)

        def forward(self, x):
            self.x = x
            return x * self.scale

        def backward(self, dy):
            self.dscale = (dy * self.x).sum(0)
            return dy * self.scale

    network = Network([cr.Dense(3), Mine(), cr.Tanh()], (4,), engine="numpy")
    trace = trace_of(network)
    explanation = trace.explain("student1.y[2]")
    assert "Mine.forward" in explanation.details.words
    assert explanation.code == ()
    assert trace.explain("student1.dx[2]").cell == "dense1.dy[2]"
    assert_close(trace.explain("student1.dscale[2]").value, trace["student1.dy"][2] * trace["dense1.y"][2])
    assert trace.explain("student1.scale[1]").title == "one value of scale of student1"
    assert trace.explain("student1.update[1]").cell == "student1.scale.update[1]"
    for name in trace.names:
        str(trace.explain(name, (0,) * trace[name].ndim))
