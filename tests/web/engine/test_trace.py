"""A training step on the page equals Python's, for every network of the zoo and others; so do random numbers.

More steps of training are in `test_batch_steps.py`.
"""

import json
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from web.bridge import call
from web.networks import OTHERS, Subject, each_network, find_subject
from web.pages import Page

from chainrule.core.randomness import stream_key, uniform
from chainrule.data.normalization import Normalization
from chainrule.models.model import Model
from chainrule.network.scaling import TargetScaling
from chainrule.network.tasks import REGRESSION


def train(modules: Page, subject: Subject, **changes: Any) -> dict[str, Any]:
    """Take a step on the page, with a batch of one image; changes: of the frame before the step."""
    picture = subject.picture()
    weights = [picture["weights"]] if subject.weighting else None
    targets = [subject.trace(picture)["t"].ravel().tolist()]
    batch = {"x": [picture["x"].reshape(-1)], "labels": [], "targets": targets, "weights": weights}
    return call(modules, "train", subject.description, {**subject.frame, **changes}, [batch])


@each_network
def test_every_tensor_and_the_step_of_training_are_those_of_python(modules: Page, name: str) -> None:
    """Tensors are of float64, and what a step stores of float32."""
    subject = find_subject(name)
    model, trace = subject.model, subject.trace(0)
    tensors = call(modules, "trace", subject.description, subject.frame, subject.picture())
    assert sorted(tensors) == sorted(trace.names)
    for tensor in trace.names:
        assert_close(tensors[tensor], trace[tensor], name=tensor, error=1e-10)
    taken = train(modules, subject)
    assert (taken["step"], taken["rate"]) == (subject.step + 1, subject.rate)
    (outcome,) = taken["outcomes"]
    assert_close(outcome["loss"], trace["loss.y"].mean())
    for weights, (first, last) in model.layout.items():
        buffer = taken["parameters" if weights in model.trainable_layout else "statistics"]
        assert buffer.dtype == np.float32
        after = f"{weights}.update" if f"{weights}.update" in trace else weights  # statistics of a frozen layer
        assert_close(buffer[first:last], trace[after].ravel(), name=weights)


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
    if subject.description["measure"] == REGRESSION.metric:
        model.target_scaling = TargetScaling(tuple(draw.normal(size=count)), tuple(draw.uniform(1, 9, count)))
    picture = subject.picture(seed)
    answer = call(modules, "answer", subject.description, subject.frame, picture)["probabilities"]
    exact = Model.from_about({**model.about(), "dtype": "float64"}, engine="numpy", weights=model.weights)
    (expected,) = exact.predict(model.normalization.of_image(picture["x"][None]))
    if subject.recipe.loss == "softmax_cross_entropy":
        expected = np.exp(expected - expected.max(0)) / np.exp(expected - expected.max(0)).sum(0)
    expected = expected.reshape(count, -1).mean(1)
    if len(answer) == 2 > count:  # no and yes
        expected = np.array([1 - expected[0], expected[0]])
    assert_close(answer, expected, error=1e-4)


def test_a_picture_without_a_label_has_the_predicted_one(modules: Page) -> None:
    subject = find_subject("numpy-cnn")
    picture = {**subject.picture(2), "label": None}
    answer = call(modules, "answer", subject.description, subject.frame, picture)["probabilities"]
    target = call(modules, "trace", subject.description, subject.frame, picture)["t"]
    assert_array_equal(target, np.arange(len(target)) == np.argmax(answer))


@pytest.mark.parametrize("seed", range(4))
def test_a_yes_or_no_prediction_is_that_of_predict_classes(modules: Page, seed: int) -> None:
    subject = find_subject("yes-or-no")
    picture = {**subject.picture(seed), "label": None}
    _, yes = call(modules, "answer", subject.description, subject.frame, picture)["probabilities"]
    for threshold in (0.0, yes / 2, (1 + yes) / 2, 1.0):
        subject.model.set_thresholds(threshold)
        expected = subject.model.predict_classes(picture["x"][None])[0]
        target = call(modules, "trace", subject.description, subject.frame, picture)["t"]
        assert subject.description["classes"][int(target.item())] == expected
        assert (expected == "yes") == (threshold < yes)


def test_moments_that_were_not_kept_begin_at_zero(modules: Page) -> None:
    """A trace has an update only of the first step then: in that of Adam, the rate."""
    subject = find_subject("numpy-cnn")
    zeros = [np.zeros_like(moment) for moment in subject.moments]
    expected, without = (train(modules, subject, moments=moments)["parameters"] for moments in (zeros, None))
    assert_array_equal(without, expected)
    later = {**subject.frame, "moments": None}
    first = call(modules, "trace", subject.description, {**later, "step": 0}, subject.picture())
    assert not first["conv1.w.m"].any()
    assert not first["conv1.w.v"].any()
    assert_close(np.abs(first["dense2.b.update"] - first["dense2.b"]), subject.rate, error=1e-5)
    tensors = call(modules, "trace", subject.description, later, subject.picture())
    assert "conv1.dw" in tensors
    assert not [name for name in tensors if name.endswith((".update", ".m", ".v"))]


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_step_that_is_not_finite_changes_nothing(modules: Page, odd: float) -> None:
    subject = find_subject("numpy-cnn")
    subject.model.parameters[5] = odd
    batch = {"x": [subject.picture()["x"].reshape(-1)], "labels": [], "targets": [[1.0] + [0.0] * 9], "weights": None}
    outcome = call(modules, "failing", subject.description, subject.frame, batch)
    assert outcome["error"] == "step 12: a number is not finite; the parameters are unchanged"
    assert_array_equal(outcome["parameters"], subject.model.parameters)
    assert outcome["step"] == subject.step


@pytest.mark.parametrize(
    ("seed", "purpose", "step", "sample"),
    [
        (0, "", 0, 0),
        (1, "shuffle", 3, 4),
        (2**63 - 1, "dropout1", 2**31, 2**20),
        (123456789012345678, "größe", 3676, 31),
    ],
)
def test_random_numbers_are_those_of_python_to_the_bit(
    modules: Page, seed: int, purpose: str, step: int, sample: int
) -> None:
    stream = call(modules, "streamNumber", purpose)
    assert stream == stream_key(purpose)
    numbers = call(modules, "uniform", str(seed), stream, step, sample, 3000)
    assert_array_equal(numbers, uniform(seed, stream, step, np.array([sample]), 3000)[0])


@each_network
def test_descriptions_are_json_with_the_gradient_of_the_input_and_places_in_the_code(name: str) -> None:
    subject = find_subject(name)
    described = json.loads(json.dumps(subject.description, allow_nan=False))
    plan = described["plan"]
    assert "dx" in [tensor["storage"] for operation in plan["backward"] for tensor in operation["writes"]]
    assert described["shapes"] == {key: list(value.shape) for key, value in subject.model.table.items()}
    assert described["shapes"].keys() == described["layout"].keys()
    names = {operation["name"] for part in ("forward", "backward", "deferred") for operation in plan[part]}
    omitted = {operation["name"] for operation in described["catalogue"]["omitted"]}
    for operation in names | omitted | {described["optimizer"]["operation"]}:
        assert described["code"][operation][0]["file"].startswith("operations/reference/")
        assert described["derivations"][operation].startswith("docs/derivations/")
