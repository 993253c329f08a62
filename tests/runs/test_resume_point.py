"""The resume point of a run: the trace of its next step agrees with the step then taken."""

from dataclasses import replace

import numpy as np
import pytest
from numerical import assert_close
from runs.run_driver import RECIPE, Halt, make_job

from chainrule._io import files
from chainrule.data import load
from chainrule.data.dataset import order
from chainrule.explain import NextStep, Trace
from chainrule.models.record import Record
from chainrule.runs import resume_point, running
from chainrule.training.optimizers import SGD, Adam
from chainrule.training.samples import Preparation
from chainrule.training.schedules import OneCycle

STOP = 10


@pytest.fixture
def stopped(data, tmp_path):
    training, test = load(data)
    running.start(tmp_path / "run", make_job(data), training, test, [Halt(STOP)])
    return tmp_path / "run"


def test_the_next_step(stopped, data):
    """Include rates, moments, clipping, dropout, augmentation and batch statistics."""
    point = resume_point.read_resume_point(stopped, engine="numpy")
    assert (point.training.step, point.training.clip_norm, point.training.seed) == (STOP + 1, 2.0, 3)
    training, test = load(data)
    examples, _ = Record.of(point.model).read(training).parts(RECIPE.validation, RECIPE.seed)
    samples, _ = examples.source.samples(np.arange(len(examples)), examples.targets)
    epoch, place = divmod(STOP, 7)
    indices = order(len(samples), RECIPE.seed, epoch)[place * 7 : (place + 1) * 7]
    preparation = Preparation(point.model, point.model.normalization, RECIPE.augmentation, RECIPE.seed)
    x, t, _ = samples.batch(indices, preparation, epoch=epoch)
    trace = Trace(point.model, x, t, point.model.loss, point.training)
    result = running.resume(stopped, training, test, [Halt(STOP + 1)])
    assert_close(result.history.rates[STOP], point.training.learning_rate, dtype=float)
    assert_close(result.history.losses[STOP], float(trace["loss.y"].mean()))
    for name in result.model.table:
        weights = result.model.weights[name]
        if name == "conv1.b":  # batch norm cancels shifts: this gradient is rounding error, which Adam amplifies
            assert np.abs(trace["conv1.db"]).max() < 1e-12
            continue
        assert_close(trace[f"{name}.update"], weights)


def test_a_finished_run_takes_one_more_step_at_the_first_rate(whole):
    point = resume_point.read_resume_point(whole)
    assert point.training.step == 29
    assert_close(point.training.learning_rate, 0.02 * OneCycle().factor(0, 28, 7))
    assert point.training.learning_rate > 0
    held = files.read_tensors(whole / "checkpoint.safetensors", "checkpoint")[0]
    for moment, name in zip(point.training.moments, ("m", "v"), strict=True):
        np.testing.assert_array_equal(moment, held[f"optimizer.{name}"])


def test_a_run_begins_at_the_first_rate():
    training = resume_point.next_step(RECIPE, 0, 48)
    assert (training.step, training.moments) == (1, None)
    assert_close(training.learning_rate, 0.02 * OneCycle().factor(0, 28, 7))


def test_an_optimizer_or_a_rate_of_the_user_takes_the_place_of_the_recorded_one():
    training = NextStep(Adam(0.3), 0.1, 9, (np.ones(2), np.ones(2)))
    assert resume_point.with_overrides(training, None, None) == training
    assert resume_point.with_overrides(training, None, 0.7) == replace(training, learning_rate=0.7)
    assert resume_point.with_overrides(training, SGD(0.5), None) == NextStep(SGD(0.5), 0.5)
    assert resume_point.with_overrides(training, SGD(0.5), 0.2) == NextStep(SGD(0.5), 0.2)
