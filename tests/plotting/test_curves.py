"""Learning curves show the given values; the running mean and the envelope against literal loops."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.plotting.curves import MAX_STEPS, learning_curves, shrink, stretch
from chainrule.plotting.figures import png
from chainrule.plotting.series import envelope, half_window, smooth


def a_run(steps: int = 300, epochs: int = 3, best: float = 0.99) -> tuple[Any, ...]:
    rng = np.random.default_rng(steps)
    falling = np.exp(-np.linspace(0, 5, steps))
    loss = 2.3 * falling * rng.uniform(0.7, 1.3, steps) + 0.02
    accuracy = np.clip(best - 0.88 * falling + rng.normal(0, 0.004, steps), 0, 1)
    rows = [
        {"epoch": k, "step": steps * k // epochs, "validation_loss": 0.5 / k, "validation_accuracy": best - 0.1 / k}
        for k in range(1, epochs + 1)
    ]
    return [*range(1, steps + 1)], loss, accuracy, rows


def lines(figure: Figure, panel: int) -> dict[str, tuple[Any, Any]]:
    return {str(line.get_label()): line.get_data() for line in figure.axes[panel].get_lines()}


def words(figure: Figure) -> set[str]:
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))}


def test_both_panels_hold_every_step_its_mean_and_the_validation_points() -> None:
    steps, loss, accuracy, epochs = a_run()
    figure = learning_curves(steps, loss, accuracy, epochs, "numpy-cnn")
    for panel, (name, values) in enumerate((("loss", loss), ("accuracy", accuracy))):
        drawn = lines(figure, panel)
        assert_array_equal(drawn["each batch"], (steps, values))
        assert_array_equal(drawn["smoothed over 17 steps"], (steps, smooth(values, half_window(300))))
        assert_array_equal(drawn["validation data"], ([100, 200, 300], [row[f"validation_{name}"] for row in epochs]))
    assert figure.get_suptitle() == "numpy-cnn"
    assert words(figure) >= {"at the end: 0.1667 (validation)", "at the end: 95.67 % (validation)", "epoch 1", "2", "3"}
    without = [{**epoch, "validation_loss": None, "validation_accuracy": None} for epoch in epochs]
    figure = learning_curves(steps, loss, accuracy, without, "run")
    assert "validation data" not in lines(figure, 0)
    assert any("(smoothed)" in word for word in words(figure))
    for count in (1, 2, 3, 11):
        short = learning_curves(range(1, count + 1), np.full(count, 2.3), np.full(count, 0.1), [], "short")
        (label,) = (label for label in lines(short, 0) if label.startswith("smoothed"))
        assert_close(lines(short, 0)[label][1], np.full(count, 2.3))
        assert png(short)


def test_scales_follow_the_numbers() -> None:
    steps, loss, accuracy, epochs = a_run()
    for losses, accuracies, scales in (  # falls by a factor of 100, ends at 99 %; hardly learns; reaches 0
        (loss, accuracy, ["log", "function"]),
        (2 + loss / 10, np.linspace(0.1, 0.5, 300), ["linear", "linear"]),
        (np.maximum(loss - 0.1, 0), np.zeros(300), ["linear", "linear"]),
    ):
        figure = learning_curves(steps, losses, accuracies, epochs if scales[0] == "log" else [], "run")
        assert [axes.get_yscale() for axes in figure.axes] == scales
        assert png(figure)
    shares = np.linspace(0, 1, 101)
    assert_close(shrink(stretch(shares)), shares)
    assert np.isfinite(stretch(1.2))
    assert (np.diff(stretch(shares)) > 0).all()


def test_scales_hold_what_is_drawn() -> None:
    for shift in (0, 2):  # logarithmic, linear
        steps, loss, accuracy, epochs = a_run()
        loss += shift
        loss[200] = 60
        low, high = learning_curves(steps, loss, accuracy, epochs, "run").axes[0].get_ylim()
        assert low <= loss.min()
        assert high >= 60


@pytest.mark.parametrize("best", [0.3, 0.99, 1.0])
def test_accuracies_go_from_0_to_100_percent(best: float) -> None:
    bottom, top = learning_curves(*a_run(best=best), "run").axes[1].get_ylim()
    assert -0.05 < bottom <= 0
    assert 1 <= top < 1.05


@pytest.mark.parametrize(("epochs", "marker"), [(3, "o"), (100, "None")])
def test_few_epochs_are_points(epochs: int, marker: str) -> None:
    figure = learning_curves(*a_run(300, epochs), "run")
    for axes in figure.axes:
        (line,) = (line for line in axes.get_lines() if line.get_label() == "validation data")
        assert str(line.get_marker()).replace("none", "None") == marker


def test_very_many_steps_become_an_envelope_that_holds_the_extremes() -> None:
    steps, loss, accuracy, epochs = a_run(MAX_STEPS + 1)
    loss[12_345] = 9.0
    figure = learning_curves(steps, loss, accuracy, epochs, "long")
    assert "each batch" not in lines(figure, 0)
    (band,) = figure.axes[0].collections
    edge = band.get_paths()[0].vertices[:, 1]
    assert (edge.min(), edge.max()) == (loss.min(), 9.0)
    assert any("of 11" in word for word in words(figure))


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


def test_every_value_lies_in_the_envelope_and_its_edges_are_values() -> None:
    values = np.random.default_rng(0).normal(size=1003)
    middle, low, high = envelope(np.arange(1, 1004.0), values, 50)
    shares = [values[(k * 1003) // 50 : ((k + 1) * 1003) // 50] for k in range(50)]
    assert_array_equal((low, high), ([share.min() for share in shares], [share.max() for share in shares]))
    assert (np.diff(middle) > 0).all()
