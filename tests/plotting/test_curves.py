"""Learning curves show the values of the history; the running mean against a literal loop."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from numerical import assert_close
from numpy.testing import assert_array_equal

import chainrule as cr
from chainrule.errors import OptionError
from chainrule.plotting.curves import MAX_POINTS, plot_history
from chainrule.plotting.figures import png
from chainrule.training.smoothing import half_window, smooth


def a_history(steps: int = 300, measure: str = "accuracy", shift: float = 0.0) -> Any:
    draw = np.random.default_rng(steps)
    falling = np.exp(-np.linspace(0, 5, steps))
    loss = 2.3 * falling * draw.uniform(0.7, 1.3, steps) + 0.02 + shift
    rows = [{"step": steps, "validation_loss": None, f"validation_{measure}": None}]
    return SimpleNamespace(loss=loss, measured=1 - falling, measure=measure, epoch_dicts=lambda: rows)


def lines(figure: Figure, panel: int) -> dict[str, tuple[Any, Any]]:
    return {str(line.get_label()): line.get_data() for line in figure.axes[panel].get_lines()}


def test_both_panels_hold_every_step_its_mean_and_the_validation_points() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(64, 5)).astype("f4"), np.arange(64) % 3
    model = cr.Sequential([cr.Dense(3), cr.Softmax()], (5,), engine="numpy")
    history = model.fit(x, y, epochs=25, batch_size=16, validation_data=(x, y), progress=False)
    figure = history.plot("my network")
    steps = np.arange(1, 101)
    for panel, values in enumerate((history.loss, history.measured)):
        drawn, name = lines(figure, panel), ("loss", "accuracy")[panel]
        assert_array_equal(drawn["batches"], (steps, values))
        assert_array_equal(drawn["mean of 11 batches"], (steps, smooth(np.asarray(values, float), 5)))
        assert_array_equal(drawn["validation data"], (4 * np.arange(1, 26), history[f"validation_{name}"]))
        assert figure.axes[panel].get_title() == name
    assert figure.get_suptitle() == "my network"
    mine: Any = Figure().subplots(1, 2)
    assert history.plot(axes=mine) is mine[0].figure
    assert_array_equal(lines(mine[0].figure, 0)["batches"], lines(figure, 0)["batches"])
    with pytest.raises(OptionError, match="expected 2 of matplotlib"):
        history.plot(axes=mine[0])


@pytest.mark.parametrize(
    ("history", "scale"),
    [(a_history(), "log"), (a_history(shift=2), "linear"), (a_history(shift=-0.1), "linear"), (a_history(0), "linear")],
)
def test_losses_of_many_sizes_have_a_logarithmic_axis(history: Any, scale: str) -> None:
    figure = plot_history(history)
    assert [axes.get_yscale() for axes in figure.axes] == [scale, "linear"]
    assert "validation data" not in lines(figure, 0)
    assert png(figure)


@pytest.mark.parametrize("measure", ["accuracy", "label_accuracy", "mean_absolute_error"])
def test_accuracies_are_percentages(measure: str) -> None:
    history = a_history(measure=measure)
    history.epoch_dicts()[0][f"validation_{measure.removeprefix('label_')}"] = 0.5
    axes = plot_history(history).axes[1]
    assert axes.yaxis.get_major_formatter()(0.5).endswith("%") == measure.endswith("accuracy")
    assert_array_equal(lines(axes.figure, 1)["validation data"], ([300], [0.5]))


@pytest.mark.parametrize("steps", [1, 2, 2 * MAX_POINTS + 5])
def test_few_steps_are_points_and_of_many_a_part_is_drawn(steps: int) -> None:
    history = a_history(steps)
    for line in plot_history(history).axes[0].get_lines():
        assert (line.get_marker() == ".") == (steps < 3)
        assert len(line.get_xdata()) == min(steps, MAX_POINTS + 3)
    assert_array_equal(lines(plot_history(history), 0)["batches"][1], history.loss[:: 2 if steps > 2 else 1])


numbers = st.floats(-5, 5) | st.sampled_from([np.nan, np.inf])


@given(st.lists(numbers, min_size=1, max_size=40), st.integers(0, 9))
def test_smooth_is_the_mean_of_the_finite_neighbours(values: list[float], half: int) -> None:
    means = list[float]()
    for k in range(len(values)):
        reach = min(k, half)
        near = [value for value in values[k - reach : k + reach + 1] if np.isfinite(value)]
        means.append(sum(near) / len(near) if near else np.nan)
    assert_close(smooth(np.array(values), half), means, magnitude=5)


def test_a_window_is_half_the_root_of_the_number_of_steps() -> None:
    counts = np.arange(60_000)
    halves = np.array([half_window(count) for count in counts])
    assert ((4 * halves**2 <= counts) & (counts < 4 * (halves + 1) ** 2)).all()
