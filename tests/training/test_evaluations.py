"""Evaluations call functions with the answers that they name, warn of what means hide, and plot their own numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from numerical import assert_close
from training.test_metrics import SEEDS, drawn

import chainrule as cr
from chainrule.network.labels import Labels
from chainrule.network.tasks import REGRESSION
from chainrule.training.metrics import Evaluation


@pytest.mark.parametrize("kind", ["classes", "logits", "binary", "labels"])
@given(seed=SEEDS)
def test_tables_hold_the_numbers_of_every_class(kind: str, seed: int) -> None:
    evaluation, y, _, _ = drawn(kind, seed, 4)
    count = 2 if kind == "binary" else 4
    content = replace(evaluation, labels=Labels(tuple("abcd")[:count])).to_json()
    classes = content["classes"]
    assert [entry["class"] for entry in classes] == ["a", "b", "c", "d"][:count]
    truth = y if y.ndim == 2 else np.eye(count)[y]
    assert [entry["samples"] for entry in classes] == truth.sum(0).tolist()
    for name in ("recall", "precision", "f1"):
        assert_close(np.array([entry[name] for entry in classes], float), getattr(evaluation, name), dtype=np.float32)
    assert content["samples"] == evaluation.samples
    assert content["task"] == evaluation.task.name
    assert evaluation.figures.keys() <= content.keys()


@pytest.mark.parametrize("kind", ["classes", "binary", "labels"])
@given(seed=SEEDS)
def test_numbers_of_samples_do_not_depend_on_weights(kind: str, seed: int) -> None:
    evaluation, _, _, _ = drawn(kind, seed, 4)
    evaluation = replace(evaluation, losses=np.ones(evaluation.samples))
    weighted = evaluation.with_weights(np.random.default_rng(seed).uniform(0.01, 0.3, evaluation.samples))
    pairs = zip(weighted.to_json()["classes"], evaluation.to_json()["classes"], strict=True)
    assert all(first["samples"] == second["samples"] for first, second in pairs)
    assert weighted.warnings == evaluation.warnings
    assert weighted.to_json()["samples"] == evaluation.samples


def test_weights_and_metrics_that_mean_nothing_are_refused() -> None:
    model = cr.Sequential([cr.Dense(3), cr.Softmax()], (2,), engine="numpy")
    x, y, ones = np.eye(2)[[0, 1, 0]], [0, 1, 2], np.ones(3)
    with pytest.raises(cr.DataError, match="all are 0"):
        model.evaluate(x, y, sample_weight=0 * ones)
    plain = {"share": lambda true, predicted: (true == predicted).mean()}
    assert model.evaluate(x, y, metrics=plain).figures["share"] == model.evaluate(x, y).accuracy
    with pytest.raises(cr.OptionError, match="metric share: expected a function with sample_weight"):
        _ = model.evaluate(x, y, metrics=plain, sample_weight=ones).figures
    names = [*model.evaluate(x, y).to_json(), "mean_absolute_error", "label_accuracy"]
    for name in names:
        with pytest.raises(cr.OptionError, match=f"metric {name}: a name of chainrule"):
            model.evaluate(x, y, metrics={name: plain["share"]})
        with pytest.raises(cr.OptionError, match=f"metric {name}: a name of chainrule"):
            model.fit(x, y, validation_data=(x, y), metrics={name: plain["share"]}, progress=False)


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
