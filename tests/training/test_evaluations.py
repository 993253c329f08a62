"""Evaluations call functions with the answers that they name, warn of what means hide, and plot their own numbers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numerical import assert_close
from numpy.testing import assert_array_equal
from sklearn import metrics as peer
from training.test_scores import SEEDS, TASKS, drawn

from chainrule.errors import OptionError
from chainrule.network.labels import Labels
from chainrule.network.tasks import CLASSIFICATION, MULTI_LABEL, REGRESSION
from chainrule.training.metrics import Evaluation


def by_scikit_learn(y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
    """Return a number that changes if the arguments are exchanged, for classes, labels or numbers."""
    weights = sample_weight
    if weights is None:
        weights = np.ones(len(y_true))
    differences = (3 * np.asarray(y_true, float) + np.square(y_pred)).reshape(len(weights), -1).mean(1)
    return float(np.average(differences, weights=weights))


def by_torchmetrics(preds: Any, target: Any, sample_weight: Any = None) -> float:
    return by_scikit_learn(target, preds, sample_weight)


@pytest.mark.parametrize("kind", [*TASKS, "numbers"])
@given(seed=SEEDS)
def test_functions_get_answers_in_the_order_that_their_arguments_name(kind: str, seed: int) -> None:
    if kind == "numbers":
        outputs, targets = np.random.default_rng(seed).normal(size=(2, 30, 2))
        evaluation = Evaluation(0.0, outputs, targets, REGRESSION, losses=np.ones(30))
        expected = targets, outputs
    else:
        evaluation, y, guesses, _ = drawn(kind, seed, 4)
        expected = y, guesses
    functions: dict[str, Any] = {"one": by_scikit_learn, "other": by_torchmetrics}
    figures = evaluation.with_metrics(functions).figures
    assert_close([figures["one"], figures["other"]], [by_scikit_learn(*expected)] * 2, magnitude=9, dtype=np.float64)
    weights = np.random.default_rng(seed).exponential(size=evaluation.samples)
    figures = evaluation.with_weights(weights).with_metrics(functions).figures
    assert_close(
        [figures["one"], figures["other"]], [by_scikit_learn(*expected, weights)] * 2, magnitude=9, dtype=np.float64
    )
    for name, function in (("loss", by_scikit_learn), ("mine", lambda y_true, y_pred: "good")):
        with pytest.raises(OptionError, match=name):
            assert evaluation.with_metrics({name: function}).figures


@pytest.mark.parametrize("count", [0, 1, 2, 9, 10, 11, 14])
@pytest.mark.parametrize("several", [False, True])
def test_classes_without_a_right_answer_are_named(count: int, several: bool) -> None:
    """Of many, ten are named and the others are counted; the samples are those of all."""
    names = tuple(f"kind{k}" for k in range(16))
    y = np.repeat(np.arange(16), 2)
    guesses = np.where(y < count, 15, y)
    outputs, targets, task = np.eye(16)[guesses], np.eye(16)[y], [CLASSIFICATION, MULTI_LABEL][several]
    evaluation = Evaluation(0.0, outputs, targets, task, labels=Labels(names))
    if not count:
        assert evaluation.warnings == ()
        return
    (warning,) = evaluation.warnings
    for k, name in enumerate(names):
        words = warning.replace(",", " ").replace(";", " ").split()
        assert (name in words) == (k < min(count, 10))
    assert (f"{count - 10} more" in warning) == (count > 10)
    assert f"{2 * count} samples" in warning
    nouns = [("class", "classes"), ("label", "labels")][several]
    assert warning.startswith(f"{nouns[count > 1]} ")
    told = Evaluation(0.0, outputs, targets, CLASSIFICATION, overlap="some are known").warnings
    assert told[0] == "some are known"
    dense = np.eye(2)[np.zeros((1, 3, 4), int)].transpose(0, 3, 1, 2)
    missed = np.eye(2)[np.ones((1, 3, 4), int)].transpose(0, 3, 1, 2)
    (of_pixels,) = Evaluation(0.0, dense, missed, CLASSIFICATION).warnings
    assert "12 pixels" in of_pixels


@pytest.mark.parametrize("kind", ["classes", "logits", "binary", "labels"])
@given(seed=SEEDS)
def test_tables_hold_the_numbers_of_every_class(kind: str, seed: int) -> None:
    evaluation, y, guesses, _ = drawn(kind, seed, 4)
    content = evaluation.to_json(("a", "b", "c", "d"))
    classes = content["classes"]
    count = 2 if kind == "binary" else 4
    assert [entry["class"] for entry in classes] == ["a", "b", "c", "d"][:count]
    truth = y if y.ndim == 2 else np.eye(count)[y]
    assert [entry["samples"] for entry in classes] == truth.sum(0).tolist()
    options: dict[str, Any] = {"average": None, "zero_division": np.nan}
    for name, metric in (("recall", peer.recall_score), ("precision", peer.precision_score), ("f1", peer.f1_score)):
        values = np.array([entry[name] for entry in classes], float)
        assert_close(values, metric(y, guesses, **options), dtype=np.float32)
    for name, values in (("roc_auc", evaluation.roc_aucs), ("average_precision", evaluation.average_precisions)):
        assert_close([entry[name] for entry in classes], values)
    assert (content["samples"], content["warnings"]) == (evaluation.samples, [*evaluation.warnings])
    assert content["task"] == evaluation.task.name
    assert {**evaluation.figures, **evaluation.scores}.keys() <= content.keys()
    assert ("accuracy_interval" in content) == (kind != "labels")
    named = Evaluation(0.0, evaluation.outputs, evaluation.targets, evaluation.task, labels=Labels(tuple("abcd")))
    if kind != "binary":
        assert [entry["class"] for entry in named.to_json()["classes"]] == [*"abcd"]


@pytest.mark.parametrize("kind", TASKS)
def test_plots_show_the_numbers_of_the_evaluation(kind: str) -> None:
    evaluation, *_ = drawn(kind, 3, 4)
    first = int(kind == "binary")
    for figure, areas, columns in (
        (evaluation.plot_roc(), evaluation.roc_aucs, ("false_positive_rate", "recall")),
        (evaluation.plot_precision_recall(), evaluation.average_precisions, ("recall", "precision")),
    ):
        (axes,) = figure.axes
        lines = [line for line in axes.lines if line.get_linestyle() != "--"]
        curves, wanted = evaluation.curves[first:], areas[first:]
        assert len(lines) == len(curves)
        for line, place in zip(lines, np.argsort(wanted, kind="stable"), strict=True):
            for values, column in zip(line.get_data(), columns, strict=True):
                assert_array_equal(values[1:], getattr(curves[place], column))
            assert f"{wanted[place]:.3f}" in line.get_label()
        assert [axes.get_xlabel(), axes.get_ylabel()] == [name.replace("_", " ") for name in columns]
    if kind == "labels":
        return
    bins = evaluation.reliability
    above, below = evaluation.plot_reliability().axes
    assert_close([bar.get_height() for bar in above.patches], np.nan_to_num(bins.accuracy), magnitude=1)
    assert_close([bar.get_height() for bar in below.patches], bins.counts / bins.counts.sum(), magnitude=1)
    cells = {text.get_position(): text.get_text() for text in evaluation.plot_confusion().axes[0].texts[:-2]}
    confusion = evaluation.confusion
    assert cells == {(k, j): f"{confusion[j, k]:,}" for j, k in np.argwhere(confusion)}
    shown = evaluation._repr_html_()
    assert f"{100 * evaluation.accuracy:.2f} %" in shown


@pytest.mark.parametrize("columns", [1, 2, 20, 21])
def test_errors_of_several_targets_are_named_up_to_a_number(columns: int) -> None:
    outputs, targets = np.random.default_rng(columns).normal(size=(2, 9, columns))
    evaluation = Evaluation(0.0, outputs, targets, REGRESSION)
    named = {name: value for name, value in evaluation.figures.items() if name[0].isdigit()}
    expected = np.abs(outputs - targets).mean(0)
    assert_close([*named.values()], expected if columns in (2, 20) else np.empty(0))
    targets[:, 0] = 7.0
    assert np.isnan(evaluation.r2)
    assert Evaluation(0.0, outputs, targets, REGRESSION).to_json()["r2"] is None
    assert repr(evaluation).startswith("Evaluation(9 samples: ")
    assert "1 sample:" in repr(Evaluation(0.0, outputs[:1], targets[:1], REGRESSION))
    assert evaluation.with_metrics({}, 7.0).peak == 7.0
    assert evaluation.with_metrics({}, 7.0).with_metrics({}).peak == 7.0
