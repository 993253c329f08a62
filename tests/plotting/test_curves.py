"""Learning curves show the given values."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.errors import ShapeError
from chainrule.plotting.curves import MAX_STEPS, compare_curves, learning_curves, shrink, stretch
from chainrule.plotting.figures import png
from chainrule.plotting.series import half_window, smooth


def a_run(steps: int = 300, epochs: int = 3, best: float = 0.99) -> tuple[Any, ...]:
    rng = np.random.default_rng(steps)
    falling = np.exp(-np.linspace(0, 5, steps))
    loss = 2.3 * falling * rng.uniform(0.7, 1.3, steps) + 0.02
    accuracy = np.clip(best - 0.88 * falling + rng.normal(0, 0.004, steps), 0, 1)
    ends = [steps * (k + 1) // epochs for k in range(epochs)]
    rows = [
        {"epoch": k + 1, "step": end, "loss": 0.1, "accuracy": 0.9, "validation_loss": 0.5 / (k + 1),
         "validation_accuracy": best - 0.1 / (k + 1)}
        for k, end in enumerate(ends)
    ]  # fmt: skip
    return list(range(1, steps + 1)), loss, accuracy, rows


def lines(figure: Figure, panel: int) -> dict[str, tuple[Any, Any]]:
    return {str(line.get_label()): line.get_data() for line in figure.axes[panel].get_lines()}


def words(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    found = [text.get_text() for axes in figure.axes for text in axes.findobj(lambda a: hasattr(a, "get_text"))]
    return found + [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_both_panels_hold_every_step_its_mean_and_the_validation_points() -> None:
    steps, loss, accuracy, epochs = a_run()
    figure = learning_curves(steps, loss, accuracy, epochs, "numpy-cnn")
    for panel, (name, given) in enumerate((("loss", loss), ("accuracy", accuracy))):
        drawn = lines(figure, panel)
        assert_array_equal(drawn["each batch"], (steps, given))
        assert_array_equal(drawn["smoothed over 17 steps"], (steps, smooth(given, half_window(300))))
        expected = ([100, 200, 300], [row[f"validation_{name}"] for row in epochs])
        assert_array_equal(drawn["validation data"], expected)
    assert figure.get_suptitle() == "numpy-cnn"
    assert png(figure)


def test_the_last_validation_result_is_written_out_and_epochs_are_marked() -> None:
    figure = learning_curves(*a_run(), "run")
    assert {"at the end: 0.1667 (validation)", "at the end: 95.67 % (validation)"} <= set(words(figure))
    assert {"epoch 1", "2", "3"} <= set(words(figure))


def test_validation_may_be_missing() -> None:
    steps, loss, accuracy, epochs = a_run()
    without = [{**epoch, "validation_loss": None, "validation_accuracy": None} for epoch in epochs]
    figure = learning_curves(steps, loss, accuracy, without, "run")
    assert "validation data" not in lines(figure, 0)
    assert any("(smoothed)" in word for word in words(figure))


def test_scales_follow_the_numbers() -> None:
    far = learning_curves(*a_run(), "falls by a factor of 100, ends at 99 %")
    assert [axes.get_yscale() for axes in far.axes] == ["log", "function"]
    steps, loss, _, epochs = a_run()
    near = learning_curves(steps, 2 + loss / 10, np.linspace(0.1, 0.5, 300), [], "hardly learns")
    assert [axes.get_yscale() for axes in near.axes] == ["linear", "linear"]
    zero = learning_curves(steps, np.maximum(loss - 0.1, 0), np.zeros(300), epochs, "loss reaches 0")
    assert zero.axes[0].get_yscale() == "linear"
    assert all(png(figure) for figure in (far, near, zero))


def test_the_stretched_scale_is_undone_by_its_inverse_and_reaches_100_per_cent() -> None:
    shares = np.linspace(0, 1, 101)
    assert_close(shrink(stretch(shares)), shares)
    assert np.isfinite(stretch(1.2))
    assert (np.diff(stretch(shares)) > 0).all()


@pytest.mark.parametrize("count", [1, 2, 3, 11])
def test_few_steps(count: int) -> None:
    figure = learning_curves(range(1, count + 1), np.full(count, 2.3), np.full(count, 0.1), [], "short")
    label = next(label for label in lines(figure, 0) if label.startswith("smoothed"))
    assert_close(lines(figure, 0)[label][1], np.full(count, 2.3))
    assert png(figure)


def test_very_many_steps_become_an_envelope_that_holds_the_extremes() -> None:
    steps, loss, accuracy, epochs = a_run(MAX_STEPS + 1)
    loss[12_345] = 9.0
    figure = learning_curves(steps, loss, accuracy, epochs, "long")
    assert "each batch" not in lines(figure, 0)
    (band,) = figure.axes[0].collections
    edge = band.get_paths()[0].vertices[:, 1]
    assert (edge.min(), edge.max()) == (loss.min(), 9.0)
    assert any("of 11" in word for word in words(figure))
    assert png(figure)


def test_as_many_losses_as_steps() -> None:
    with pytest.raises(ShapeError, match=r"3 steps but accuracy of shape \(2,\)"):
        learning_curves([1, 2, 3], [1.0, 1.0, 1.0], [0.1, 0.2], [], "run")
    with pytest.raises(ShapeError, match=r"lenet: 3 steps but loss"):
        compare_curves({"lenet": ([1, 2, 3], [1.0], [0.1], [])})


def test_a_comparison_holds_every_run_under_its_own_name() -> None:
    runs = {"numpy-cnn": a_run(300), "_lenet $5$": a_run(500, 2, 0.97), "empty": ([], [], [], [])}
    figure = compare_curves(runs)
    for number, (steps, loss, accuracy, _) in enumerate(list(runs.values())[:2]):
        for panel, given in enumerate((loss, accuracy)):
            expected = (steps, smooth(given, half_window(len(steps))))
            assert_array_equal(lines(figure, panel)[f"run {number}"], expected)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["numpy-cnn (95.67 %)", "_lenet $5$ (92.00 %)"]
    assert png(figure)
