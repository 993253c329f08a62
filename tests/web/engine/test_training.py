"""Training steps on the page: computed in float64 and stored in float32. More are in test_batch_steps.py."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from web.bridge import call
from web.networks import Subject, each_network, find_subject
from web.pages import Page


def batch(subject: Subject) -> dict[str, Any]:
    """Return a batch of one image with its target, and its weight where samples have weights."""
    picture = subject.picture()
    trace = subject.trace(picture)
    weights = [picture["weights"]] if subject.weighted else None
    return {"x": [picture["x"].reshape(-1)], "labels": [], "targets": [trace["t"].ravel().tolist()], "weights": weights}


@each_network
def test_a_step_is_that_of_the_trace(modules: Page, name: str) -> None:
    subject = find_subject(name)
    trace, model = subject.trace(0), subject.model
    taken = call(modules, "train", subject.description, subject.frame, [batch(subject)])
    assert (taken["step"], taken["rate"]) == (subject.step + 1, subject.rate)
    (outcome,) = taken["outcomes"]
    assert_close(outcome["loss"], trace["loss.y"].mean())
    assert list(outcome["norms"]) == [layer for layer in model.names if model.size(layer)]
    for weights, (first, last) in model.layout.items():
        buffer = taken["parameters" if weights in model.trainable_layout else "statistics"]
        assert buffer.dtype == np.float32
        after = f"{weights}.update" if f"{weights}.update" in trace else weights  # statistics of a frozen layer
        assert_close(buffer[first:last], trace[after].ravel(), name=weights)


def test_moments_that_were_not_kept_begin_at_zero(modules: Page) -> None:
    subject = find_subject("numpy-cnn")
    zeros = [np.zeros_like(moment) for moment in subject.moments]
    expected, without = (
        call(modules, "train", subject.description, {**subject.frame, "moments": moments}, [batch(subject)])
        for moments in (zeros, None)
    )
    assert_array_equal(without["parameters"], expected["parameters"])


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_step_that_is_not_finite_changes_nothing(modules: Page, odd: float) -> None:
    subject = find_subject("numpy-cnn")
    subject.model.parameters[5] = odd
    outcome = call(modules, "failing", subject.description, subject.frame, batch(find_subject("numpy-cnn")))
    assert outcome["error"] == "step 12: a number is not finite; the parameters are unchanged"
    assert_array_equal(outcome["parameters"], subject.model.parameters)
    assert outcome["step"] == subject.step
