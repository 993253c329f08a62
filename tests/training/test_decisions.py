"""Thresholds, intervals, mistakes and metrics of decisions, compared with scikit-learn and SciPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close
from scipy.stats import binomtest
from sklearn import metrics as peer
from training.made import dense

import chainrule as cr
from chainrule.errors import ChainruleError, OptionError
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, Task
from chainrule.training.decisions import CRITERIA
from chainrule.training.metrics import Evaluation

SEEDS = st.integers(0, 2**32 - 1)
SCORES = {"balanced_accuracy": "balanced_accuracy_score", "f1": "f1_score", "matthews_corrcoef": "matthews_corrcoef"}


def drawn(seed: int, task: Task) -> tuple[Any, Any, Any]:
    """Draw outputs with ties, targets, and the true classes or labels."""
    draw = np.random.default_rng(seed)
    p = draw.integers(1, 9, (40, 1 if task == BINARY else 3)) / 16
    if task == CLASSIFICATION:
        y = np.append([0, 1, 2], draw.integers(0, 3, 37))
        return p / p.sum(1, keepdims=True), np.eye(3)[y], y
    t = (draw.random(p.shape) < p).astype(float)
    t[:2] = [[0], [1]]
    return p, t, t[:, 0] if task == BINARY else t


@given(seed=SEEDS, task=st.sampled_from([CLASSIFICATION, BINARY]))
def test_agreement(seed: int, task: Task) -> None:
    p, t, y = drawn(seed, task)
    evaluation = Evaluation(0.0, p, t, task)
    guesses, scores = (p.argmax(1), p) if task == CLASSIFICATION else (p[:, 0] >= 0.5, p[:, 0])
    for name in ("matthews_corrcoef", "cohen_kappa"):
        score = getattr(peer, name if name.startswith("m") else "cohen_kappa_score")
        assert_close(getattr(evaluation, name), score(y, guesses))
    assert_close(evaluation.log_loss, peer.log_loss(y, scores))
    expected = binomtest(int((y == guesses).sum()), len(y)).proportion_ci(0.9, "wilson")
    assert_close(evaluation.accuracy_interval(0.9), [*expected])
    curve = evaluation.curves[1]
    rates = peer.roc_curve(y == 1, p[:, p.shape[1] // 2], drop_intermediate=False)
    assert_close([curve.false_positive_rate, curve.recall], [rate[1:] for rate in rates[:2]])


@pytest.mark.parametrize("metric", CRITERIA)
@given(seed=SEEDS, task=st.sampled_from([BINARY, MULTI_LABEL]))
def test_no_threshold_is_better(metric: str, seed: int, task: Task) -> None:
    p, t, _ = drawn(seed, task)
    model = cr.Sequential([cr.Sigmoid()], p.shape[1:], dtype="float64", engine="numpy")
    x, score = np.log(p / (1 - p)), getattr(peer, SCORES[metric])
    columns = [*zip(model.predict(x).T, t.T, model.tune_thresholds(x, t, metric=metric), strict=True)]
    for q, y, threshold in columns:
        assert_close(score(y, q >= threshold), max(score(y, q >= limit) for limit in np.unique(q)))
    expected = [peer.f1_score(y, q >= threshold) for q, y, threshold in columns]
    assert_close(model.evaluate(x, t).f1[-len(expected) :], expected)


def test_thresholds_are_recorded_and_decide(tmp_path) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(60, 6)).astype("f4"), draw.integers(0, 2, (60, 3))
    model = dense(3, cr.Sigmoid())
    model.set_thresholds(0.2, 0.55, 0.9)
    model.fit(x, y, progress=False)
    model.save(tmp_path / "m.safetensors")
    cr.export_onnx(model, tmp_path / "m.onnx")
    yes = model.predict(x) >= [0.2, 0.55, 0.9]
    for loaded in (model, *(cr.load(tmp_path / name, engine="numpy") for name in ("m.safetensors", "m.onnx"))):
        assert loaded.predict_classes(x) == [tuple(str(k) for k in np.flatnonzero(row)) for row in yes]
        assert loaded.evaluate(x, y).label_accuracy == (yes == y).mean()
        assert loaded.signature.to_config()["outputs"]["y"]["thresholds"] == [0.2, 0.55, 0.9]
    model.set_thresholds()
    assert model.evaluate(x, y).label_accuracy == ((model.predict(x) >= 0.5) == y).mean()


def test_refusals() -> None:
    x, model, evaluation = np.zeros((2, 6), np.float32), dense(3, cr.Sigmoid()), dense(3, cr.Softmax()).evaluate
    calls: dict[str, Any] = {
        "expected 3 from 0 to 1": lambda: model.set_thresholds(0.5, 0.5, np.nan),
        "found 2 with it": lambda: model.tune_thresholds(x, [[1, 0, 1], [1, 1, 0]]),
        "metric of thresholds": lambda: model.tune_thresholds(x, [[0, 0, 1], [1, 1, 0]], metric="roc"),
        "classification": lambda: dense(3, cr.Softmax()).tune_thresholds(x, [0, 1]),
        "an entry of thresholds": lambda: cr.Sequential.from_about(model.about() | {"thresholds": ["a"]}),
        "level": lambda: evaluation(x, [0, 1]).accuracy_interval(95),
        "another name": lambda: evaluation(x, [0, 1], metrics={"loss": peer.hamming_loss}).figures,
        "metric a: expected a number": lambda: evaluation(x, [0, 1], metrics={"a": peer.confusion_matrix}).figures,
        "expected functions": lambda: evaluation(x, [0, 1], metrics=len),  # pyright: ignore
    }
    for message, call in calls.items():
        with pytest.raises(ChainruleError, match=message):
            call()


@given(seed=SEEDS, task=st.sampled_from([CLASSIFICATION, BINARY, MULTI_LABEL]))
def test_mistakes(seed: int, task: Task) -> None:
    p, t, y = drawn(seed, task)
    evaluation = Evaluation(0.0, p, t, task, losses=np.random.default_rng(seed).random(40))
    found, yes = evaluation.mistakes, p >= 0.5
    right = p.argmax(1) == y if task == CLASSIFICATION else (yes == t).all(1)
    assert sorted(row.sample for row in found) == np.flatnonzero(~right).tolist()
    assert [row.confidence for row in found] == sorted((row.confidence for row in found), reverse=True)
    for n, true, predicted, confidence, loss in found:
        assert loss == evaluation.losses[n]
        if task == CLASSIFICATION:
            assert (true, predicted) == (str(y[n]), str(p[n].argmax()))
            assert_close(confidence, p[n].max())
        else:
            assert_close(confidence, np.where(yes[n], p[n], 1 - p[n])[yes[n] != t[n]].max())
            words = [
                str(int(row[0])) if task == BINARY else ", ".join(map(str, np.flatnonzero(row)))
                for row in (t[n], yes[n])
            ]
            assert [true, predicted] == words


def test_the_loss_of_each_sample_is_that_of_the_sample_alone() -> None:
    x, y = np.random.default_rng(1).normal(size=(9, 6)).astype("f4"), np.arange(9) % 3
    for model in (dense(3, cr.Softmax()), dense(3, loss="softmax_cross_entropy")):
        alone = [model.evaluate(x[n : n + 1], y[n : n + 1]).loss for n in range(9)]
        assert_close(model.evaluate(x, y).losses, alone)


@given(seed=SEEDS)
def test_metrics_of_each_image(seed: int) -> None:
    y, z, draw = (np.random.default_rng(seed).integers(0, 3, (3, 4, 5, 6)) for _ in range(3))
    y, z, valid = y[0], z[1], draw[2] > 0
    evaluation = Evaluation(0.0, *(np.moveaxis(np.eye(3)[labels], -1, 1) for labels in (z, y)), valid=valid)
    for n in range(4):
        options: dict[str, Any] = {"labels": range(3), "average": None, "zero_division": 0}
        rows = y[n][valid[n]], z[n][valid[n]]
        assert_close(np.nan_to_num(evaluation.image_dices[n]), peer.f1_score(*rows, **options))
        assert_close(np.nan_to_num(evaluation.image_ious[n]), peer.jaccard_score(*rows, **options))
    with pytest.raises(OptionError, match="one answer for each sample"):
        _ = evaluation.mistakes


def test_metrics_that_are_functions() -> None:
    x, y = np.random.default_rng(0).normal(size=(30, 6)).astype("f4"), np.arange(30) % 3
    functions: dict[str, Any] = {"own": peer.hamming_loss}
    classes = dense(3, cr.Softmax()).evaluate(x, y, metrics=functions)
    assert classes.figures["own"] == pytest.approx(1 - classes.accuracy)
    labels = dense(3, cr.Sigmoid()).evaluate(x, np.eye(3)[y] + np.eye(3)[0] > 0, metrics=functions)
    assert labels.figures["own"] == pytest.approx(1 - labels.label_accuracy)
    numbers = dense(1, loss="mean_squared_error")
    found = numbers.evaluate(x, x[:, 0], metrics={"worst": peer.max_error})
    assert_close(found.figures["worst"], np.abs(numbers.predict(x)[:, 0] - x[:, 0]).max())
