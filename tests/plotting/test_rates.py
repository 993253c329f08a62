"""Reliability, rates by threshold, and heat maps show the numbers that they are given."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.errors import ShapeError
from chainrule.plotting.curves import MAX_EPOCH_LABELS, learning_curves
from chainrule.plotting.heat import heat_maps
from chainrule.plotting.mistakes import as_images


def words(figure: Any) -> set[str]:
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))}


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
