"""Histories as arrays and columns, and the best epoch: against loops over drawn epochs."""

import html
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close

from chainrule.errors import OptionError
from chainrule.training.criterion import Criterion
from chainrule.training.history import Epoch, History, epoch_means, formatted

NUMBERS = st.floats(-100, 100)
VALUES = st.lists(st.one_of(NUMBERS, st.sampled_from([0.0, 1.0, math.inf])), min_size=1, max_size=12)
METRICS = ("accuracy", "label_accuracy", "mean_absolute_error")


@st.composite
def drawn(draw: st.DrawFn, is_validated: bool | None = None) -> History:
    """Draw a history of some epochs of some steps each, with the metric of one of the tasks."""
    log = History(measure=draw(st.sampled_from(METRICS)))
    with_validation = is_validated
    if with_validation is None:
        with_validation = draw(st.booleans())
    fractions = st.floats(0, 1)
    for epoch in range(1, draw(st.integers(1, 4)) + 1):
        for _ in range(draw(st.integers(1, 5))):
            log.add(epoch, draw(st.integers(1, 9)), draw(fractions), draw(NUMBERS), draw(fractions))
        checked: Any = (None, None)
        if with_validation:
            checked = draw(NUMBERS), draw(fractions)
        end = Epoch.of(log.measure, epoch, len(log), epoch_means(log), checked, draw(st.floats(0, 1000)))
        log.epochs.append(end)
    return log


@given(log=drawn())
def test_an_epoch_has_the_means_over_its_samples(log: History) -> None:
    steps = np.array(log.numbers)
    for epoch in log.epochs:
        of_epoch = steps == epoch.epoch
        sizes = np.array(log.sizes)[of_epoch]
        assert_close(epoch.loss, np.average(log.loss[of_epoch], weights=sizes), magnitude=100, dtype=np.float64)
        assert_close(epoch.measured, np.average(log.measured[of_epoch], weights=sizes), magnitude=1, dtype=np.float64)
        assert epoch.step == np.flatnonzero(of_epoch)[-1] + 1
    assert len(log) == len(log.loss) == len(log.measured) == len(log.rates)
    if log.measure == "mean_absolute_error":
        with pytest.raises(OptionError):
            log.accuracy  # noqa: B018
    else:
        assert log.accuracy.tolist() == log.measured.tolist() == log.measures.tolist()


@given(log=drawn())
def test_columns_hold_the_values_of_every_epoch(log: History) -> None:
    """A name of Keras means the same column; values that a task or a training does not have are no columns."""
    metric = "mean_absolute_error" if log.measure == "mean_absolute_error" else "accuracy"
    expected = {"loss": [epoch.loss for epoch in log.epochs], metric: [epoch.measured for epoch in log.epochs]}
    if log.epochs[0].validation_loss is not None:
        expected["validation_loss"] = [epoch.validation_loss for epoch in log.epochs]
        expected[f"validation_{metric}"] = [epoch.validation_measured for epoch in log.epochs]
    expected["seconds"] = [epoch.seconds for epoch in log.epochs]
    assert dict(log) == dict(log.history) == expected
    assert {*log.keys()} == expected.keys()
    for name, values in expected.items():
        assert name in log
        assert log[name] == values
        if name.startswith("validation_"):
            assert log[name.replace("validation_", "val_")] == values
    others = {"accuracy", "mean_absolute_error", "val_loss", "epoch", "none"} - expected.keys()
    if "validation_loss" in expected:
        others.remove("val_loss")
    for name in others:
        assert name not in log
        with pytest.raises(OptionError):
            log[name]
    assert dict(History()) == {}


@given(log=drawn(is_validated=True), metrics=st.dictionaries(st.sampled_from(["roc_auc", "f2"]), NUMBERS))
def test_further_metrics_are_columns_too(log: History, metrics: dict[str, float]) -> None:
    log.epochs[:] = [Epoch(number, number, 0.5, 0.25, 1.5, 0.75, validation_metrics=metrics) for number in range(1, 4)]
    log.measure = "accuracy"
    for name, value in metrics.items():
        assert log[f"val_{name}"] == log[f"validation_{name}"] == [value] * 3
    assert [row["epoch"] for row in log.epoch_dicts()] == [1, 2, 3]
    assert all("validation_metrics" not in row for row in log.epoch_dicts())


@given(log=drawn(), restore=st.booleans())
def test_what_is_shown_has_the_numbers_of_the_last_or_the_restored_epoch(log: History, restore: bool) -> None:
    log.restored = len(log.epochs) // 2 + 1 if restore else None
    end = log.epochs[log.restored - 1 if log.restored else -1]
    shown = repr(log)
    assert f"{end.loss:.4f}" in shown
    assert f"{len(log)} step" in shown
    assert ("steps" in shown) == (len(log) != 1)
    assert f"{len(log.epochs)} epoch" in shown
    assert ("weights of epoch" in shown) == restore
    if end.validation_loss is not None:
        assert f"{end.validation_loss:.4f}" in shown.partition("validation")[2]
    if log.measure != "mean_absolute_error":
        assert f"{end.measured:.2%}".replace("%", " %") in shown
    log.standardized = True
    assert log.label != History(measure=log.measure).label
    assert repr(History()).count("0") == 2


def test_a_notebook_shows_all_epochs_and_a_figure_the_steps() -> None:
    log = History(measure="label_accuracy", notes=["a note & more"])
    for step in range(6):
        log.add(step // 2 + 1, 4, 0.1, 6.0 - step, step / 7)
        if step % 2:
            means = epoch_means(log)
            log.epochs.append(Epoch.of(log.measure, step // 2 + 1, step + 1, means, (2.5 + step, step / 11), step))
    text = html.unescape(log._repr_html_())
    for row in log.epoch_dicts():
        for name, value in row.items():
            assert formatted(name, value) in text
    assert "a note & more" in text
    assert "label accuracy" in text
    figure = log.plot("my title")
    lines = [line for axes in figure.axes for line in axes.lines]
    for values in (log.losses, log.measures):
        assert any(np.array_equal(line.get_ydata(), values) for line in lines)
    assert "my title" in str([part.get_text() for part in figure.findobj(lambda part: hasattr(part, "get_text"))])


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.98765, "98.77 %"),
        ("validation_loss", 0.0123456, "0.01235"),
        ("seconds", 12.345, "12.3"),
        ("epoch", 12, "12"),
        ("loss", None, "–"),
        ("seconds", None, "–"),
    ],
)
def test_values_are_written_in_their_unit(name: str, value: Any, text: str) -> None:
    assert formatted(name, value) == text


def epochs_of(name: str, values: list[float], place: str) -> list[Epoch]:
    """Return epochs with values of a metric of the training data, or of the validation data, or further ones."""
    epochs = list[Epoch]()
    for number, value in enumerate(values, 1):
        if place == "training":
            fields: dict[str, Any] = {name: value}
        elif place == "validation":
            fields = {f"validation_{name}": value, name: -value}
        else:
            fields = {"validation_metrics": {name: value}}
        if place != "training":
            fields.setdefault("validation_loss", 0.0)
        epochs.append(Epoch(number, number, **{"loss": 1.0, **fields}))
    return epochs


MONITORS = [
    ("loss", "loss", -1), ("min loss", "loss", -1), ("accuracy", "accuracy", 1), ("max accuracy", "accuracy", 1),
    ("mean_absolute_error", "mean_absolute_error", -1), ("r2", "r2", 1), ("log_loss", "log_loss", -1),
    ("min mine", "mine", -1), ("max mine", "mine", 1), ("digit_accuracy", "digit_accuracy", 1),
]  # fmt: skip


@pytest.mark.parametrize(("monitor", "name", "sign"), MONITORS)
@given(values=VALUES)
def test_an_epoch_is_better_than_all_before_it(monitor: str, name: str, sign: int, values: list[float]) -> None:
    """A larger value is better, or a smaller one; the last that is better is the best."""
    places = ["training", "validation"] if name in ("loss", "accuracy", "mean_absolute_error") else ["further"]
    for place in places:
        criterion, epochs = Criterion(monitor), epochs_of(name, values, place)
        expected, best = list[bool](), 0
        for number, value in enumerate(values):
            is_better = number == 0 or sign * value > sign * values[best]
            if is_better:
                best = number
            expected.append(is_better)
        assert criterion.improvements(epochs) == expected
        assert criterion.best(epochs) == best
        assert criterion.metric == name
        assert criterion.is_minimized == (sign < 0)


@given(values=st.lists(st.sampled_from([math.nan, 1.0, 2.0, 3.0]), min_size=1, max_size=8))
def test_a_loss_that_is_not_a_number_is_never_better(values: list[float]) -> None:
    for place in ("training", "validation"):
        expected, lowest = list[bool](), math.inf
        for number, value in enumerate(values):
            expected.append(number == 0 or value < lowest)
            if value < lowest:
                lowest = value
        assert Criterion().improvements(epochs_of("loss", values, place)) == expected


@pytest.mark.parametrize("monitor", ["max loss", "min accuracy", "min digit_accuracy", "mine", "r3"])
def test_a_direction_that_is_wrong_or_unknown_is_refused(monitor: str) -> None:
    metrics = {"mine": 1.0, "digit_accuracy": 0.5}
    epochs = [Epoch(1, 1, 1.0, 0.5, 1.0, 0.5, validation_metrics=metrics)]
    if monitor == "min digit_accuracy":  # a name of the user's, whose direction is stated
        assert Criterion(monitor).is_minimized
        return
    with pytest.raises(OptionError, match=monitor.split()[-1]):
        Criterion(monitor).improvements(epochs)


@given(values=st.lists(st.sampled_from([math.nan, 0.1, 0.2, 0.3]), min_size=1, max_size=8))
def test_epochs_without_a_value_are_as_if_they_were_not_there(values: list[float]) -> None:
    criterion, epochs = Criterion("max mine"), epochs_of("mine", values, "further")
    known = [place for place, value in enumerate(values) if not math.isnan(value)]
    some = epochs_of("mine", [values[place] for place in known], "further")
    assert [criterion.is_defined(epoch) for epoch in epochs] == [place in known for place in range(len(values))]
    assert criterion.improvements(epochs) == criterion.improvements(some)
    if known:
        assert criterion.best(epochs) == known[criterion.best(some)]
        assert criterion.waited(epochs) == criterion.waited(some) == len(some) - 1 - criterion.best(some)
    else:
        assert criterion.best(epochs) == len(epochs) - 1
