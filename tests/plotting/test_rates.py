"""Reliability, rates by threshold, sweeps, searches, heat maps and profiles show the numbers that they are given."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.errors import ShapeError
from chainrule.plotting.curves import MAX_EPOCH_LABELS, learning_curves, rate_search, sweep_figure
from chainrule.plotting.figures import png
from chainrule.plotting.heat import heat_maps
from chainrule.plotting.mistakes import as_images
from chainrule.plotting.profile import plot_times
from chainrule.plotting.reliability import rate_curves, reliability_diagram


def words(figure: Any) -> set[str]:
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))}


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_bars_of_reliability_have_the_accuracy_and_the_share_of_each_interval(bins: int) -> None:
    draw = np.random.default_rng(bins)
    counts = draw.integers(0, 3, bins) * 10
    counts[0] = 10
    sure, right = draw.random((2, bins))
    sure[counts == 0] = right[counts == 0] = np.nan
    figure = reliability_diagram(counts, sure, right, "my title")
    above, below = figure.axes
    for axes, heights in ((above, np.nan_to_num(right)), (below, counts / counts.sum())):
        assert_close([bar.get_height() for bar in axes.patches], heights, magnitude=1)
        centers = [bar.get_x() + bar.get_width() / 2 for bar in axes.patches]
        assert_close(centers, (np.arange(bins) + 0.5) / bins, magnitude=1)
        assert all(bar.get_width() <= 1 / bins for bar in axes.patches)
        assert axes.get_xlim() == axes.get_ylim() == (0, 1)
    points = np.array([line.get_data() for line in above.lines if line.get_marker() == "o"])[0]
    assert_close(points, [sure[counts > 0], right[counts > 0]])
    (diagonal,) = (line for line in above.lines if line.get_linestyle() == "--")
    assert_array_equal(diagonal.get_data(), ([0, 1], [0, 1]))
    error = sum(n * abs(a - b) for n, a, b in zip(counts, sure, right, strict=True) if n) / counts.sum()
    assert f"my title: calibration error {100 * error:.1f} %" == figure.get_suptitle()
    assert {"accuracy", "samples"} <= words(figure)
    assert "confidence" in below.get_xlabel()
    assert png(figure)


def test_reliability_of_no_samples_or_of_other_lengths() -> None:
    assert "No samples." in words(reliability_diagram([0, 0], [np.nan] * 2, [np.nan] * 2))
    for arrays in (([1, 2], [0.5], [0.5, 0.5]), ([1, 2], [0.5, 0.5], [0.5]), (np.ones((2, 2)),) * 3):
        with pytest.raises(ShapeError):
            reliability_diagram(*arrays)


@pytest.mark.parametrize("is_roc", [True, False])
@pytest.mark.parametrize("classes", [1, 3, 12])
def test_curves_of_rates_are_those_of_the_classes_of_least_area(classes: int, is_roc: bool) -> None:
    draw = np.random.default_rng(classes)
    areas = draw.permutation(np.linspace(0.1, 0.9, classes))
    curves: list[Any] = [(f"class {k}", *np.sort(draw.random((2, 6))), area) for k, area in enumerate(areas)]
    curves.insert(0, ("undefined", np.zeros(2), np.zeros(2), np.nan))
    figure = rate_curves(curves, "my title", ("false", "true"), is_roc=is_roc)
    (axes,) = figure.axes
    shown = [line for line in axes.lines if line.get_linestyle() != "--"]
    assert len(axes.lines) - len(shown) == is_roc
    order = sorted(curves[1:], key=lambda curve: curve[3])[: len(shown)]
    assert len(shown) == min(classes, len(shown)) >= min(classes, 5)
    for line, (name, x, y, area) in zip(shown, order, strict=True):
        first = y[0] * (not is_roc)
        assert_array_equal(line.get_data(), ([0, *x], [first, *y]))
        assert line.get_label().strip() == f"{name}: {area:.3f}"
        assert line.get_drawstyle() == ["steps-pre", "default"][is_roc]
    assert (axes.get_xlabel(), axes.get_ylabel(), figure.get_suptitle()) == ("false", "true", "my title")
    for low, high in (axes.get_xlim(), axes.get_ylim()):
        assert -0.1 < low < 0 < 1 < high < 1.1
    assert len({line.get_color() for line in shown}) == len(shown)
    assert png(figure)
    assert not rate_curves(curves[:1], "none", ("a", "b"), is_roc=is_roc).axes[0].lines


@pytest.mark.parametrize("metric", ["accuracy", "mean_absolute_error"])
@pytest.mark.parametrize("options", [1, 2, 5])
def test_panels_of_a_sweep_hold_the_trials_and_their_means(metric: str, options: int) -> None:
    """An option with a single value has no panel, unless no option has several."""
    draw = np.random.default_rng(options)
    values = {f"option{k}": [*range(k, 2 * k + 1)] for k in range(options)}
    points: list[Any] = []
    for _ in range(30):
        settings = tuple((name, int(draw.choice(choices))) for name, choices in values.items())
        points.append((settings, float(draw.random())))
    figure = sweep_figure(points, metric, "validation", "my title")
    scale = 1 if metric == "mean_absolute_error" else 100
    varied = [name for name in values if len({dict(settings)[name] for settings, _ in points}) > 1] or ["option0"]
    assert [axes.get_xlabel() for axes in figure.axes] == varied
    for axes, name in zip(figure.axes, varied, strict=True):
        labels = [text.get_text() for text in axes.get_xticklabels()]
        assert labels == [*dict.fromkeys(str(dict(settings)[name]) for settings, _ in points)]
        *groups, mean = axes.lines
        for place, (group, label) in enumerate(zip(groups, labels, strict=True)):
            scores = [scale * score for settings, score in points if str(dict(settings)[name]) == label]
            assert_close(group.get_ydata(), scores)
            assert np.abs(group.get_xdata() - place).max() < 0.3
            assert len({*group.get_xdata()}) == len(scores)
            assert_close(mean.get_ydata()[place], np.mean(scores))
        assert_array_equal(mean.get_xdata(), range(len(labels)))
        low, high = axes.get_xlim()
        assert low < 0 <= len(labels) - 1 < high
    boxes = [axes.get_position() for axes in figure.axes]
    for number, box in enumerate(boxes):
        assert 0 <= box.x0 < box.x1 <= 1
        assert 0 <= box.y0 < box.y1 <= 1
        assert not any(box.overlaps(other) for other in boxes[:number])
    assert "validation" in figure.axes[0].get_ylabel()
    assert ("%" in figure.axes[0].get_ylabel()) == (metric == "accuracy")
    assert figure.get_suptitle() == "my title"
    assert png(figure)
    assert "No trials to compare." in words(sweep_figure([], metric, "test", "none"))


def test_a_search_shows_its_losses_and_the_rate_it_suggests() -> None:
    rates = np.geomspace(1e-6, 1, 50)
    losses = 2 - np.log10(rates) ** 2 / 20
    figure = rate_search(rates, losses, losses + 0.1, 3e-4, "my title")
    (axes,) = figure.axes
    batches, smoothed, mark = axes.lines
    assert_array_equal(batches.get_data(), (rates, losses))
    assert_array_equal(smoothed.get_data(), (rates, losses + 0.1))
    assert_array_equal(mark.get_xdata(), [3e-4, 3e-4])
    assert axes.get_xscale() == "log"
    assert "0.0003" in {text.get_text().strip() for text in axes.texts}
    assert (axes.get_xlabel(), axes.get_ylabel(), figure.get_suptitle()) == ("learning rate", "loss", "my title")


@pytest.mark.parametrize("epochs", [1, 12, 13, 30, 100, 700])
def test_epochs_are_numbered_at_equal_distances(epochs: int) -> None:
    steps = 3 * epochs
    rows = [{"step": 3 * number} for number in range(1, epochs + 1)]
    figure = learning_curves(range(1, steps + 1), np.ones(steps), np.ones(steps), rows, "run")
    for axes in figure.axes[:2]:
        (top,) = axes.child_axes
        numbers = [int(text.get_text().removeprefix("epoch ")) for text in top.get_xticklabels()]
        assert_array_equal(top.get_xticks(), [3 * number for number in numbers])
        assert np.unique(np.diff([0, *numbers])).size == 1
        assert str(numbers[0]).strip("0") in ("1", "2", "5")
        assert len(numbers) <= MAX_EPOCH_LABELS
        denser = numbers[0] / 2.5 if str(numbers[0])[0] == "5" else numbers[0] / 2
        assert numbers[0] == 1 or epochs > denser * MAX_EPOCH_LABELS
        assert top.get_xticklabels()[0].get_text().startswith("epoch")
    gaps = [{"step": None}, {"step": 6}]
    assert (
        len(learning_curves(range(1, 7), np.ones(6), np.ones(6), gaps, "run").axes[0].child_axes[0].get_xticks()) == 1
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_heat_lies_over_a_gray_image(channels: int) -> None:
    draw = np.random.default_rng(channels)
    image = draw.integers(0, 256, (channels, 6, 8), np.uint8)
    maps = {"cat": draw.random((3, 4)), "dog": draw.random((6, 8))}
    figure = heat_maps(image, maps, "my title")
    (axes,) = figure.axes
    assert "my title" in figure.get_suptitle() + axes.get_title("left")
    assert [text.get_text() for text in axes.texts] == ["image", "cat", "dog"]
    pictures = [shown for shown in axes.images if shown.get_array().shape[:2] == (6, 8)]
    (first,) = as_images(image[None])
    assert_close(pictures[0].get_array(), first)
    arrays = [shown.get_array() for shown in axes.images]
    for heat in maps.values():
        same = [array.shape == heat.shape and np.allclose(array, heat / heat.max()) for array in arrays]
        place = same.index(True)
        assert axes.images[place].get_extent() == axes.images[place - 1].get_extent()
    grays = np.atleast_3d(first).mean(2)
    assert sum(array.shape[:2] == (6, 8) and np.allclose(np.atleast_3d(array).mean(2), grays) for array in arrays) >= 3
    for wrong in ((image[None], maps), (image, {"cat": np.ones(3)}), (image[0], maps)):
        with pytest.raises(ShapeError):
            heat_maps(*wrong, "title")


def test_times_are_bars_from_top_to_bottom() -> None:
    figure = plot_times(["conv1", "relu1", "dense1"], [1.5, 0.25, 3.0], "my title")
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [1.5, 0.25, 3.0]
    assert [bar.get_y() + bar.get_height() / 2 for bar in axes.patches] == [0, 1, 2]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["conv1", "relu1", "dense1"]
    bottom, top = axes.get_ylim()
    assert bottom > top
    assert (axes.get_title(), axes.get_xlabel()) == ("my title", "milliseconds")
    assert png(figure)
    assert plot_times(["a"] * 30, [1.0] * 30, "t").get_size_inches()[1] > 2 * figure.get_size_inches()[1]
