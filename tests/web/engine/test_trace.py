"""A training step on the page equals Python's, for every network of the zoo and others."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numerical import assert_close
from web.bridge import call
from web.networks import each_network, find_subject

from chainrule.data.normalization import Normalization
from chainrule.explain import saliency

if TYPE_CHECKING:
    from playwright.sync_api import Page

TOLERANCE = 1e-10  # relative to the largest entry of a tensor


@each_network
def test_every_tensor_of_a_step(modules: "Page", name: str) -> None:
    subject = find_subject(name)
    picture = subject.picture()
    found = call(modules, "trace", subject.description, subject.frame, picture)
    trace = subject.trace(picture)
    assert sorted(found) == sorted(trace.names)
    for tensor in trace.names:
        expected = trace[tensor]
        assert found[tensor].shape == expected.shape, tensor
        assert_close(found[tensor], expected, name=tensor, error=TOLERANCE)


@pytest.mark.parametrize("name", ["numpy-cnn", "rich", "first-pool", "mean_squared_error", "softmax_cross_entropy"])
def test_answers_as_the_model_does(modules: "Page", name: str) -> None:
    subject = find_subject(name)
    picture = subject.picture(1)
    found = call(modules, "answer", subject.description, subject.frame, picture)["probabilities"]
    x = subject.model.normalization.apply(picture["x"][None], np.float32)
    expected = subject.model.apply(x)[0].astype(np.float64)
    if name == "softmax_cross_entropy":
        powers = np.exp(expected - expected.max())
        expected = powers / powers.sum()
    assert_close(found, expected, error=1e-5)


@each_network
def test_the_saliency_of_the_label_and_of_the_prediction(modules: "Page", name: str) -> None:
    subject = find_subject(name)
    picture = subject.picture(1)
    x = subject.model.normalization.apply(picture["x"][None], np.float64)
    for label in (picture["label"], None):
        found = call(modules, "saliency", subject.description, subject.frame, {**picture, "label": label})
        expected = saliency.saliency(subject.model, x, label)[0].ravel()
        assert_close(found, expected, 300)


@pytest.mark.parametrize("white", [None, 1.0, 255.0, 4095.0])
def test_bytes_become_what_the_network_reads(modules: "Page", white: float | None) -> None:
    subject = find_subject("resnet-8")
    subject.model.normalization = Normalization("standardize", (0.37, 0.1, 2.0), -1.25, white=white)
    picture = subject.picture()
    image = subject.model.normalization.of_image(picture["x"][None])
    found = call(modules, "normalized", subject.description, picture)
    assert_close(found, subject.model.normalization.apply(image, np.float64).reshape(-1), dtype=np.float32)


def test_a_picture_without_a_label_is_taken_for_what_the_network_thinks_it_is(modules: "Page") -> None:
    subject = find_subject("numpy-cnn")
    picture = {**subject.picture(2), "label": None}
    answer = call(modules, "answer", subject.description, subject.frame, picture)["probabilities"]
    found = call(modules, "trace", subject.description, subject.frame, picture)
    assert int(found["t"].argmax()) == int(np.argmax(answer))
    assert found["t"].sum() == 1


def test_without_moments_the_first_step_begins_at_zero(modules: "Page") -> None:
    subject = find_subject("numpy-cnn")
    picture = subject.picture()
    first = {**subject.frame, "step": 0, "moments": None}
    found = call(modules, "trace", subject.description, first, picture)
    assert not found["conv1.w.m"].any()
    assert not found["conv1.w.v"].any()
    assert_close(
        np.abs(found["dense2.b.update"] - found["dense2.b"]), subject.rate, error=1e-5
    )  # Adam's first step is the rate


def test_without_moments_later_steps_show_no_update(modules: "Page") -> None:
    subject = find_subject("numpy-cnn")
    found = call(modules, "trace", subject.description, {**subject.frame, "moments": None}, subject.picture())
    assert "conv1.dw" in found
    assert not [name for name in found if name.endswith((".update", ".m", ".v"))]
