"""The confusion matrix: its counts, the shares that set its colours, recall and precision."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numerical import assert_close

from chainrule.errors import ShapeError
from chainrule.plotting.confusion import confusion_matrix, fractions
from chainrule.plotting.figures import png

COUNTS = np.array([[90, 8, 2], [0, 40, 10], [1, 0, 1199]])


def written(figure: Figure) -> dict[tuple[int, int], str]:
    texts = [text for text in figure.axes[0].texts if text.get_text() not in ("recall", "precision")]
    return {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in texts}


def labels(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.get_ticklabels()]


def test_every_count_stands_in_its_cell_and_zeros_stay_empty() -> None:
    assert written(confusion_matrix(COUNTS, ["cat", "dog", "owl"])) == {
        (0, 0): "90", (0, 1): "8", (0, 2): "2", (1, 1): "40", (1, 2): "10", (2, 0): "1", (2, 2): "1,199",
    }  # fmt: skip


def test_the_colour_is_the_share_of_the_row_of_the_errors_alone() -> None:
    picture = confusion_matrix(COUNTS, ["cat", "dog", "owl"]).axes[0].images[0]
    share = picture.get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(share), np.eye(3, dtype=bool))
    assert_close(share.filled(0), [[0, 0.08, 0.02], [0, 0, 0.2], [1 / 1200, 0, 0]])
    assert picture.get_clim() == (0, 0.2)


def test_recall_and_precision_at_the_margins_and_accuracy_above() -> None:
    figure = confusion_matrix(COUNTS, ["cat", "dog", "owl"])
    axes = figure.axes[0]
    recall, precision = axes.child_axes
    assert labels(recall.yaxis) == ["90.0 %", "80.0 %", "99.9 %"]
    assert labels(precision.xaxis) == ["98.9 %", "83.3 %", "99.0 %"]
    assert labels(axes.xaxis) == labels(axes.yaxis) == ["cat", "dog", "owl"]
    assert figure.get_suptitle() == "Confusion matrix: 1,329 of 1,350 correct (98.44 %)"


def test_a_class_that_never_occurs_has_no_recall() -> None:
    figure = confusion_matrix([[3, 0], [0, 0]], ["a", "b"])
    recall, precision = figure.axes[0].child_axes
    assert labels(recall.yaxis) == labels(precision.xaxis) == ["100.0 %", "–"]
    assert png(figure)
    assert np.isnan(fractions(np.array([0]), np.array([0])))
    assert confusion_matrix([[0]], ["a"]).get_suptitle() == "Confusion matrix: no samples"


@pytest.mark.parametrize("size", [1, 2, 10, 60])
def test_any_number_of_classes(size: int) -> None:
    counts = np.random.default_rng(size).poisson(0.2, (size, size)) + 200 * np.eye(size, dtype=int)
    figure = confusion_matrix(counts, [f"class {k}" for k in range(size)])
    assert len(written(figure)) == (np.count_nonzero(counts) if size <= 40 else 0)
    assert png(figure)
    figure.draw_without_rendering()
    whole = figure.bbox
    for text in (figure.axes[0].yaxis.label, figure.axes[0].xaxis.label, *figure.axes[0].texts):
        box = text.get_window_extent()
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1


@pytest.mark.parametrize(("shape", "classes"), [((2, 2), 3), ((3, 2), 3), ((3,), 3), ((0, 0), 0)])
def test_counts_must_fit_the_classes(shape: tuple[int, ...], classes: int) -> None:
    with pytest.raises(ShapeError, match=rf"for {classes} classes; expected \({classes}, {classes}\)"):
        confusion_matrix(np.zeros(shape, int), ["class"] * classes)
