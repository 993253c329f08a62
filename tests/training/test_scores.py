"""Metrics of decisions, ranked outputs and calibration, and thresholds: scikit-learn, SciPy and literal loops."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from scipy.stats import binomtest
from sklearn import metrics as peer
from training.made import classifier, dense, stripes

import chainrule as cr
from chainrule.errors import ChainruleError, DataError, OptionError
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL
from chainrule.training import history_files
from chainrule.training.calibration import best_temperature
from chainrule.training.decisions import CRITERIA
from chainrule.training.history import Epoch, History
from chainrule.training.metrics import Evaluation

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, count: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw probabilities (N, K) with many ties, and labels (N,) in which every class occurs."""
    generator = np.random.default_rng(seed)
    scores = generator.integers(1, 5, (count, classes)).astype(np.float32)
    labels = np.concatenate([np.arange(classes), generator.integers(0, classes, count - classes)])
    return scores / scores.sum(1, keepdims=True), labels


@given(seed=SEEDS, classes=st.integers(3, 8), logits=st.booleans())
def test_classes(seed: int, classes: int, logits: bool) -> None:
    p, y = drawn(seed, 40, classes)
    outputs = np.log(p) + 3.0 if logits else p
    evaluation = Evaluation(0.0, outputs, np.eye(classes)[y], CLASSIFICATION, logits=logits)
    guesses = outputs.argmax(1)
    expected = {
        "balanced_accuracy": peer.balanced_accuracy_score(y, guesses),
        "mean_f1": peer.f1_score(y, guesses, average="macro"),
        "matthews_corrcoef": peer.matthews_corrcoef(y, guesses),
        "cohen_kappa": peer.cohen_kappa_score(y, guesses),
        "log_loss": -np.log(p[np.arange(40), y]).mean(),
    }
    if not logits:  # rounding would break ties
        expected["roc_auc"] = peer.roc_auc_score(y, p.astype(np.float64), multi_class="ovr", labels=range(classes))
        expected["average_precision"] = peer.average_precision_score(np.eye(classes)[y], p)
        rates = peer.roc_curve(y == 1, p[:, 1], drop_intermediate=False)
        assert_close([*evaluation.curves[1][1:3]], [rate[1:] for rate in rates[:2]])
    for name, score in expected.items():
        assert_close(evaluation.scores[name], score, name=name)
    assert_array_equal(evaluation.correct, y == guesses)
    interval = binomtest(int((y == guesses).sum()), 40).proportion_ci(0.9, "wilson")
    assert_close(evaluation.accuracy_interval(0.9), [*interval])
    each = peer.precision_recall_fscore_support(y, guesses, labels=range(classes), zero_division=np.nan)
    assert_close([evaluation.precision, evaluation.recall, evaluation.f1], each[:3])
    assert_array_equal(evaluation.confusion, peer.confusion_matrix(y, guesses))
    pairs = zip(outputs, y, strict=True)
    better = np.array([sum(row > row[label]) + sum(row[:label] == row[label]) for row, label in pairs])
    assert evaluation.top_5_accuracy == np.mean(better < 5)
    assert ("top_5_accuracy" in evaluation.scores) == (classes > 5)


def test_the_areas_of_logits_are_those_of_their_probabilities() -> None:
    generator = np.random.default_rng(1)
    z, y = generator.normal(size=(60, 4)) * 3, generator.integers(0, 4, 60)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    evaluation = Evaluation(0.0, z, np.eye(4)[y], CLASSIFICATION, logits=True)
    assert_close(evaluation.roc_auc, peer.roc_auc_score(y, p, multi_class="ovr"))
    assert_close(evaluation.calibration_error, loops_of_calibration(p.max(1), p.argmax(1) == y))


@given(seed=SEEDS)
def test_one_output_and_labels(seed: int) -> None:
    scores, _ = drawn(seed, 50, 3)
    targets = np.random.default_rng(seed).integers(0, 2, (50, 3))
    targets[:2] = [[0], [1]]
    binary = Evaluation(0.0, scores[:, :1], targets[:, :1], BINARY)
    assert_close(binary.roc_auc, peer.roc_auc_score(targets[:, 0], scores[:, 0]))
    assert_close(binary.average_precision, peer.average_precision_score(targets[:, 0], scores[:, 0]))
    right = (scores[:, 0] >= 0.5) == targets[:, 0]
    sure = np.maximum(scores[:, 0].astype(np.float64), 1 - scores[:, 0].astype(np.float64))
    assert_close(binary.calibration_error, loops_of_calibration(sure, right))
    several = Evaluation(0.0, scores, targets, MULTI_LABEL)
    assert [*several.scores] == ["roc_auc", "average_precision"]
    areas = [peer.roc_auc_score(targets, scores), peer.average_precision_score(targets, scores)]
    assert_close([*several.scores.values()], areas)


@pytest.mark.parametrize("metric", CRITERIA)
@given(seed=SEEDS, labels=st.integers(1, 3))
def test_no_threshold_is_better(metric: str, seed: int, labels: int) -> None:
    """scikit-learn's score of each label is the best of those at all outputs, and decisions follow the thresholds."""
    p, targets = drawn(seed, 50, 3)[0][:, :labels], np.random.default_rng(seed).integers(0, 2, (50, labels))
    targets[:2] = [[0], [1]]
    model, x = cr.Sequential([cr.Sigmoid()], (labels,), dtype="float64", engine="numpy"), np.log(p / (1 - p))
    score = getattr(peer, metric if metric.startswith("m") else f"{metric}_score")
    columns = [*zip(model.predict(x).T, targets.T, model.tune_thresholds(x, targets, metric=metric), strict=True)]
    for q, y, threshold in columns:
        assert_close(score(y, q >= threshold), max(score(y, q >= limit) for limit in np.unique(q)))
    expected = [peer.f1_score(y, q >= threshold) for q, y, threshold in columns]
    assert_close(model.evaluate(x, targets).f1[-labels:], expected)


def test_thresholds_are_recorded_and_decide(tmp_path) -> None:
    draw = np.random.default_rng(0)
    x, model = draw.normal(size=(60, 6)).astype("f4"), dense(3, cr.Sigmoid())
    y = model.predict(x) + draw.normal(0, 0.3, (60, 3)) > 0.5
    model.set_thresholds(0.2, 0.55, 0.9)
    model.fit(x, y, progress=False)
    model.save(tmp_path / "m.safetensors")
    cr.export_onnx(model, tmp_path / "m.onnx")
    yes = model.predict(x) >= [0.2, 0.55, 0.9]
    for loaded in (model, *(cr.load(tmp_path / name, engine="numpy") for name in ("m.safetensors", "m.onnx"))):
        assert loaded.predict_classes(x) == [tuple(str(k) for k in np.flatnonzero(row)) for row in yes]
        assert loaded.evaluate(x, y).label_accuracy == (yes == y).mean()
        assert loaded.signature.to_config()["outputs"]["y"]["thresholds"] == [0.2, 0.55, 0.9]
    model.calibrate(x, y)
    assert model.evaluate(x, y).label_accuracy == (yes == y).mean()
    model.set_thresholds()
    assert model.evaluate(x, y).label_accuracy == ((model.predict(x) >= 0.5) == y).mean()


def test_refusals() -> None:
    x, model, evaluate = np.zeros((2, 6), np.float32), dense(3, cr.Sigmoid()), dense(3, cr.Softmax()).evaluate
    calls: dict[str, Any] = {
        "expected 3 from 0 to 1": lambda: model.set_thresholds(0.5, 0.5, np.nan),
        "found 2 with it": lambda: model.tune_thresholds(x, [[1, 0, 1], [1, 1, 0]]),
        "classification": lambda: dense(3, cr.Softmax()).tune_thresholds(x, [0, 1]),
        "an entry of thresholds": lambda: cr.Sequential.from_about(model.about() | {"thresholds": ["a"]}),
        "level": lambda: evaluate(x, [0, 1]).accuracy_interval(95),
        "metric a: expected a number": lambda: evaluate(x, [0, 1], metrics={"a": peer.confusion_matrix}).figures,
        "expected functions": lambda: evaluate(x, [0, 1], metrics=len),  # pyright: ignore
    }
    for message, call in calls.items():
        with pytest.raises(ChainruleError, match=message):
            call()


@given(seed=SEEDS, several=st.booleans())
def test_mistakes(seed: int, several: bool) -> None:
    p, y = drawn(seed, 40, 3)
    t = np.random.default_rng(seed).integers(0, 2, (40, 3)) if several else np.eye(3)[y]
    evaluation = Evaluation(0.0, p, t, MULTI_LABEL if several else CLASSIFICATION, losses=np.arange(40.0))
    said, found = p >= 0.5 if several else np.eye(3)[p.argmax(1)] == 1, evaluation.mistakes
    assert sorted(row.loss for row in found) == np.flatnonzero(~evaluation.correct).tolist()
    assert [row.confidence for row in found] == sorted((row.confidence for row in found), reverse=True)
    for n, true, predicted, confidence, _ in found:
        assert [true, predicted] == [", ".join(map(str, np.flatnonzero(row))) for row in (t[n], said[n])]
        sure = np.where(said[n], p[n], 1 - p[n].astype(np.float64))[said[n] != t[n]] if several else p[n]
        assert_close(confidence, sure.max())


@given(seed=SEEDS)
def test_metrics_of_each_image(seed: int) -> None:
    y, z = np.random.default_rng(seed).integers(0, 3, (2, 4, 5, 6))
    evaluation = Evaluation(0.0, *(np.moveaxis(np.eye(3)[labels], -1, 1) for labels in (z, y)), valid=y + z > 0)
    for n, counts in enumerate(y + z > 0):
        rows: Any = y[n][counts], z[n][counts]
        options: dict[str, Any] = {"labels": range(3), "average": None, "zero_division": 0}
        assert_close(np.nan_to_num(evaluation.image_dices[n]), peer.f1_score(*rows, **options))
        assert_close(np.nan_to_num(evaluation.image_ious[n]), peer.jaccard_score(*rows, **options))


def test_metrics_that_are_functions() -> None:
    x, y = np.random.default_rng(0).normal(size=(30, 6)).astype("f4"), np.arange(30) % 3
    classes = dense(3, cr.Softmax()).evaluate(x, y, metrics={"own": peer.hamming_loss})
    assert_close(classes.figures["own"], 1 - classes.accuracy)
    labels = dense(3, cr.Sigmoid()).evaluate(x, np.eye(3)[y] + np.eye(3)[0] > 0, metrics={"own": peer.hamming_loss})
    assert_close(labels.figures["own"], 1 - labels.label_accuracy)
    numbers = dense(1, loss="mean_squared_error").evaluate(x, x[:, 0], metrics={"own": peer.mean_absolute_error})
    assert_close(numbers.figures["own"], numbers.mean_absolute_error)


def loops_of_calibration(confidence: np.ndarray, correct: np.ndarray) -> float:
    error = 0.0
    for k in range(15):
        inside = [n for n, c in enumerate(confidence) if k / 15 < c <= (k + 1) / 15]
        if inside:
            error += abs(np.mean(correct[inside]) - np.mean(confidence[inside])) * len(inside) / len(confidence)
    return error


def test_undefined_areas_are_left_out() -> None:
    evaluation = Evaluation(0.0, np.eye(3)[[0, 1, 1]], np.eye(3)[[0, 0, 1]], CLASSIFICATION)
    assert np.isnan(evaluation.roc_aucs).tolist() == [False, False, True]
    assert evaluation.roc_auc == evaluation.roc_aucs[:2].mean()
    alone = Evaluation(0.0, np.eye(3)[[0, 1]], np.eye(3)[[0, 0]], CLASSIFICATION)
    assert alone.to_json()["roc_auc"] is alone.to_json()["classes"][2]["f1"] is None
    assert alone.average_precision == 1.0


@pytest.mark.parametrize(("task", "value"), [("regression", 0.3), ("dense", None)])
def test_other_tasks_have_no_ranking(task: str, value: float | None) -> None:
    model = dense(1, loss="mean_squared_error") if task == "regression" else dense(3, cr.Sigmoid())
    x, y = np.zeros((4, 6), np.float32), np.full(4, 0.3) if value else np.tile([0, 1, 1], (4, 1))
    evaluation = model.evaluate(x, y)
    assert set(evaluation.scores) == (set() if value else {"roc_auc", "average_precision"})
    with pytest.raises(OptionError):
        evaluation.plot_reliability()


@given(seed=SEEDS, classes=st.integers(2, 5), scale=st.floats(0.05, 30))
def test_best_temperature(seed: int, classes: int, scale: float) -> None:
    """Labels drawn from softmax(z): no other temperature has a smaller cross-entropy, and scaling z scales it."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=(200, classes))
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    y = np.array([generator.choice(classes, p=row) for row in p])

    def loss(t: float) -> float:
        return peer.log_loss(y, np.exp(z / t) / np.exp(z / t).sum(1, keepdims=True), labels=range(classes))

    try:
        found = best_temperature(z, y)
    except DataError:  # the draw's labels say the opposite
        assert loss(1e5) <= loss(1e3)
        return
    assert loss(found) <= min(loss(found * 1.02), loss(found / 1.02)) + 1e-12
    assert_close(best_temperature(z * scale, y), found * scale)


ENDINGS = {
    "softmax": ([cr.Dense(3), cr.Softmax()], None),
    "logits": ([cr.Dense(3)], "softmax_cross_entropy"),
    "pooled": ([cr.Reshape((2, 2, 3)), cr.Conv2D(3, 1), cr.GlobalAveragePool2D(), cr.Softmax()], None),
    "binary": ([cr.Dense(1), cr.Sigmoid()], None),
    "labels": ([cr.Dense(3), cr.Sigmoid()], None),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_calibrated_networks_have_the_least_loss(ending: str, tmp_path) -> None:
    """Networks with logits forty times too large are as good after calibration as with the true logits."""
    layers, loss = ENDINGS[ending]
    model = cr.Sequential([cr.Dense(12), cr.Tanh(), *layers], (6,), engine="numpy", seed=3, loss=loss)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(3000, 6)).astype(np.float32)
    p = model.predict(x)
    if ending == "logits":
        p = np.exp(p) / np.exp(p).sum(1, keepdims=True)
    u = generator.random((3000, 1))
    y = (generator.random(p.shape) < p) if ending in ("binary", "labels") else (p.cumsum(1) < u).sum(1).clip(0, 2)
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
    if ending != "labels":
        assert after.calibration_error < 0.05
    model.save(tmp_path / "model.safetensors")
    assert_close(cr.load(tmp_path / "model.safetensors").evaluate(x, y).loss, after.loss)


def test_dense_outputs_are_calibrated_as_their_positions() -> None:
    """The temperature is that of a network whose samples are the positions of the images."""
    draw = np.random.default_rng(4)
    images = cr.Sequential([cr.Conv2D(3, 1), cr.Softmax()], (2, 4, 5), engine="numpy", seed=1)
    rows = cr.Sequential([cr.Dense(3), cr.Softmax()], (2,), engine="numpy")
    x = draw.normal(size=(60, 2, 4, 5)).astype("f4")
    y = np.where(draw.random((60, 4, 5)) < 0.3, draw.integers(0, 3, (60, 4, 5)), images.predict(x).argmax(1))
    images.weights["conv1.w"] = 9 * images.weights["conv1.w"]
    rows.weights["dense1.w"] = images.weights["conv1.w"][..., 0, 0]
    temperature = images.calibrate(x, y)
    assert temperature > 2
    assert_close(rows.calibrate(np.moveaxis(x, 1, -1).reshape(-1, 2), y.reshape(-1)), temperature)


def test_what_cannot_be_calibrated() -> None:
    x, y = np.zeros((4, 6), np.float32), [0, 1, 2, 0]
    for ending in ([cr.Dense(3), cr.Tanh(), cr.Softmax()], [cr.Dense(3), cr.BatchNorm1D(), cr.Softmax()]):
        with pytest.raises(OptionError, match="expected Dense"):
            cr.Sequential(ending, (6,), engine="numpy").calibrate(x, y)
    shared = cr.Dense(6)
    node = cr.Input((6,))
    twice = cr.Graph(node, cr.Softmax()(shared(shared(node))), engine="numpy")
    with pytest.raises(OptionError, match="used once"):
        twice.calibrate(x, y)
    model = classifier()
    images, labels = stripes()
    model.fit(images, labels, epochs=30, learning_rate=0.01, progress=False)
    with pytest.raises(DataError, match="misclassified"):
        model.calibrate(images, labels)


@pytest.mark.parametrize("content", ["epoch,a\n1,x\n", "epoch,a\n", "epoch,a\n2,0.5\n", "epoch,a\n1,0.5,0.5\n", "\0"])
def test_damaged_validation_metrics(tmp_path, content: str) -> None:
    path = tmp_path / "validation.csv"
    path.write_text(content)
    log = History(epochs=[Epoch(1, 3, 0.5)])
    if content == "\0":  # no metrics at all
        history_files.add_validation(log, path)
        assert not log.epochs[0].validation_metrics
        return
    with pytest.raises(cr.FormatError, match="row of epoch 1"):
        history_files.add_validation(log, path)


def test_validation_metrics_of_any_name(tmp_path) -> None:
    metrics = {'an "odd", name': 1 / 3, "größe": float("inf"), "c": -5e-324}
    log = History(epochs=[Epoch(n, n, 0.5, validation_metrics=metrics) for n in (1, 2)])
    path = tmp_path / "validation.csv"
    path.write_bytes(log.validation_csv())
    again = History(epochs=[Epoch(n, n, 0.5) for n in (1, 2)])
    history_files.add_validation(again, path)
    assert again.epochs == log.epochs
