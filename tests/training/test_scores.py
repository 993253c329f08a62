"""Metrics, thresholds and calibration: scikit-learn, SciPy and literal loops."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from scipy.stats import binomtest
from scipy.stats import t as student_t
from selection import draws
from sklearn import metrics as peer
from training.drawn_fits import KINDS
from training.made import classifier, dense, stripes
from training.metric_peers import CLASSES, CLASSES_OR_LABELS, LABELS, NUMBERS, PROBABILITIES, RANKINGS, TABLES, Peer

import chainrule as cr
from chainrule.errors import ChainruleError, DataError, OptionError
from chainrule.network.labels import Labels
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, REGRESSION
from chainrule.training import history_files
from chainrule.training.calibration import best_temperature
from chainrule.training.decisions import CRITERIA, student_quantile, wilson_interval
from chainrule.training.history import Epoch, History
from chainrule.training.metric_table import METRICS
from chainrule.training.metrics import Evaluation

student: Any = student_t  # without type annotations
SEEDS = st.integers(0, 2**32 - 1)
TASKS = {"classes": CLASSIFICATION, "logits": CLASSIFICATION, "binary": BINARY, "labels": MULTI_LABEL}


def test_every_metric_is_compared_with_that_of_another_library() -> None:
    compared = {name for table in TABLES for name in table}
    assert METRICS.keys() - {"loss", "psnr"} <= compared  # of losses: test_gradients.py; of the peak: below


def drawn(kind: str, seed: int, columns: int, count: int = 40) -> tuple[Evaluation, Any, Any, Any]:
    """Draw outputs, with many ties unless they are logits; return an evaluation, answers, decisions, probabilities.

    Every class occurs, and each label with both answers.
    """
    generator = np.random.default_rng(seed)
    scores = generator.integers(1, 5, (count, columns)).astype(np.float32)
    outputs = 3 * generator.normal(size=scores.shape) if kind == "logits" else scores / scores.sum(1, keepdims=True)
    y = np.concatenate([np.arange(columns), generator.integers(0, columns, count - columns)])
    targets, p = np.eye(columns)[y], softmax(outputs, 1) if kind == "logits" else outputs
    if kind in ("binary", "labels"):
        y = targets = generator.integers(0, 2, (count, columns))
        targets[:2] = [[0], [1]]
    guesses = p >= 0.5 if kind == "labels" else p.argmax(1)
    if kind == "binary":
        outputs, targets, y = outputs[:, :1], targets[:, :1], targets[:, 0]
        p = np.stack([1 - outputs[:, 0].astype(np.float64), outputs[:, 0]], 1)
        guesses = (p[:, 1] >= 0.5).astype(int)
    losses = np.arange(float(count))
    return Evaluation(0.0, outputs, targets, TASKS[kind], losses=losses, logits=kind == "logits"), y, guesses, p


def compare(evaluation: Evaluation, table: Mapping[str, Peer], y: Any, answers: Any, weights: Any) -> None:
    """Compare the metrics of a table, as properties and as scores; they are differences of terms up to 1."""
    for name, metric in table.items():
        expected = metric(y, answers, sample_weight=weights)
        assert_close(getattr(evaluation, name), expected, magnitude=1, dtype=np.float32, name=name)
        if name in evaluation.scores:
            assert evaluation.scores[name] == getattr(evaluation, name)


def weigh(evaluation: Evaluation, seed: int | None) -> tuple[Evaluation, Any]:
    """Return the evaluation with weights of the samples, and these weights; without a seed, all are 1."""
    if seed is None:
        return evaluation, np.ones(evaluation.samples)
    weights = np.random.default_rng(seed).exponential(size=evaluation.samples)
    weights /= weights.mean()
    return evaluation.with_weights(weights), weights


@pytest.mark.parametrize("kind", TASKS)
@given(seed=SEEDS, columns=st.integers(3, 8), weight_seed=st.none() | SEEDS)
def test_metrics_are_those_of_scikit_learn(kind: str, seed: int, columns: int, weight_seed: int | None) -> None:
    evaluation, y, guesses, p = drawn(kind, seed, columns)
    evaluation, weights = weigh(evaluation, weight_seed)
    defined = {*CLASSES_OR_LABELS, *RANKINGS}
    compare(evaluation, CLASSES_OR_LABELS, y, guesses, weights)
    one_hot = np.eye(columns)[y] if y.ndim == 1 else y
    ranked = (y, p[:, 1]) if kind == "binary" else (one_hot, p)
    compare(evaluation, RANKINGS, *ranked, weights)
    if kind == "labels":
        assert [*evaluation.scores] == [*RANKINGS]
        compare(evaluation, LABELS, y, guesses, weights)
        defined |= LABELS.keys()
    else:
        compare(evaluation, CLASSES, y, guesses, weights)
        names = {*PROBABILITIES}
        if kind == "binary":
            names -= {"top_5_accuracy"}
        if kind == "classes":  # the other's confidences may lie between two bins
            names -= {"calibration_error"}
        compare(evaluation, {name: PROBABILITIES[name] for name in names}, y, p, weights)
        defined |= CLASSES.keys()
        interval = binomtest(int((y == guesses).sum()), len(y)).proportion_ci(0.9, "wilson")
        assert_close(evaluation.accuracy_interval(0.9), [*interval])
        assert_array_equal(evaluation.correct, y == guesses)
    if kind in ("classes", "logits"):
        assert ("top_5_accuracy" in evaluation.scores) == (columns > 5)
        rates = peer.roc_curve(y == 1, p[:, 1], drop_intermediate=False)
        assert_close([*evaluation.curves[1][1:3]], [rate[1:] for rate in rates[:2]])
    for undefined in {"accuracy", "label_accuracy", "r2"} - defined:
        with pytest.raises(OptionError, match=f"is not defined for {evaluation.task.name}"):
            getattr(evaluation, undefined)


@given(seed=SEEDS, columns=st.integers(1, 4), weight_seed=st.none() | SEEDS)
def test_errors_are_those_of_scikit_learn(seed: int, columns: int, weight_seed: int | None) -> None:
    y, noise = np.random.default_rng(seed).normal(size=(2, 30, columns))
    evaluation = Evaluation(0.0, y + noise, y, REGRESSION, losses=np.zeros(30))
    evaluation, weights = weigh(evaluation, weight_seed)
    compare(evaluation, NUMBERS, y, y + noise, weights)
    assert not evaluation.scores


@pytest.mark.parametrize("kind", ["classes", "labels"])
@given(seed=SEEDS)
def test_mistakes_are_sorted_by_confidence(kind: str, seed: int) -> None:
    evaluation, _, _, p = drawn(kind, seed, 3)
    t = evaluation.targets
    decided, mistakes = p >= 0.5 if kind == "labels" else np.eye(3)[p.argmax(1)] == 1, evaluation.mistakes
    assert sorted(row.loss for row in mistakes) == np.flatnonzero(~evaluation.correct).tolist()
    assert [row.confidence for row in mistakes] == sorted((row.confidence for row in mistakes), reverse=True)
    for n, true, predicted, confidence, _ in mistakes:
        assert [true, predicted] == [", ".join(map(str, np.flatnonzero(row))) for row in (t[n], decided[n])]
        sure = np.where(decided[n], p[n], 1 - p[n].astype(np.float64))
        assert_close(confidence, sure[decided[n] != t[n]].max() if kind == "labels" else p[n].max())


@given(seed=SEEDS)
def test_positions_are_counted_as_pixels_and_by_image(seed: int) -> None:
    y, z = np.random.default_rng(seed).integers(0, 3, (2, 4, 5, 6))
    valid = y + z > 0
    arrays = (np.moveaxis(np.eye(3)[labels], -1, 1) for labels in (z, y))
    evaluation = Evaluation(0.0, *arrays, valid=valid, labels=Labels(tuple("abc")))
    options: dict[str, Any] = {"labels": range(3), "average": None, "zero_division": np.nan}
    expected = np.array([peer.f1_score(y[n][counts], z[n][counts], **options) for n, counts in enumerate(valid)])
    assert_close(evaluation.image_dices, expected)
    assert_close(evaluation.image_ious, expected / (2 - expected))
    weighted = replace(evaluation, weights=np.arange(4) / 1.5)
    assert_close(weighted.image_ious, evaluation.image_ious)
    dice = peer.f1_score(y[valid], z[valid], **options)
    assert_close([row["iou"] for row in evaluation.to_json()["classes"]], dice / (2 - dice))
    assert [row["samples"] for row in evaluation.to_json()["classes"]] == [(y[valid] == k).sum() for k in range(3)]
    mean = {"accuracy": np.mean(y[valid] == z[valid]), "mean_iou": np.mean(dice / (2 - dice)), "mean_dice": dice.mean()}
    assert_close([*evaluation.figures.values()], [*mean.values(), 0.0], dtype=np.float32)
    assert [*evaluation.figures] == [*mean, "loss"]


def test_undefined_metrics_are_left_out() -> None:
    evaluation = Evaluation(0.0, np.eye(3)[[0, 1, 1]], np.eye(3)[[0, 0, 1]], CLASSIFICATION)
    assert np.isnan(evaluation.roc_aucs).tolist() == [False, False, True]
    assert evaluation.roc_auc == evaluation.roc_aucs[:2].mean()
    alone = Evaluation(0.0, np.eye(3)[[0, 1]], np.eye(3)[[0, 0]], CLASSIFICATION)
    assert alone.to_json()["roc_auc"] is alone.to_json()["classes"][2]["f1"] is None
    assert alone.average_precision == 1.0
    t = np.linspace(0, 2, 40).reshape(2, 1, 4, 5)
    assert Evaluation(0.0, t, t, REGRESSION).psnr == np.inf


@pytest.mark.parametrize("kind", ["classes", "binary", "labels", "numbers"])
@given(seed=SEEDS)
def test_weights_of_samples_are_those_of_scikit_learn(kind: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, w = generator.normal(size=(60, 4)), generator.exponential(size=60) * (generator.random(60) < 0.9)
    ending = {"classes": [cr.Softmax()], "numbers": []}.get(kind, [cr.Sigmoid()])
    outputs = 1 if kind == "binary" else 3
    y: Any = generator.integers(0, 2, (60, outputs)) if ending else generator.normal(size=(60, 3))
    y = np.r_[0, 1, 2, generator.integers(0, 3, 57)] if kind == "classes" else y[:, 0] if kind == "binary" else y
    options: dict[str, Any] = {} if ending else {"loss": "huber"}
    model = cr.Sequential([cr.Dense(outputs), *ending], (4,), engine="numpy", dtype="float64", **options)
    model.fit(x, y, progress=False)

    def agreement(true: Any, predicted: Any, sample_weight: Any) -> float:
        equal = np.equal(true, predicted).reshape(60, -1)
        return float(np.average(equal[:, 0], weights=sample_weight))

    mine: dict[str, Any] = {"of_user": agreement}
    found, p = model.evaluate(x, y, sample_weight=w, metrics=mine), model.predict(x)
    alone = model.evaluate(x[w > 0], y[w > 0])
    assert_close(model.evaluate(x, y, sample_weight=(w > 0) * 2.5).loss, alone.loss)
    known: dict[str, Any] = {"sample_weight": w}
    if kind == "numbers":
        assert_close(found.r2, peer.r2_score(y, p, **known), magnitude=1)
        assert_close(found.root_mean_squared_error**2, peer.mean_squared_error(y, p, **known))
        assert_close(found.mean_absolute_error, peer.mean_absolute_error(y, p, **known))
        return
    z = p.argmax(1) if kind == "classes" else (p >= 0.5).astype(int)
    assert_close(found.f1[-1], peer.f1_score(y, z, average=None, **known)[-1])
    if kind == "labels":
        assert_close(found.exact_match, peer.accuracy_score(y, z, **known))
        assert_close(found.average_precision, peer.average_precision_score(y, p, **known))
        assert_close(found.roc_auc, peer.roc_auc_score(y, p, **known))
        return
    assert_close(found.accuracy, peer.accuracy_score(y, z, **known))
    assert_close(found.loss, peer.log_loss(y, p, **known))
    assert_close(found.figures["of_user"], found.accuracy)
    if kind == "binary":
        assert_close(found.roc_auc, peer.roc_auc_score(y, p[:, 0], **known))


def test_validation_data_may_have_weights() -> None:
    generator = np.random.default_rng(0)
    x, y, w = generator.normal(size=(60, 4)), generator.normal(size=60), generator.exponential(size=60)
    model = cr.Sequential([cr.Dense(1)], (4,), engine="numpy")
    history = model.fit(x, y, validation_data=(x, y, w), progress=False)
    assert_close(history["validation_loss"], [np.mean(w * model.evaluate(x, y).losses)], dtype=np.float32)
    with pytest.raises(OptionError, match="x, y, weights"):
        model.fit(x, y, validation_data=(x, y, w, w), progress=False)


UNITS: list[tuple[Any, float]] = [(np.uint8, 255.0), (np.float32, 1.0), (np.int64, 255.0)]


@pytest.mark.parametrize(("dtype", "peak"), UNITS)
@pytest.mark.parametrize("several", [False, True])
@given(seed=SEEDS)
def test_the_peak_is_that_of_the_unit(dtype: Any, peak: float, several: bool, seed: int) -> None:
    """Compare with the formula of scikit-image for images of low contrast, alone and together, also from a file."""
    generator = np.random.default_rng(seed)
    x = generator.integers(60, 180, (9, 1, 4, 5))
    x = (x / 255 if dtype == np.float32 else x).astype(dtype)
    inputs = cr.Input((1, 4, 5))
    images = cr.Conv2D(1, 1)(inputs)
    outputs = {"image": images, "mean": cr.Dense(1)(cr.Flatten()(inputs))} if several else images
    y: Any = {"image": x, "mean": np.arange(9.0)} if several else x
    model = cr.Graph(inputs, outputs, engine="numpy", loss={"image": "huber", "mean": "huber"} if several else "huber")
    model.fit(x, y, progress=False)
    model = cr.Graph.from_about(model.about(), engine="numpy", weights=model.weights)

    def ratio(rows: slice, **options: Any) -> float:
        chosen = {name: values[rows] for name, values in y.items()} if several else y[rows]
        evaluation = model.evaluate(x[rows], chosen, **options)
        return (evaluation["image"] if several else evaluation).psnr

    p = model.predict(x)["image"] if several else model.predict(x)
    for rows in (slice(None), slice(2), slice(3, 4)):
        error = np.square(p[rows] - x[rows].astype(float)).mean()
        assert_close(ratio(rows), 10 * np.log10(peak**2 / error))
        assert_close(ratio(rows, peak=7), 10 * np.log10(7**2 / error))


@pytest.mark.parametrize("metric", CRITERIA)
@given(seed=SEEDS, labels=st.integers(1, 3))
def test_no_threshold_is_better(metric: str, seed: int, labels: int) -> None:
    """scikit-learn's score of each label is the best of those at all outputs, and decisions follow the thresholds."""
    evaluation, targets, *_ = drawn("labels", seed, 3, 50)
    p, targets = evaluation.outputs[:, :labels], targets[:, :labels]
    model, x = cr.Sequential([cr.Sigmoid()], (labels,), dtype="float64", engine="numpy"), np.log(p / (1 - p))
    score = getattr(peer, metric if metric.startswith("m") else f"{metric}_score")
    columns = [*zip(model.predict(x).T, targets.T, model.tune_thresholds(x, targets, metric=metric), strict=True)]
    for q, y, threshold in columns:
        assert_close(score(y, q >= threshold), max(score(y, q >= limit) for limit in np.unique(q)))
    expected = [peer.f1_score(y, q >= threshold) for q, y, threshold in columns]
    assert_close(model.evaluate(x, targets).f1[-labels:], expected)


def test_thresholds_are_recorded_and_decide(tmp_path: Path) -> None:
    draw, limits = np.random.default_rng(0), [0.2, 0.55, 0.9]
    x, model = draw.normal(size=(60, 6)).astype("f4"), dense(3, cr.Sigmoid())
    y = model.predict(x) + draw.normal(0, 0.3, (60, 3)) > 0.5
    model.set_thresholds(*limits)
    model.fit(x, y, progress=False)
    model.save(tmp_path / "m.safetensors")
    cr.export_onnx(model, tmp_path / "m.onnx")
    yes = model.predict(x) >= limits
    for loaded in (model, *(cr.load(tmp_path / name, engine="numpy") for name in ("m.safetensors", "m.onnx"))):
        assert loaded.predict_classes(x) == [tuple(str(k) for k in np.flatnonzero(row)) for row in yes]
        assert loaded.evaluate(x, y).label_accuracy == (yes == y).mean()
        assert loaded.signature.to_config()["outputs"]["y"]["thresholds"] == limits
    model.calibrate(x, y)
    assert model.evaluate(x, y).label_accuracy == (yes == y).mean()
    model.set_thresholds()
    assert model.evaluate(x, y).label_accuracy == ((model.predict(x) >= 0.5) == y).mean()


def test_metrics_that_are_functions_get_answers_as_scikit_learn_does() -> None:
    x, y = np.random.default_rng(0).normal(size=(30, 6)).astype("f4"), np.arange(30) % 3
    several = np.eye(3)[y] + np.eye(3)[0] > 0
    cases: list[tuple[cr.Sequential, Any, Any, Callable[[Any], float]]] = [
        (dense(3, cr.Softmax()), y, peer.hamming_loss, lambda evaluation: 1 - evaluation.accuracy),
        (dense(3, cr.Sigmoid()), several, peer.hamming_loss, lambda evaluation: 1 - evaluation.label_accuracy),
        (dense(1), x[:, 0], peer.mean_absolute_error, lambda evaluation: evaluation.mean_absolute_error),
    ]
    for model, targets, metric, expected in cases:
        evaluation = model.evaluate(x, targets, metrics={"own": metric})
        assert_close(evaluation.figures["own"], expected(evaluation))


@given(seed=SEEDS, classes=st.integers(2, 5), scale=st.floats(0.05, 30))
def test_no_temperature_is_better(seed: int, classes: int, scale: float) -> None:
    """Labels drawn from softmax(z): no other temperature has a smaller cross-entropy, and scaling z scales it."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=(200, classes))
    y = np.array([generator.choice(classes, p=row) for row in softmax(z, 1)])

    def loss(t: float) -> float:
        return peer.log_loss(y, softmax(z / t, 1), labels=range(classes))

    try:
        temperature = best_temperature(z, y)
    except DataError:  # the draw's labels say the opposite
        assert loss(1e5) <= loss(1e3)
        return
    assert loss(temperature) <= min(loss(temperature * 1.02), loss(temperature / 1.02)) + 1e-12
    assert_close(best_temperature(z * scale, y), temperature * scale)


@pytest.mark.parametrize("kind", ["classes", "logits", "binary", "multi-label", "signal", "binary map"])
def test_calibrated_networks_have_the_least_loss(kind: str, tmp_path: Path) -> None:
    """Networks with logits forty times too large are as good after calibration as with the true logits."""
    create, inputs, _ = KINDS[kind]
    model, generator = create(engine="numpy"), np.random.default_rng(0)
    x = generator.normal(size=(600, *inputs.shape[1:])).astype(np.float32)
    p = softmax(model.predict(x), 1) if kind == "logits" else model.predict(x)
    u, is_yes_or_no = generator.random((600, 1, *p.shape[2:])), kind.startswith(("binary", "multi"))
    y = (generator.random(p.shape) < p) if is_yes_or_no else (p.cumsum(1) < u).sum(1).clip(0, 2)
    y = y.astype(np.int64)
    best, guesses = model.evaluate(x, y).loss, model.predict(x).argmax(1)
    last = [name for name in model.weights if name.endswith(".w")][-1].removesuffix(".w")
    for name in ("w", "b"):
        model.weights[f"{last}.{name}"][...] *= 40
    assert model.evaluate(x, y).loss > best + 0.1
    assert model.calibrate(x, y) > 20
    after = model.evaluate(x, y)
    assert after.loss <= best + 1e-6
    assert (model.predict(x).argmax(1) == guesses).all()
    model.save(tmp_path / "model.safetensors")
    assert_close(cr.load(tmp_path / "model.safetensors").evaluate(x, y).loss, after.loss)


def calibrate_perfect(model: cr.Sequential) -> None:
    images, labels = stripes()
    model.fit(images, labels, epochs=30, learning_rate=0.01, progress=False)
    model.calibrate(images, labels)


def test_thresholds_metrics_and_temperatures_that_cannot_be_are_refused() -> None:
    x, y, model = np.zeros((4, 6), np.float32), [0, 1, 2, 0], dense(3, cr.Sigmoid())
    several, classes = np.tile([0, 1, 1], (4, 1)), dense(3, cr.Softmax())
    shared, node = cr.Dense(6), cr.Input((6,))
    twice = cr.Graph(node, cr.Softmax()(shared(shared(node))), engine="numpy")
    unscaled = cr.Sequential([cr.Dense(3), cr.BatchNorm1D(), cr.Softmax()], (6,), engine="numpy")
    calls: dict[str, Any] = {
        "expected 3 from 0 to 1": lambda: model.set_thresholds(0.5, 0.5, np.nan),
        "found 0 with it": lambda: model.tune_thresholds(x, several),
        "the task is classification": lambda: classes.tune_thresholds(x, y),
        "an entry of thresholds": lambda: cr.Sequential.from_about(model.about() | {"thresholds": ["a"]}),
        "level": lambda: classes.evaluate(x, y).accuracy_interval(95),
        "metric a: expected a number": lambda: classes.evaluate(x, y, metrics={"a": peer.confusion_matrix}).figures,
        "expected functions": lambda: classes.evaluate(x, y, metrics=len),  # pyright: ignore
        "not defined for multi-label": model.evaluate(x, several).plot_reliability,
        "not defined for regression": dense(1).evaluate(x, np.full(4, 0.3)).plot_reliability,
        "expected Dense": lambda: unscaled.calibrate(x, y),
        "used once": lambda: twice.calibrate(x, y),
        "misclassified": lambda: calibrate_perfect(classifier()),
    }
    for message, call in calls.items():
        with pytest.raises(ChainruleError, match=message):
            call()


@pytest.mark.parametrize("content", ["epoch,a\n1,x\n", "epoch,a\n", "epoch,a\n2,0.5\n", "epoch,a\n1,0.5,0.5\n"])
def test_validation_metrics_of_any_name_are_read_back_unless_damaged(tmp_path: Path, content: str) -> None:
    metrics = {'an "odd", name': 1 / 3, "größe": float("inf"), "c": -5e-324}
    log = History(epochs=[Epoch(n, n, 0.5, validation_metrics=metrics) for n in (1, 2)])
    path, again = tmp_path / "validation.csv", History(epochs=[Epoch(n, n, 0.5) for n in (1, 2)])
    path.write_bytes(history_files.validation_csv(log))
    history_files.add_validation(again, path)
    assert again.epochs == log.epochs
    path.write_text(content)
    with pytest.raises(cr.FormatError, match="row of epoch 1"):
        history_files.add_validation(again, path)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99999])
def test_intervals_of_probabilities_are_between_0_and_1(level: float) -> None:
    for total in (1, 3, 10, 49, 1000, 12345):
        for correct in {0, 1, total // 3, total - 1, total}:
            low, high = wilson_interval(correct, total, level)
            assert_close([low, high], [*binomtest(correct, total).proportion_ci(level, "wilson")], dtype=float)
            assert 0 <= low < high <= 1


@settings(max_examples=draws(20))
@given(st.floats(0.01, 0.999), st.integers(1, 200))
def test_quantiles_are_those_of_scipy(level: float, freedom: int) -> None:
    assert_allclose(student_quantile(level, freedom), student.ppf((1 + level) / 2, freedom), rtol=1e-6)
