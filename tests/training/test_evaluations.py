"""Evaluations call functions with the answers that they name, warn of what means hide, and plot their own numbers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numerical import assert_close
from sklearn import metrics as peer
from training.test_metrics import SEEDS, drawn

from chainrule.network.labels import Labels
from chainrule.network.tasks import REGRESSION
from chainrule.training.metrics import Evaluation


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
    assert content["samples"] == evaluation.samples
    assert content["task"] == evaluation.task.name
    assert evaluation.figures.keys() <= content.keys()
    named = Evaluation(0.0, evaluation.outputs, evaluation.targets, evaluation.task, labels=Labels(tuple("abcd")))
    if kind != "binary":
        assert [entry["class"] for entry in named.to_json()["classes"]] == [*"abcd"]


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
