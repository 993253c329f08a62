"""The methods of a trained model agree with each other for every kind of network, in any order and form of the data."""

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from PIL import Image
from training.drawn_fits import DEFAULTS, KINDS, N, each, outputs, rows, state
from training.made import stripes

import chainrule as cr
from chainrule.errors import ChainruleError

RANDOM = ("classes", "logits")  # a step's loss is not that of an evaluation: dropout, or statistics of the batch
near = partial(assert_close, roundings=1000, dtype=np.float32)


def fitted(kind: str) -> tuple[Any, Any, Any, Any]:
    """Return a trained network, its inputs and targets, and the history."""
    create, x, y = KINDS[kind]
    model = create(engine="numpy")
    return model, x, y, model.fit(x, y, progress=False, **DEFAULTS)


def parts(predicted: Any) -> list[np.ndarray]:
    """Return the array of one output, or those of several."""
    if isinstance(predicted, dict):
        return [*predicted.values()]
    return [predicted]


def draw(kind: str) -> np.random.Generator:
    return np.random.default_rng([*kind.encode()])


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_answered_and_evaluated_in_any_order(kind: str) -> None:
    """A batch size changes rounding alone."""
    model, x, y, _ = fitted(kind)
    order = draw(kind).permutation(N)
    moved = model.predict(rows(x, order), batch_size=5)
    for part, whole in zip(parts(moved), outputs(model, x), strict=True):
        near(part, whole[order])
    evaluation, swapped = model.evaluate(x, y), model.evaluate(rows(x, order), rows(y, order))
    for name, value in evaluation.figures.items():
        near(swapped.figures[name], value, name=name)


@pytest.mark.parametrize("kind", KINDS)
def test_validation_data_change_nothing_and_are_evaluated(kind: str) -> None:
    alone, x, y, without = fitted(kind)
    chosen = draw(kind).permutation(N)[:7]
    held_out = rows(x, chosen), rows(y, chosen)
    model = KINDS[kind][0](engine="numpy")
    history = model.fit(x, y, progress=False, validation_data=held_out, **DEFAULTS)
    assert state(model) == state(alone)
    assert history.losses == without.losses
    evaluation, last = model.evaluate(*held_out), history.epochs[-1]
    near(last.validation_loss, evaluation.loss)
    if len(outputs(model, x)) == 1 and not history.standardized:
        near(last.validation_measured, evaluation.measured)
    for name in last.validation_metrics.keys() & evaluation.figures.keys():
        near(last.validation_metrics[name], evaluation.figures[name], name=name)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in RANDOM])
def test_a_step_on_all_samples_has_the_loss_of_their_evaluation(kind: str) -> None:
    """So have its gradients, a step with weights, and all with another loss."""
    model, x, y, _ = fitted(kind)
    before, weights = state(model), draw(kind).exponential(size=N)
    losses: list[Any] = [None, "huber"] if kind in ("regression", "images") else [None]
    for loss in losses:
        expected = model.evaluate(x, y, loss=loss).loss
        near(copy.deepcopy(model).gradients(x, y, loss=loss).loss, expected)
        near(copy.deepcopy(model).train_step(x, y, loss=loss).loss, expected)
        assert state(model) == before
    if len(outputs(model, x)) > 1:  # an evaluation has no weights
        return
    near(model.gradients(x, y, sample_weight=weights).loss, (model.evaluate(x, y).losses * weights).mean())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("custom")])
def test_a_saved_model_is_the_same(kind: str, tmp_path: Path) -> None:
    model, x, _, _ = fitted(kind)
    model.save(tmp_path / "m.safetensors")
    about = json.loads(json.dumps(model.about()))
    described = type(model).from_about(about, engine="numpy", weights=model.weights)
    for twin in (cr.load(tmp_path / "m.safetensors", engine="numpy"), copy.deepcopy(model), described):
        assert json.loads(json.dumps(twin.about())) == about
        assert state(twin) == state(model)
        assert (str(twin.summary()), str(twin.signature)) == (str(model.summary()), str(model.signature))
        for found, expected in zip(outputs(twin, x), outputs(model, x), strict=True):
            assert_array_equal(found, expected)
    untrained = KINDS[kind][0](engine="numpy")
    lines = str(untrained.summary()).splitlines()
    assert str(model.summary()).splitlines()[: len(lines)] == lines
    for name in model.names:
        assert sum(line.split()[0] == name for line in lines) == 1
    assert f"{model.parameters.size:,}" in lines[-1].split()
    assert model.parameters.size == sum(model.size(name) for name in model.names)


@pytest.mark.parametrize("kind", ["names", "regression", "map", "outputs"])
@pytest.mark.parametrize("normalization", ["standardize", "scale", "none"])
def test_a_second_training_has_the_normalization_of_the_first(kind: str, normalization: str) -> None:
    create, x, y = KINDS[kind]
    model, half = create(engine="numpy"), slice(None, None, 2)
    model.fit(x, y, progress=False, normalization=normalization, **DEFAULTS)
    first = model.normalization
    assert first.kind == normalization
    model.fit(each(lambda values: values[half], x), rows(y, half), progress=False, **DEFAULTS)
    assert model.normalization == first


@pytest.mark.parametrize("unit", [1, 255])
def test_files_and_pictures_are_read_as_the_arrays_of_training(unit: int, tmp_path: Path) -> None:
    """The bytes of a file are the numbers of a network that has seen bytes, and of one that has seen fractions."""
    images, labels = stripes(12)
    x: Any = images
    if unit == 1:
        x = images.astype(np.float32) / 255
    model = cr.Sequential([cr.Flatten(), cr.Dense(3), cr.Softmax()], (1, 8, 8), engine="numpy")
    model.fit(x, labels, epochs=2, progress=False)
    pictures, files = [Image.fromarray(image[0]) for image in images], list[Path]()
    for number, picture in enumerate(pictures):
        files.append(tmp_path / f"{number}.png")
        picture.save(files[-1])
    expected = model.predict(x)
    forms: list[list[Any]] = [pictures, [*files], [*map(str, files)]]
    for form in forms:
        near(model.predict(form), expected)
        near(model(form), expected)
        near(model.predict(form[3]), expected[3:4])
        assert_array_equal(model.predict_classes(form), model.predict_classes(x))


@pytest.mark.parametrize("kind", ["names", "regression", "map", "inputs and outputs"])
def test_a_share_for_validation_is_not_trained_on(kind: str) -> None:
    """A sample changes the weights or is held out; data sets of samples hold out the same ones as arrays."""
    create, x, y = KINDS[kind]
    options: dict[str, Any] = {**DEFAULTS, "validation_split": 0.25, "normalization": "none", "progress": False}

    def training(*data: Any) -> tuple[Any, Any]:
        model = create(engine="numpy")
        return model, model.fit(*data, **options)

    model, history = training(x, y)
    assert sum(history.sizes) == 9 * 2
    kept = list[int]()
    for number in range(N):
        moved = each(np.array, x)
        for array in parts(moved):
            array[number] = array[number] // 2 + 1
        if np.array_equal(training(moved, y)[0].parameters, model.parameters):
            kept.append(number)
    assert len(kept) == 3
    near(history["val_loss"][-1], model.evaluate(rows(x, kept), rows(y, kept)).loss)


@pytest.mark.parametrize("kind", KINDS)
def test_refused_calls_change_nothing(kind: str) -> None:
    model, x, y, _ = fitted(kind)
    before = state(model)
    calls = (
        lambda: model.fit(x, y, validation_split=1.0),
        lambda: model.fit(rows(x, slice(0)), rows(y, slice(0))),
        lambda: model.evaluate(x),
        lambda: model.train_step(x, y, clip_norm=-1.0),
    )
    for call in calls:
        with pytest.raises(ChainruleError):
            call()
    assert state(model) == before
