"""Yes/no, several labels and regression: training, measures, and omitted messages."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
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
    counts = [[((p >= 0.5) == said)[y == true].sum() for said in (False, True)] for true in (0, 1)]
    assert_array_equal(result.confusion, counts)
    shares = confidences(model.predict(x), model.loss)
    assert_close(shares, np.stack([1 - p, p], axis=1))
    assert model.classes == ("0", "1")


@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers_are_learnt_and_have_errors_instead_of_accuracy(outputs: int, tmp_path: Path) -> None:
    x, value = points()
    y = value if outputs == 1 else np.stack([value, -value, value**2 / 4], axis=1)
    model = dense(outputs, loss="mean_squared_error")
    history = model.fit(x, y, epochs=30, validation_split=0.25, **QUIET)
    result = model.evaluate(x, y)
    errors = model.predict(x) - y.reshape(len(x), -1)
    spread = y.reshape(len(x), -1) - y.reshape(len(x), -1).mean(0)
    assert_close(result.mean_absolute_error, np.abs(errors).mean())
    assert_close(result.root_mean_squared_error, np.sqrt((errors**2).mean()))
    assert_close(result.r2, (1 - (errors**2).sum(0) / (spread**2).sum(0)).mean())
    assert result.r2 > 0.8
    assert history.measure == "mean_absolute_error"
    assert history.epochs[-1].accuracy is history.epochs[-1].validation_accuracy is None
    assert history.epochs[-1].mean_absolute_error < history.epochs[0].mean_absolute_error
    assert "accuracy" not in repr(history) + history._repr_html_()
    assert not any("accuracy" in name for name in result.to_json())
    for wrong in ("accuracy", "confusion", "predicted", "recall", "exact_match"):
        with pytest.raises(cr.OptionError, match="is not defined for regression"):
            getattr(result, wrong)
    with pytest.raises(cr.OptionError, match="is not defined for regression"):
        _ = history.accuracy
    model.save(tmp_path / "model.safetensors")
    again = cr.load(tmp_path / "model.safetensors", engine="numpy").evaluate(x[:1], y[:1])  # one sample says little
    assert again.task.name == "regression"


def test_several_labels_have_their_own_measures() -> None:
    x, value = points(400)
    y = np.stack([value > 0, value > 1.5, x[:, 0] > 0], axis=1).astype(int)
    model = dense(3, cr.Sigmoid(), classes=["positive", "large", "first"])
    history = model.fit(x, y, epochs=20, **QUIET)
    result, said = model.evaluate(x, y), model.predict(x) >= 0.5
    assert history.measure == "label_accuracy"
    assert result.label_accuracy == (said == y).mean() > 0.85
    assert result.exact_match == (said == y).all(1).mean()
    found, true, called = (said & (y == 1)).sum(0), y.sum(0), said.sum(0)
    assert_close(result.f1, 2 * found / (true + called))
    assert_close(result.recall, found / true)
    assert [row["class"] for row in result.to_json()["classes"]] == ["positive", "large", "first"]
    with pytest.raises(cr.OptionError, match="accuracy is not defined for multi-label"):
        _ = result.accuracy


def test_a_class_that_is_never_found_is_warned_of() -> None:
    said, true = np.eye(3)[[0, 0, 1, 1, 0]], np.eye(3)[[0, 0, 1, 2, 2]]
    result = Evaluation(0.5, said, true, classes=("cat", "dog", "eel"))
    assert result.warnings == ("class with recall 0 %: eel; none of 2 samples was found",)
    assert dataclasses.replace(result, outputs=true).warnings == ()
