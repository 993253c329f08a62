"""The kernels in the figure are those of the layer."""

import numpy as np
import pytest
from numerical import assert_close

from chainrule.errors import ShapeError
from chainrule.plotting.figures import png
from chainrule.plotting.kernels import MAX_CHANNELS, MAX_FILTERS, kernel_grid


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(8, 1, 5, 5), (5, 3, 3, 4), (1, 1, 1, 1), (6, 2, 1, 9), (3, 2, 7, 1)])
def test_every_kernel_is_shown_on_one_scale_symmetric_about_zero(shape: tuple[int, ...]) -> None:
    w = weights(*shape)
    figure = kernel_grid(w, "conv1")
    images = figure.axes[0].images
    np.testing.assert_array_equal([image.get_array() for image in images], w.reshape(-1, *shape[2:]))
    largest = float(np.abs(w).max())
    assert {image.get_clim() for image in images} == {(-largest, largest)}
    assert [text.get_text() for text in figure.axes[0].texts] == [str(o) for o in range(shape[0])]
    assert png(figure)


def test_tiles_have_the_form_of_the_kernel_and_do_not_overlap() -> None:
    boxes = [image.get_extent() for image in kernel_grid(weights(7, 3, 2, 4), "conv1").axes[0].images]
    for left, right, bottom, top in boxes:
        assert_close((right - left) / (bottom - top), 2)
    for a in range(len(boxes)):
        for b in range(a):
            beside = boxes[a][1] <= boxes[b][0] or boxes[b][1] <= boxes[a][0]
            below = boxes[a][2] <= boxes[b][3] or boxes[b][2] <= boxes[a][3]
            assert beside or below


def test_very_many_kernels_are_cut_and_the_picture_says_so() -> None:
    w = weights(MAX_FILTERS + 6, MAX_CHANNELS + 2, 3, 3)
    figure = kernel_grid(w, "conv2")
    images = figure.axes[0].images
    shown = w[:MAX_FILTERS, :MAX_CHANNELS].reshape(-1, 3, 3)
    np.testing.assert_array_equal([image.get_array() for image in images], shown)
    expected = "The first 64 of 70 filters of 3×3, the first 16 of 18 channels side by side"
    assert figure.axes[0].get_title("left") == expected


@pytest.mark.parametrize("shape", [(3, 3), (0, 1, 3, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="expected four axes"):
        kernel_grid(np.zeros(shape), "dense")
