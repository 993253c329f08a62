"""Yes/no, several labels and regression: what is learnt, and its metrics."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from training.made import dense, points

import chainrule as cr
from chainrule.training.metrics import Evaluation

X, VALUE = points(400)
TASKS: dict[str, tuple[Callable[[], cr.Sequential], Any]] = {  # metric → network, targets
    "accuracy": (lambda: dense(1, cr.Sigmoid()), (VALUE > 0).astype(int)),
    "label_accuracy": (lambda: dense(3, cr.Sigmoid()), (np.c_[VALUE, VALUE - 1.5, X[:, 0]] > 0).astype(int)),
    "mean_absolute_error": (lambda: dense(3, loss="mean_squared_error"), np.c_[VALUE, -VALUE, VALUE**2 / 4]),
}


@pytest.mark.parametrize("metric", TASKS)
def test_each_task_is_learnt_and_has_its_own_metric(metric: str, tmp_path: Path) -> None:
    """Compare with the targets in one column, and with the file, where one sample says little about the task."""
    create, y = TASKS[metric]
    model = create()
    history = model.fit(X, y, epochs=20, validation_data=(X, y), progress=False, learning_rate=0.02)
    evaluation, epochs = model.evaluate(X, y), history.epochs
    assert history.measure == metric
    assert_close(epochs[-1].validation_loss, evaluation.loss)
    assert model.evaluate(X, y.reshape(len(X), -1)).loss == evaluation.loss
    words = repr(history) + history._repr_html_() + " ".join(evaluation.to_json())
    if "accuracy" in metric:
        assert_close(epochs[-1].validation_measured, getattr(evaluation, metric))
        assert getattr(evaluation, metric) > 0.85
    else:  # training standardizes targets of different scales
        assert_close(evaluation.mean_absolute_error, np.abs(model.predict(X) - y).mean())
        assert evaluation.r2 > 0.8
        assert epochs[-1].measured < epochs[0].measured
        with pytest.raises(cr.OptionError, match="is not defined for regression"):
            _ = history.accuracy
    assert ("accuracy" in words) == ("accuracy" in metric)
    model.save(tmp_path / "model.safetensors")
    loaded = cr.load(tmp_path / "model.safetensors", engine="numpy")
    assert loaded.evaluate(X[:1], y[:1]).task == evaluation.task


def test_a_class_without_a_hit_is_reported() -> None:
    outputs, targets = np.eye(3)[[0, 0, 1, 1, 0]], np.eye(3)[[0, 0, 1, 2, 2]]
    result = Evaluation(0.5, outputs, targets, classes=("cat", "dog", "eel"))
    assert result.warnings == ("class with recall 0 %: eel; none of 2 samples was found",)
    assert dataclasses.replace(result, outputs=targets).warnings == ()
