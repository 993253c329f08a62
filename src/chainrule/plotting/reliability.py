"""The reliability diagram, accuracy by confidence, and rates at all thresholds: ROC curves, and precision by recall."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError
from chainrule.plotting.figures import (
    BLUE,
    BODY,
    CYCLE,
    MUTED,
    SMALL,
    Drawing,
    legible,
    message,
    new_sheet,
    tidy,
    typeface,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rates: TypeAlias = NDArray[np.float64]
Line: TypeAlias = tuple[str, Rates, Rates, float]  # name of a class, x, y, and the area below
MAX_CHARACTERS = 24  # of a name in the legend
_WIDTH, _HEIGHT, _COUNTS, _LEFT = 4.6, 3.6, 0.9, 0.75  # inches: axes, axes of the counts, margin with labels


def reliability_diagram(
    counts: ArrayLike, confidence: ArrayLike, accuracy: ArrayLike, title: str = "Accuracy by confidence"
) -> "Figure":
    """Plot the accuracy in equal intervals of the confidence from 0 to 1, and the number of samples below.

    A calibrated network is on the diagonal: of the predictions with a confidence of 80 %, 80 % are correct.

    Shapes   counts, confidence, accuracy (B,): number of samples, mean confidence and accuracy of each interval
    Errors   ShapeError unless all have the same length
    """
    number = np.asarray(counts, np.float64)
    sure = np.asarray(confidence, np.float64)
    right = np.asarray(accuracy, np.float64)
    if number.ndim != 1 or not (number.shape == sure.shape == right.shape):
        shapes = f"{number.shape}, {sure.shape}, {right.shape}"
        raise ShapeError(f"counts, confidence and accuracy of shapes {shapes}; expected the same length")
    total = number.sum()
    if not total:
        return message(title, "No samples.")
    error = float(np.nan_to_num(np.abs(right - sure)) @ number / total)
    sheet = new_sheet(_LEFT + _WIDTH + 0.2, _HEIGHT + _COUNTS + 0.75, f"{title}: calibration error {100 * error:.1f} %")
    middle = (np.arange(number.size) + 0.5) / number.size
    axes = sheet.axes(_LEFT, 0, _WIDTH, _HEIGHT)
    bars = {"width": 0.9 / number.size, "color": BLUE}
    axes.bar(middle, np.nan_to_num(right), **bars)
    _draw_diagonal(axes)
    axes.plot(sure[number > 0], right[number > 0], color=MUTED, marker="o", markersize=3, linestyle="none")
    axes.set(xlim=(0, 1), ylim=(0, 1), xticklabels=[])
    below = sheet.axes(_LEFT, _HEIGHT + 0.15, _WIDTH, _COUNTS)
    below.bar(middle, number / total, **bars)
    below.set(xlim=(0, 1), ylim=(0, 1))
    for drawing, label in ((axes, "accuracy"), (below, "samples")):
        _label(drawing, label)
    below.set_xlabel("confidence in the predicted class", fontsize=BODY, color=MUTED, **typeface())
    return sheet.figure


def rate_curves(lines: Sequence[Line], title: str, names: tuple[str, str], *, is_roc: bool) -> "Figure":
    """Plot a rate by another rate for classes, with the areas below. Of many classes, show those of least area.

    lines    curves of the classes that occur, from the highest threshold to the lowest
    names    of the axes
    is_roc   whether the curves begin at (0, 0) and are compared with the diagonal, that of random answers
    """
    defined = [line for line in lines if not np.isnan(_area(line))]
    shown = sorted(defined, key=_area)[: len(CYCLE)]
    if not shown:
        return message(title, "There are no samples of a class beside others.")
    sheet = new_sheet(_LEFT + _HEIGHT + 0.2, _HEIGHT + 0.75, title)
    axes = sheet.axes(_LEFT, 0, _HEIGHT, _HEIGHT)
    style = "steps-pre"
    corner = "lower left"
    if is_roc:
        style = "default"
        corner = "lower right"
        _draw_diagonal(axes)
    for (name, x, y, area), color in zip(shown, CYCLE, strict=False):
        first_y = 0.0 if is_roc else y[0]
        label = f" {legible(name, MAX_CHARACTERS)}: {area:.3f}"
        axes.plot(np.append(0.0, x), np.append(first_y, y), label=label, color=color, lw=1.6, drawstyle=style)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    x_name, y_name = names
    _label(axes, y_name)
    axes.set_xlabel(x_name, fontsize=BODY, color=MUTED, **typeface())
    legend = axes.legend(frameon=False, fontsize=SMALL, loc=corner)
    for entry in legend.get_texts():
        entry.set(**typeface())
    return sheet.figure


def _area(line: Line) -> float:
    _, _, _, area = line
    return area


def _draw_diagonal(axes: Drawing) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")


def _label(axes: Drawing, label: str) -> None:
    tidy(axes)
    axes.set_ylabel(label, fontsize=BODY, color=MUTED, **typeface())
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.tick_params(labelsize=SMALL)
