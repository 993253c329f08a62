"""Metrics are those of scikit-learn for the same answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close
from scipy.special import softmax
from sklearn import metrics as peer

import chainrule as cr
from chainrule.network.labels import Labels
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, REGRESSION
from chainrule.training import history_files
from chainrule.training.history import Epoch, History
from chainrule.training.metrics import Evaluation

SEEDS = st.integers(0, 2**32 - 1)
TASKS = {"classes": CLASSIFICATION, "logits": CLASSIFICATION, "binary": BINARY, "labels": MULTI_LABEL}


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


@pytest.mark.parametrize("kind", [*TASKS])
@given(seed=SEEDS, columns=st.integers(2, 6))
def test_metrics_are_those_of_scikit_learn(kind: str, seed: int, columns: int) -> None:
    evaluation, y, guesses, _ = drawn(kind, seed, columns)
    options: dict[str, Any] = {"average": None, "zero_division": np.nan}
    for name, metric in (("precision", peer.precision_score), ("recall", peer.recall_score), ("f1", peer.f1_score)):
        labels = {} if kind == "labels" else {"labels": range(max(2, evaluation.outputs.shape[1]))}
        assert_close(getattr(evaluation, name), metric(y, guesses, **labels, **options))
    assert_close(evaluation.mean_f1, np.nanmean(peer.f1_score(y, guesses, **options)))
    exact = evaluation.exact_match if kind == "labels" else evaluation.accuracy
    assert_close(exact, peer.accuracy_score(y, guesses))
    if kind == "labels":
        assert_close(evaluation.label_accuracy, 1 - peer.hamming_loss(y, guesses))
    else:
        assert evaluation.confusion.tolist() == peer.confusion_matrix(y, guesses, **labels).tolist()


@pytest.mark.parametrize("kind", [*TASKS, "numbers"])
@given(seed=SEEDS)
def test_weights_are_those_of_scikit_learn(kind: str, seed: int) -> None:
    """Of classes, also those of a function of scikit-learn, which gets the weights."""
    draw = np.random.default_rng(seed)
    w = draw.exponential(size=40)
    if kind == "numbers":
        y, noise = draw.normal(size=(2, 40, 2))
        evaluation = Evaluation(0.0, y + noise, y, REGRESSION, losses=np.arange(40.0)).with_weights(w)
        assert_close(evaluation.mean_absolute_error, peer.mean_absolute_error(y, y + noise, sample_weight=w))
        assert_close(evaluation.root_mean_squared_error**2, peer.mean_squared_error(y, y + noise, sample_weight=w))
        assert_close(evaluation.r2, peer.r2_score(y, y + noise, sample_weight=w))
    else:
        plain, y, guesses, _ = drawn(kind, seed, 4)
        evaluation = plain.with_weights(w).with_metrics({"own": peer.accuracy_score})
        assert_close(evaluation.f1, peer.f1_score(y, guesses, sample_weight=w, average=None, zero_division=np.nan))
        assert_close(evaluation.figures["own"], peer.accuracy_score(y, guesses, sample_weight=w))
    assert_close(evaluation.loss, np.average(np.arange(40), weights=w))


@pytest.mark.parametrize("count", [0, 1, 2, 10, 11])
@pytest.mark.parametrize("several", [False, True])
def test_classes_without_a_right_answer_are_named(count: int, several: bool) -> None:
    """Of many, ten are named and the others are counted; the samples are those of all."""
    names = tuple(f"kind{k}" for k in range(16))
    y = np.repeat(np.arange(16), 2)
    outputs, targets = np.eye(16)[np.where(y < count, 15, y)], np.eye(16)[y]
    task = [CLASSIFICATION, MULTI_LABEL][several]
    warnings = Evaluation(0.0, outputs, targets, task, labels=Labels(names)).warnings
    assert len(warnings) == (count > 0)
    for warning in warnings:
        words = warning.replace(",", " ").replace(";", " ").split()
        assert [name for name in names if name in words] == [*names[: min(count, 10)]]
        assert ("1 more" in warning) == (count > 10)
        assert f"{2 * count} samples" in warning


@given(seed=SEEDS)
def test_positions_that_count_are_compared_as_samples(seed: int) -> None:
    draw = np.random.default_rng(seed)
    outputs, y, valid = draw.random((3, 3, 4, 5)), draw.integers(0, 3, (3, 4, 5)), draw.random((3, 4, 5)) < 0.8
    evaluation = Evaluation(0.0, outputs, np.moveaxis(np.eye(3)[y], -1, 1), CLASSIFICATION, valid=valid)
    guesses = outputs.argmax(1)[valid]
    assert_close(evaluation.accuracy, peer.accuracy_score(y[valid], guesses))
    assert_close(evaluation.mean_iou, np.mean(peer.jaccard_score(y[valid], guesses, average=None, labels=range(3))))


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


@pytest.mark.parametrize("cell", ["x", "", "0.5,0.5"])
def test_validation_metrics_of_any_name_are_read_back_unless_damaged(tmp_path: Path, cell: str) -> None:
    metrics = {'an "odd", name': 1 / 3, "größe": float("inf"), "c": -5e-324}
    log, path = History(), tmp_path / "history.csv"
    for number in (1, 2):
        log.add(number, 3, 0.1, 0.5, 0.25)
        log.epochs.append(Epoch(number, number, 0.5, 0.25, seconds=1.0, validation_metrics=metrics))
    names = history_files.further_metrics(log)
    content = "".join([history_files.heading(log.measure, names), *history_files.rows(log, 0, names)])
    path.write_text(content, encoding="utf-8")
    assert history_files.read(path, 2, 3, 3) == log
    path.write_text(content.replace("-5e-324", cell), encoding="utf-8")
    with pytest.raises(cr.FormatError, match="row of step 1"):
        history_files.read(path, 2, 3, 3)
