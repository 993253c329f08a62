"""The grids of images: the right images, in the right order, with the right captions."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_array_equal

from chainrule.errors import ShapeError
from chainrule.plotting.figures import png
from chainrule.plotting.mistakes import as_images, batch_grid, mistakes

CLASSES = ["cat", "dog", "owl"]


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_most_confident_mistake_comes_first_and_right_answers_are_left_out() -> None:
    x = images(5, 1, 6, 4)
    figure = mistakes(x, [0, 1, 2, 0, 1], [0, 2, 0, 1, 1], [0.99, 0.5, 0.984, 0.9999, 1.0], CLASSES)
    assert words(figure) == ["cat → dog\n99.9 %", "owl → cat\n98.4 %", "dog → owl\n50.0 %"]
    shown = [image.get_array() for image in figure.axes[0].images]
    assert_array_equal(shown, x[[3, 2, 1], 0] / 255)
    assert figure.get_suptitle() == "All 3 mistakes, the most confident first"
    assert png(figure)


def test_only_the_first_24_of_many() -> None:
    x, truth, sure = images(100, 1, 5, 5), np.zeros(100, int), np.linspace(0.2, 0.9, 100)
    figure = mistakes(x, truth, np.ones(100, int), sure, CLASSES)
    assert figure.get_suptitle() == "The 24 most confident of 100 mistakes"
    shown = [image.get_array() for image in figure.axes[0].images]
    assert_array_equal(shown, x[:75:-1, 0] / 255)


@pytest.mark.parametrize("count", [0, 7])
def test_no_mistakes_are_good_news(count: int) -> None:
    figure = mistakes(images(count, 3, 4, 4), np.ones(count, int), np.ones(count, int), np.ones(count), CLASSES)
    assert words(figure) == ["None: all 7 images are classified correctly." if count else "None."]
    assert png(figure)


def test_a_batch_with_names_with_numbers_and_without() -> None:
    x = images(3, 3, 4, 6)
    assert words(batch_grid(x, [2, 0, 1], CLASSES)) == ["owl", "cat", "dog"]
    assert words(batch_grid(x, [2, 0, 1])) == ["2", "0", "1"]
    figure = batch_grid(x)
    assert words(figure) == []
    assert_array_equal([image.get_array() for image in figure.axes[0].images], x.transpose(0, 2, 3, 1) / 255)
    assert figure.get_suptitle() == "3 images"
    assert png(figure)


def test_pictures_are_between_black_and_white() -> None:
    assert_array_equal(as_images(np.array([[[[0, 255]]]], np.uint8)), [[[0.0, 1.0]]])
    assert_array_equal(as_images(np.array([[[[0.25, 0.5]]]])), [[[0.25, 0.5]]])
    assert_array_equal(as_images(np.array([[[[-1.0, 3.0]]], [[[0.0, 1.0]]]])), [[[0, 1]], [[0.25, 0.5]]])
    assert_array_equal(as_images(np.array([[[[0.2]], [[0.6]]]])), [[[0.4]]])
    assert (as_images(np.full((1, 1, 2, 2), 7.0)) == 0).all()


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match="expected four axes"):
        batch_grid(images(3, 4, 4))
    with pytest.raises(ShapeError, match=r"3 images but labels of shape \(2,\)"):
        batch_grid(images(3, 1, 4, 4), [0, 1])
    with pytest.raises(ShapeError, match=r"3 images but confidence of shape \(1,\)"):
        mistakes(images(3, 1, 4, 4), [0, 1, 2], [0, 1, 2], [0.5], CLASSES)
