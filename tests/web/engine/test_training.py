"""Training steps on the page equal those of Python's `Stepper`, computed in float64 and stored in float32."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from web.bridge import call
from web.networks import Subject, find_subject

from chainrule.models.model import Sequential
from chainrule.training.components import clipping
from chainrule.training.steps.stepper import Stepper

if TYPE_CHECKING:
    from playwright.sync_api import Page

STEPS, BATCH = 4, 3
ROUNDED = 2.0**-23  # values halfway between two float32 numbers may be rounded either way


def batches(subject: Subject) -> list[dict[str, Any]]:
    pictures = [[subject.picture(seed=10 * step + n) for n in range(BATCH)] for step in range(STEPS)]
    found = [{"x": [one["x"].reshape(-1) for one in row], "labels": [one["label"] for one in row]} for row in pictures]
    if len(subject.model.output_shape) == 1:
        return found
    random, (channels, *positions) = np.random.default_rng(2), subject.model.output_shape
    classes = random.integers(0, channels, (STEPS, BATCH, *positions))
    targets = np.moveaxis(np.eye(channels)[classes], -1, 2).reshape(STEPS, BATCH, -1)
    return [{**batch, "targets": rows.tolist()} for batch, rows in zip(found, targets, strict=True)]


def train_in_python(subject: Subject, given: list[dict[str, Any]], rates: list[float]) -> tuple[list[Any], Stepper]:
    """Return the outcomes and the final state: computed in float64, rounded to float32 after every step."""
    model = Sequential(subject.model.layers, subject.model.input_shape, dtype="float64", engine="numpy")
    model.parameters[:], model.statistics[:] = subject.model.parameters, subject.model.statistics
    stepper = Stepper(
        model, subject.recipe.optimizer, subject.recipe.loss, components=clipping(subject.recipe.clip_norm)
    )
    for moment, begun in zip(stepper.moments, subject.moments, strict=True):
        moment[:] = begun
    outcomes: list[Any] = []
    for k, (batch, rate) in enumerate(zip(given, rates, strict=True)):
        x = np.stack(batch["x"]).reshape(BATCH, *model.input_shape)
        t = np.eye(model.output_shape[0])[batch["labels"]] if "targets" not in batch else np.array(batch["targets"])
        t = t.reshape(BATCH, *model.output_shape)
        inputs = subject.model.normalization.apply(x, np.float64)
        step = subject.step + k + 1
        outcomes.append(stepper.step(inputs, t, step=step, rate=rate, seed=subject.recipe.seed))
        for kept in (model.parameters, model.statistics, *stepper.moments):
            kept[:] = kept.astype(np.float32)
    return outcomes, stepper


def assert_rounded_alike(found: NDArray[np.float32], expected: NDArray[np.float64]) -> None:
    assert found.dtype == np.float32
    assert_close(found, expected)


@pytest.mark.parametrize(
    "name",
    [
        "numpy-cnn",
        "flat",
        "lines",
        "rich",
        "first-pool",
        "half_squared_error",
        "zayan",
        "dense",
        "dense-series",
        "dice",
    ],
)
def test_steps_as_python_takes_them(modules: "Page", name: str) -> None:
    subject = find_subject(name)
    given = batches(subject)
    found = call(modules, "train", subject.description, subject.frame, given)
    outcomes, stepper = train_in_python(subject, given, [subject.rate] * STEPS)
    assert (found["step"], found["rate"]) == (subject.step + STEPS, subject.rate)
    for one, other in zip(found["outcomes"], outcomes, strict=True):
        norm = math.sqrt(sum(part**2 for part in one["norms"].values()))
        assert_close([one["loss"], one["accuracy"], norm], [other.loss, other.measured, other.norm])
    model = stepper.network
    assert_rounded_alike(found["parameters"], model.parameters)
    assert_rounded_alike(found["statistics"], model.statistics)
    for one, other in zip(found["moments"], stepper.moments, strict=True):
        assert_rounded_alike(one, other)
    assert list(found["outcomes"][0]["norms"]) == [layer for layer in model.names if model.size(layer)]


def test_moments_that_were_not_kept_begin_at_zero(modules: "Page") -> None:
    subject = find_subject("numpy-cnn")
    given = batches(subject)[:1]
    zeros = [np.zeros_like(moment) for moment in subject.moments]
    expected = call(modules, "train", subject.description, {**subject.frame, "moments": zeros}, given)
    found = call(modules, "train", subject.description, {**subject.frame, "moments": None}, given)
    assert_array_equal(found["parameters"], expected["parameters"])


def test_a_step_that_is_not_finite_changes_nothing(modules: "Page") -> None:
    subject = find_subject("numpy-cnn")
    subject.model.parameters[5] = np.nan
    found = call(modules, "failing", subject.description, subject.frame, batches(subject)[0])
    assert found["error"] == "step 12: a number is not finite; the parameters are unchanged"
    assert_array_equal(found["parameters"], subject.model.parameters)
    assert found["step"] == subject.step
