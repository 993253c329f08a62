"""A training step on the page equals Python's, for every network of the zoo and others."""

import numpy as np
import pytest
from numerical import assert_close
from web.bridge import call
from web.networks import OTHERS, each_network, find_subject
from web.pages import Page

from chainrule.data.normalization import Normalization
from chainrule.explain import saliency
from chainrule.models.model import Model
from chainrule.network.target_scaling import TargetScaling
from chainrule.network.tasks import REGRESSION

TOLERANCE = 1e-10  # relative to the largest entry of a tensor


@each_network
def test_every_tensor_of_a_step(modules: Page, name: str) -> None:
    subject = find_subject(name)
    picture = subject.picture()
    found = call(modules, "trace", subject.description, subject.frame, picture)
    trace = subject.trace(picture)
    assert sorted(found) == sorted(trace.names)
    for tensor in trace.names:
        expected = trace[tensor]
        assert found[tensor].shape == expected.shape, tensor
        assert_close(found[tensor], expected, name=tensor, error=TOLERANCE)


@pytest.mark.filterwarnings("ignore::chainrule.errors.InputUnitWarning")
@pytest.mark.parametrize("seed", range(24))
def test_answers_as_the_model_predicts(modules: Page, seed: int) -> None:
    """Draw a network, training data of a unit and dtype, and their normalization; the page computes in float64."""
    draw = np.random.default_rng(seed)
    subject = find_subject(str(draw.choice(["numpy-cnn", "unet-small", *OTHERS])))
    model, count = subject.model, subject.model.output_shape[0]
    values = draw.integers(0, draw.choice([2, 17, 256]), (30, *model.input_shape))
    x = values.astype(draw.choice(["uint8", "int64", "float32"])) if draw.random() < 0.6 else values / 255
    model.normalization = Normalization.fit(str(draw.choice(["scale", "standardize", "none"])), x)
    if draw.random() < 0.3:
        model.normalization = model.with_input_rescaling(float(draw.choice([1 / 255, 16]))).normalization
    if subject.description["measure"] == REGRESSION.metric:
        model.target_scaling = TargetScaling(tuple(draw.normal(size=count)), tuple(draw.uniform(1, 9, count)))
    picture = subject.picture(seed)
    found = call(modules, "answer", subject.description, subject.frame, picture)["probabilities"]
    exact = Model.from_about({**model.about(), "dtype": "float64"}, engine="numpy", weights=model.weights)
    (expected,) = exact.predict(model.normalization.of_image(picture["x"][None]))
    if subject.recipe.loss == "softmax_cross_entropy":
        expected = np.exp(expected - expected.max(0)) / np.exp(expected - expected.max(0)).sum(0)
    expected = expected.reshape(count, -1).mean(1)
    if len(found) == 2 > count:  # no and yes
        expected = np.array([1 - expected[0], expected[0]])
    assert_close(found, expected, error=1e-4)


@each_network
def test_the_saliency_of_the_label_and_of_the_prediction(modules: Page, name: str) -> None:
    subject = find_subject(name)
    picture = subject.picture(1)
    x = subject.model.normalization.apply(picture["x"][None], np.float64)
    for label in (picture["label"], None):
        found = call(modules, "saliency", subject.description, subject.frame, {**picture, "label": label})
        expected = saliency.saliency(subject.model, x, label)[0].ravel()
        assert_close(found, expected, 300)


def test_a_picture_without_a_label_has_the_predicted_one(modules: Page) -> None:
    subject = find_subject("numpy-cnn")
    picture = {**subject.picture(2), "label": None}
    answer = call(modules, "answer", subject.description, subject.frame, picture)["probabilities"]
    found = call(modules, "trace", subject.description, subject.frame, picture)
    assert int(found["t"].argmax()) == int(np.argmax(answer))
    assert found["t"].sum() == 1


def test_without_moments_only_the_first_step_has_an_update(modules: Page) -> None:
    """The moments begin at zero, so that Adam's first step is the rate."""
    subject = find_subject("numpy-cnn")
    later = {**subject.frame, "moments": None}
    first = call(modules, "trace", subject.description, {**later, "step": 0}, subject.picture())
    assert not first["conv1.w.m"].any()
    assert not first["conv1.w.v"].any()
    assert_close(np.abs(first["dense2.b.update"] - first["dense2.b"]), subject.rate, error=1e-5)
    tensors = call(modules, "trace", subject.description, later, subject.picture())
    assert "conv1.dw" in tensors
    assert not [name for name in tensors if name.endswith((".update", ".m", ".v"))]
