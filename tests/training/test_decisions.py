"""Thresholds, intervals, mistakes and metrics of decisions, compared with scikit-learn and SciPy."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from scipy.stats import binomtest
from sklearn import metrics as peer
from training.made import dense

import chainrule as cr
from chainrule.errors import DataError, FormatError, OptionError
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, Task
from chainrule.training.decisions import CRITERIA, wilson_interval
from chainrule.training.metrics import Evaluation

SEEDS = st.integers(0, 2**32 - 1)
PEERS: dict[str, Any] = {
    "f1": peer.f1_score,
    "balanced_accuracy": peer.balanced_accuracy_score,
    "matthews_corrcoef": peer.matthews_corrcoef,
}


def drawn(seed: int, task: Task, classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw outputs with ties, targets, and labels as scikit-learn reads them."""
    draw = np.random.default_rng(seed)
    p = draw.integers(1, 9, (40, 1 if task == BINARY else classes)) / 16
    if task == CLASSIFICATION:
        y = np.append(np.arange(classes), draw.integers(0, classes, 40 - classes))
        return p / p.sum(1, keepdims=True), np.eye(classes)[y], y
    t = (draw.random(p.shape) < p).astype(float)
    t[:2] = [[0], [1]]
    return p, t, t[:, 0] if task == BINARY else t


@given(seed=SEEDS, task=st.sampled_from([CLASSIFICATION, BINARY]))
def test_agreement(seed: int, task: Task) -> None:
    p, t, y = drawn(seed, task)
    evaluation = Evaluation(0.0, p, t, task)
    guesses = p.argmax(1) if task == CLASSIFICATION else p[:, 0] >= 0.5
    with warnings.catch_warnings(action="ignore"):
        kappa = peer.cohen_kappa_score(y, guesses)
    assert_close(evaluation.matthews_corrcoef, peer.matthews_corrcoef(y, guesses))
    assert_close(evaluation.cohen_kappa, kappa)
    assert_close(evaluation.log_loss, peer.log_loss(y, p if task == CLASSIFICATION else p[:, 0]))
    assert_array_equal(evaluation.correct, y == guesses)
    expected = binomtest(int((y == guesses).sum()), len(y)).proportion_ci(0.9, "wilson")
    assert_close(evaluation.accuracy_interval(0.9), [*expected])
    curve = evaluation.curves[1]
    fpr, tpr, _ = peer.roc_curve(y == 1, p[:, -1] if task == BINARY else p[:, 1], drop_intermediate=False)
    assert_close([curve.false_positive_rate, curve.recall], [fpr[1:], tpr[1:]])


def test_degenerate_decisions() -> None:
    evaluation = Evaluation(0.0, np.eye(2)[[0, 0]], np.eye(2)[[0, 0]], CLASSIFICATION)
    assert np.isnan(evaluation.cohen_kappa)
    assert evaluation.matthews_corrcoef == 0
    for correct in (0, 7):
        assert_close(wilson_interval(correct, 7, 0.95), [*binomtest(correct, 7).proportion_ci(0.95, "wilson")])
    with pytest.raises(OptionError, match="level"):
        evaluation.accuracy_interval(95)


@pytest.mark.parametrize("metric", CRITERIA)
@given(seed=SEEDS, task=st.sampled_from([BINARY, MULTI_LABEL]))
def test_no_threshold_is_better(metric: str, seed: int, task: Task) -> None:
    p, t, _ = drawn(seed, task)
    model = cr.Sequential([cr.Sigmoid()], p.shape[1:], dtype="float64", engine="numpy")
    x = np.log(p / (1 - p))
    columns = [*zip(model.predict(x).T, t.T, model.tune_thresholds(x, t, metric=metric), strict=True)]
    for q, y, threshold in columns:
        best = max(PEERS[metric](y, q >= limit) for limit in np.unique(q))
        assert_close(PEERS[metric](y, q >= threshold), best)
    expected = [peer.f1_score(y, q >= threshold) for q, y, threshold in columns]
    assert_close(model.evaluate(x, t).f1[-len(expected) :], expected)


def labels_model(outputs: int = 3) -> cr.Sequential:
    return cr.Sequential([cr.Dense(outputs), cr.Sigmoid()], (4,), engine="numpy", seed=2)


def test_thresholds_are_recorded_and_decide(tmp_path) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(60, 4)).astype("f4"), draw.integers(0, 2, (60, 3))
    model = labels_model()
    model.fit(x, y, progress=False)
    outputs = model.predict(x)
    model.set_thresholds(0.2, 0.55, 0.9)
    model.fit(x, y, learning_rate=1e-30, progress=False)
    model.save(tmp_path / "m.safetensors")
    cr.export_onnx(model, tmp_path / "m.onnx")
    for loaded in (model, *(cr.load(tmp_path / name, engine="numpy") for name in ("m.safetensors", "m.onnx"))):
        yes = outputs >= [0.2, 0.55, 0.9]
        assert loaded.predict_classes(x) == [tuple(str(k) for k in np.flatnonzero(row)) for row in yes]
        assert loaded.evaluate(x, y).label_accuracy == (yes == y).mean()
        assert next(iter(loaded.signature.outputs.values())).thresholds == (0.2, 0.55, 0.9)
    model.set_thresholds()
    assert model.evaluate(x, y).label_accuracy == ((outputs >= 0.5) == y).mean()


def test_refusals() -> None:
    x = np.zeros((4, 4), np.float32)
    model = labels_model()
    for values in ([0.5], [0.5, 0.5, 1.5], [0.5, 0.5, np.nan], ["a", "b", "c"]):
        with pytest.raises(OptionError, match="3 from 0 to 1"):
            model.set_thresholds(*values)
    with pytest.raises(OptionError, match="metric of thresholds"):
        model.tune_thresholds(x, [[0, 1, 1], [1, 0, 0], [1, 1, 1], [0, 0, 1]], metric="roc")
    with pytest.raises(DataError, match="found 4 with it"):
        model.tune_thresholds(x, [[1, 1, 1], [1, 0, 0], [1, 1, 1], [1, 0, 1]])
    with pytest.raises(OptionError, match="classification"):
        dense(3, cr.Softmax()).tune_thresholds(np.zeros((4, 6), np.float32), [0, 1, 2, 1])
    about = model.about() | {"thresholds": 0.5}
    with pytest.raises(FormatError, match="thresholds"):
        cr.Sequential.from_about(about, engine="numpy")


@given(seed=SEEDS, task=st.sampled_from([CLASSIFICATION, BINARY, MULTI_LABEL]))
def test_mistakes(seed: int, task: Task) -> None:
    p, t, _ = drawn(seed, task)
    losses = np.random.default_rng(seed).random(40)
    evaluation = Evaluation(0.0, p, t, task, losses=losses)
    found = evaluation.mistakes
    assert sorted(row.sample for row in found) == np.flatnonzero(~evaluation.correct).tolist()
    assert [row.confidence for row in found] == sorted((row.confidence for row in found), reverse=True)
    for sample, true, predicted, confidence, loss in found:
        assert loss == losses[sample]
        q, actual = p[sample], t[sample]
        if task == MULTI_LABEL:
            assert predicted == ", ".join(map(str, np.flatnonzero(q >= 0.5)))
            assert confidence == np.where(q >= 0.5, q, 1 - q)[(q >= 0.5) != actual].max()
        else:
            said = int(predicted)
            assert true == str(actual.argmax() if task == CLASSIFICATION else int(actual[0]))
            assert_close(confidence, (q if task == CLASSIFICATION else [1 - q[0], q[0]])[said])


@pytest.mark.parametrize("ending", [[cr.Dense(3), cr.Softmax()], [cr.Dense(3)], [cr.Dense(3), cr.Sigmoid()]])
def test_the_loss_of_each_sample(ending) -> None:
    """The mean is the loss, and each is that of the sample alone."""
    model = cr.Sequential(ending, (4,), engine="numpy")
    draw = np.random.default_rng(1)
    x = draw.normal(size=(9, 4)).astype("f4")
    y = draw.integers(0, 2, (9, 3)) if len(ending) == 2 and ending[1].kind == "sigmoid" else draw.integers(0, 3, 9)
    each = model.evaluate(x, y).losses
    assert_close(each, [model.evaluate(x[n : n + 1], y[n : n + 1]).loss for n in range(9)])


@given(seed=SEEDS)
def test_metrics_of_each_image(seed: int) -> None:
    draw = np.random.default_rng(seed)
    y, z, valid = draw.integers(0, 3, (4, 5, 6)), draw.integers(0, 3, (4, 5, 6)), draw.random((4, 5, 6)) < 0.8
    p, t = (np.moveaxis(np.eye(3)[labels], -1, 1) for labels in (z, y))
    evaluation = Evaluation(0.0, p, t, CLASSIFICATION, valid=valid)
    for n in range(4):
        rows = y[n][valid[n]], z[n][valid[n]]
        options: dict[str, Any] = {"labels": range(3), "average": None, "zero_division": np.nan}
        assert_close(evaluation.image_dices[n], peer.f1_score(*rows, **options))
        defined = ~np.isnan(evaluation.image_ious[n])
        ious = peer.jaccard_score(*rows, labels=range(3), average=None, zero_division=0)
        assert_close(evaluation.image_ious[n][defined], ious[defined])
    with pytest.raises(OptionError, match="one answer for each sample"):
        _ = evaluation.mistakes


def test_metrics_that_are_functions() -> None:
    x = np.random.default_rng(0).normal(size=(30, 6)).astype("f4")
    functions = {"kappa": peer.cohen_kappa_score, "hamming": peer.hamming_loss}
    labels = np.arange(30) % 3
    evaluation = dense(3, cr.Softmax()).evaluate(x, labels, metrics=functions)
    assert evaluation.figures["kappa"] == pytest.approx(evaluation.cohen_kappa)
    assert evaluation.figures["hamming"] == pytest.approx(1 - evaluation.accuracy)
    several = dense(3, cr.Sigmoid()).evaluate(
        x, np.eye(3)[labels] + np.eye(3)[0] > 0, metrics={"hamming": peer.hamming_loss}
    )
    assert several.figures["hamming"] == pytest.approx(1 - several.label_accuracy)
    regression = dense(1, loss="mean_squared_error")
    found = regression.evaluate(x, x[:, 0], metrics={"worst": peer.max_error})
    assert found.figures["worst"] == pytest.approx(np.abs(regression.predict(x)[:, 0] - x[:, 0]).max())
    with pytest.raises(OptionError, match="choose another name"):
        _ = dense(3, cr.Softmax()).evaluate(x, labels, metrics={"loss": len}).figures
    with pytest.raises(OptionError, match="expected a number"):
        _ = dense(3, cr.Softmax()).evaluate(x, labels, metrics={"a": lambda true, predicted: "b"}).figures
    with pytest.raises(OptionError, match="expected functions"):
        dense(3, cr.Softmax()).evaluate(x, labels, metrics=peer.hamming_loss)
