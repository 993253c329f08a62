"""Yes/no, several labels and regression: training, measures, and omitted messages."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numerical import assert_close
from training.made import dense, points

import chainrule as cr
from chainrule.training.calibration import confidences
from chainrule.training.metrics import Evaluation

QUIET = {"progress": False, "learning_rate": 0.02}


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_one_output_learns_yes_or_no(engine: str, shape: tuple[int, ...]) -> None:
    x, value = points()
    y = (value > 0).astype(int)
    model = dense(1, cr.Sigmoid(), engine=engine)
    history = model.fit(x, y.reshape(shape), epochs=15, validation_data=(x, y), **QUIET)
    result = model.evaluate(x, y.reshape(shape))
    p = model.predict(x)[:, 0]
    assert model.loss == "binary_cross_entropy"
    assert result.accuracy == ((p >= 0.5) == y).mean() == history.epochs[-1].validation_accuracy > 0.9
    shares = confidences(model.predict(x), model.loss)
    assert_close(shares, np.stack([1 - p, p], axis=1))
    assert model.classes == ("0", "1")


@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers_are_learnt_and_have_errors_instead_of_accuracy(outputs: int, tmp_path: Path) -> None:
    x, value = points()
    y = value if outputs == 1 else np.stack([value, -value, value**2 / 4], axis=1)
    model = dense(outputs, loss="mean_squared_error")
    history = model.fit(x, y, epochs=30, validation_split=0.25, **QUIET)
    result, last = model.evaluate(x, y), history.epochs[-1]
    assert result.r2 > 0.8
    assert history.measure == "mean_absolute_error"
    assert last.accuracy is last.validation_accuracy is None
    assert last.mean_absolute_error < history.epochs[0].mean_absolute_error
    assert "accuracy" not in repr(history) + history._repr_html_()
    assert not any("accuracy" in name for name in result.to_json())
    with pytest.raises(cr.OptionError, match="is not defined for regression"):
        _ = history.accuracy
    model.save(tmp_path / "model.safetensors")
    again = cr.load(tmp_path / "model.safetensors", engine="numpy").evaluate(x[:1], y[:1])  # one sample says little
    assert again.task.name == "regression"


def test_several_labels_are_learnt_and_have_names() -> None:
    x, value = points(400)
    y = np.stack([value > 0, value > 1.5, x[:, 0] > 0], axis=1).astype(int)
    model = dense(3, cr.Sigmoid(), classes=["positive", "large", "first"])
    history = model.fit(x, y, epochs=20, **QUIET)
    result = model.evaluate(x, y)
    assert history.measure == "label_accuracy"
    assert result.label_accuracy == ((model.predict(x) >= 0.5) == y).mean() > 0.85
    assert [row["class"] for row in result.to_json()["classes"]] == ["positive", "large", "first"]


def test_a_class_that_is_never_found_is_warned_of() -> None:
    said, true = np.eye(3)[[0, 0, 1, 1, 0]], np.eye(3)[[0, 0, 1, 2, 2]]
    result = Evaluation(0.5, said, true, classes=("cat", "dog", "eel"))
    assert result.warnings == ("class with recall 0 %: eel; none of 2 samples was found",)
    assert dataclasses.replace(result, outputs=true).warnings == ()
