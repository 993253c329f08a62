"""Ensembles: the mean of the predictions, in every form in which a network can be used."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from interop.c import compiled
from models import several
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics

import chainrule as cr

scores: Any = metrics
RNG = np.random.default_rng(4)
LABELS = RNG.integers(0, 3, 40)
PATTERN = np.array([[[2.0]], [[30.0]]])  # channels in different units
IMAGES = (RNG.normal(size=(40, 2, 6, 5)) * PATTERN + 5 + LABELS[:, None, None, None]).astype(np.float32)
NUMBERS = np.stack([IMAGES[:, 0].mean((1, 2)), 1e4 * IMAGES[:, 1].mean((1, 2))], 1)
YES = (LABELS > 0).astype(int)
SETS = np.stack([YES, 1 - YES, LABELS % 2], 1)

# ends of the network, and targets
CASES: dict[str, tuple[list[cr.layers.Layer], Any]] = {
    "classes": ([cr.Dense(3), cr.Softmax()], LABELS),
    "names": ([cr.Dense(3), cr.Softmax()], np.array(["cat", "dog", "eel"])[LABELS]),
    "logits": ([cr.Dense(3)], LABELS),
    "yes or no": ([cr.Dense(1), cr.Sigmoid()], YES),
    "labels": ([cr.Dense(3), cr.Sigmoid()], SETS),
    "numbers": ([cr.Dense(2)], NUMBERS),
}


def members(kind: str, count: int = 3) -> list[cr.Sequential]:
    """Return networks that were trained on different samples, so that their normalizations differ."""
    ends, targets = CASES[kind]
    models = list[cr.Sequential]()
    for seed in range(count):
        layers = [cr.Conv2D(3, (3, 2)), cr.BatchNorm2D(), cr.ReLU(), cr.GlobalAveragePool2D(), *ends]
        loss = "mean_squared_error" if kind == "numbers" else None
        model = cr.Sequential(layers, (2, 6, 5), seed=seed, engine="numpy", loss=loss)
        kept = np.arange(40) % 5 != seed
        model.fit(IMAGES[kept], targets[kept], epochs=2, learning_rate=0.02, progress=False)
        models.append(model)
    return models


def mean_of(models: list[Any], x: Any) -> Any:
    return np.mean([np.asarray(model.predict(x), np.float64) for model in models], 0)


@pytest.mark.parametrize("kind", [*CASES])
def test_outputs_are_means_also_from_a_file(kind: str, tmp_path: Path) -> None:
    models = members(kind)
    joint = cr.ensemble(models)
    expected = mean_of(models, IMAGES)
    scale = np.abs(expected).max(0)
    assert_allclose(joint.predict(IMAGES) / scale, expected / scale, atol=3e-6)
    joint.save(tmp_path / "joint.safetensors")
    loaded = cr.load(tmp_path / "joint.safetensors", engine="numpy")
    assert_array_equal(loaded.predict(IMAGES), joint.predict(IMAGES))
    assert [*map(str, loaded.predict_classes(IMAGES))] == [*map(str, joint.predict_classes(IMAGES))]
    assert repr(loaded.evaluate(IMAGES, CASES[kind][1])) == repr(joint.evaluate(IMAGES, CASES[kind][1]))

    cr.export_onnx(joint, tmp_path / "joint.onnx")
    session: Any = onnxruntime.InferenceSession(tmp_path / "joint.onnx")
    (outputs,) = session.run(None, {session.get_inputs()[0].name: IMAGES})
    assert_allclose(np.asarray(outputs) / scale, expected / scale, atol=3e-6)


def test_evaluations_are_those_of_the_mean_probabilities() -> None:
    models = members("classes")
    joint = cr.ensemble(models)
    probabilities = mean_of(models, IMAGES)
    probabilities /= probabilities.sum(1, keepdims=True)  # rounded to float32
    evaluation = joint.evaluate(IMAGES, LABELS)
    assert evaluation.accuracy == scores.accuracy_score(LABELS, probabilities.argmax(1))
    assert_allclose(evaluation.loss, scores.log_loss(LABELS, probabilities), rtol=1e-5)
    assert_allclose(evaluation.log_loss, evaluation.loss, rtol=1e-5)

    models = members("yes or no")
    evaluation = cr.ensemble(models).evaluate(IMAGES, YES)
    assert_allclose(evaluation.loss, scores.log_loss(YES, mean_of(models, IMAGES)[:, 0]), rtol=1e-5)
    models = members("numbers")
    evaluation = cr.ensemble(models).evaluate(IMAGES, NUMBERS)
    assert_allclose(evaluation.r2, scores.r2_score(NUMBERS, mean_of(models, IMAGES)), rtol=1e-4)


@compiled.needs("gcc")
@pytest.mark.parametrize("kind", ["names", "numbers"])
def test_exported_c_computes_the_mean(kind: str, tmp_path: Path) -> None:
    models = members(kind)
    expected = mean_of(models, IMAGES)
    (outputs,) = compiled.outputs(tmp_path, [cr.ensemble(models)], [IMAGES], compiled.INT8_FLAGS)
    assert_allclose(outputs / np.abs(expected).max(0), expected / np.abs(expected).max(0), atol=3e-6)


def test_branches_and_shared_layers() -> None:
    models = list[cr.Graph]()
    for seed in range(2):
        x, shared = cr.Input((4,)), cr.Dense(4)
        y = cr.Add()(shared(cr.Tanh()(shared(x))), x)
        models.append(cr.Graph(x, cr.Softmax()(cr.Dense(3)(y)), seed=seed, engine="numpy"))
    vectors = RNG.normal(size=(7, 4))
    joint = cr.ensemble([*models, cr.ensemble(models)])
    assert_allclose(joint.predict(vectors), mean_of(models, vectors), atol=1e-6)
    assert joint.last_layer == cr.ensemble(models).last_layer == "Softmax"


def test_members_are_not_changed() -> None:
    models = members("classes", 2)
    before = [model.parameters.copy() for model in models]
    cr.ensemble(models).fit(IMAGES, LABELS, epochs=1, progress=False)
    for model, parameters in zip(models, before, strict=True):
        assert_array_equal(model.parameters, parameters)


def other(**options: Any) -> cr.Sequential:
    return cr.Sequential([cr.Flatten(), cr.Dense(3), cr.Softmax()], (2, 6, 5), engine="numpy", **options)


def thresholds(value: float) -> cr.Sequential:
    model = cr.Sequential([cr.Dense(1), cr.Sigmoid()], (2,), engine="numpy")
    model.set_thresholds(value)
    return model


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([other()], "at least two"),
        ([other(), "model"], "at least two"),
        ([several.model(), several.model(seed=1)], "one input and one output"),
        ([other(), cr.Sequential([cr.Flatten(), cr.Dense(3)], (2, 5, 6))], "input_shape"),
        ([other(), cr.Sequential([cr.Flatten(), cr.Dense(4)], (2, 6, 5))], "output_shape"),
        ([other(), other(dtype="float64")], "dtype"),
        ([other(classes=["a", "b", "c"]), other(classes=["a", "c", "b"])], "classes"),
        ([thresholds(0.3), thresholds(0.4)], "thresholds"),
        ([members("classes", 1)[0], other()], "task"),
    ],
)
def test_what_has_no_mean_is_refused(models: Any, message: str) -> None:
    with pytest.raises(cr.OptionError, match=message) as refusal:
        cr.ensemble(models)
    assert "\n" not in str(refusal.value)
