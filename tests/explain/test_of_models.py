"""`Sequential.trace`."""

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal

import chainrule as cr
from chainrule.explain import NextStep
from chainrule.training.optimizers import SGD, Adam


@pytest.fixture(scope="module")
def model():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (60, 6, 5)).astype(np.uint8)[:, None]
    y = np.arange(60) % 3
    model = cr.Sequential(
        [cr.Conv2D(2, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3), cr.Softmax()], (1, 6, 5), engine="numpy"
    )
    model.fit(x, y, epochs=1, progress=False, normalization="standardize")
    return model, x, y


def test_a_sample_is_normalized_and_labelled_as_in_training(model):
    network, x, y = model
    trace = network.trace(x[4], y[4])
    assert_array_equal(trace["x"], network.normalization.apply(x[4:5], np.float32)[0])
    assert_array_equal(trace["t"], np.eye(3)[y[4]])
    assert_close(trace["softmax1.y"], network.predict(x[4:5])[0])
    assert trace.training == NextStep(Adam(), None, 1, None, None, network.seed)
    assert trace.update.learning_rate == 0.001
    assert repr(trace).startswith("Trace of one sample, input 1×6×5")


def test_a_batch_is_traced_with_options_of_training(model):
    network, x, y = model
    trace = network.trace(
        x[:5], y[:5], optimizer="sgd", learning_rate=0.5, step=3, seed=9, clip_norm=1e-4, loss="half_squared_error"
    )
    assert trace.training == NextStep(SGD(), 0.5, 3, None, 1e-4, 9)
    assert trace["loss.y"].shape == (5,)
    assert_close(trace["loss.y"], 0.5 * ((network.predict(x[:5]) - np.eye(3)[y[:5]]) ** 2).sum(1), dtype="f4")
    change = trace["dense1.w"] - trace["dense1.w.update"]
    assert_close(change, 0.5 * trace["dense1.dw"] * trace.update.scale, error=1e-10)
    assert repr(trace).startswith("Trace of 5 samples")


def test_a_step_with_ignored_positions_is_that_of_training() -> None:
    draw = np.random.default_rng(6)
    x, y = draw.normal(size=(3, 2, 5, 4)), draw.integers(0, 3, (3, 5, 4))
    y[draw.uniform(size=y.shape) < 0.3] = 9
    model = cr.Sequential([cr.Conv2D(3, 3, padding="same"), cr.Softmax()], x.shape[1:], dtype="float64", engine="numpy")
    traced = model.trace(x, y, optimizer=cr.SGD(0.5), ignore_label=9)
    model.fit(x, y, optimizer=cr.SGD(0.5), epochs=1, batch_size=3, ignore_label=9, normalization="none", progress=False)
    assert_close(traced["conv1.w.update"], model.weights["conv1.w"])
    with pytest.raises(cr.OptionError, match="categorical_cross_entropy"):
        model.trace(x, y, loss="mean_squared_error", ignore_label=9)
