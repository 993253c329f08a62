"""The confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError
from chainrule.plotting.figures import (
    BODY,
    INK,
    MARGIN,
    MUTED,
    PAPER,
    SMALL,
    Drawing,
    color_bar,
    legible,
    new_sheet,
    tidy,
    tidy_ticks,
    typeface,
    widest,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CORRECT_COLOR = "#dce6ee"
MAX_CHARACTERS = 18  # maximum number of characters in a class name
_BAR = 1.05  # inches: width of the color bar with its ticks and label
_SMALLEST_CELL, _SMALLEST_NUMBER = 0.2, 4.0  # smallest cell (inches) and font size (points) with numbers


def confusion_matrix(counts: ArrayLike, classes: Sequence[str], title: str = "Confusion matrix") -> "Figure":
    """Plot counts with recall and precision in the margins; colors show errors as fractions of their row.

    Shapes   counts (K, K), with a row per true class and a column per predicted class; classes: K names
    Errors   ShapeError unless there are K×K counts
    """
    table = np.asarray(counts)
    size = len(classes)
    if table.shape != (size, size) or size == 0:
        raise ShapeError(f"counts of shape {table.shape} for {size} classes; expected ({size}, {size}), not empty")
    cell = 11 / size
    if size <= 40:
        cell = float(np.clip(6.2 / size, 0.27, 1.1))
    names = [legible(name, MAX_CHARACTERS) for name in classes]
    layout = _layout(names, cell)
    side = cell * size
    right = layout.left + side + layout.percents
    sheet = new_sheet(max(right + _BAR, 5.4), layout.top + side + layout.bottom, _headline(table, title))
    axes = sheet.axes(layout.left, layout.top, side, side)
    tidy(axes, grid=False)
    _color_cells(axes, table)
    bar_height = min(side, 3.6)
    bar = color_bar(axes, sheet.axes(right + 0.2, layout.top + (side - bar_height) / 2, 0.13, bar_height))
    bar.set_label("errors, as a fraction of the true class", fontsize=SMALL, color=MUTED)
    bar.ax.yaxis.set_major_formatter(_percent)
    _numbers(axes, table, cell)
    _label_edges(axes, table, names, layout)
    return sheet.figure


@dataclass(frozen=True)
class _MatrixLayout:
    """Layout of the matrix.

    left, top, bottom  margins in inches
    percents           width of the recall column at the right, in inches
    size               font size of class names and percentages, in points
    names_turned       whether the class names at the top are vertical
    percents_turned    whether the precisions at the bottom are vertical
    """

    left: float
    top: float
    bottom: float
    percents: float
    size: float
    names_turned: bool
    percents_turned: bool


def _layout(names: list[str], cell: float) -> _MatrixLayout:
    size = min(SMALL + 0.5, 0.75 * cell * 72)
    names_width = widest(names, size)
    percents = max(widest(["100.0 %"], size), widest(["recall"], SMALL)) + 0.1
    names_turned = names_width > 0.95 * cell
    percents_turned = percents > cell
    left = MARGIN + max(names_width + 0.3, widest(["precision"], SMALL) + 0.1)
    names_height = names_width if names_turned else size / 72
    percents_height = percents if percents_turned else 0.15
    top = 0.3 + names_height + 0.05
    bottom = 0.05 + MARGIN + percents_height
    return _MatrixLayout(left, top, bottom, percents, size, names_turned, percents_turned)


def fractions(counts: NDArray[np.generic], totals: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return counts / totals, with NaN where a total is 0."""
    wide = np.asarray(counts, np.float64)
    whole = np.asarray(totals, np.float64)
    undefined = np.full(np.broadcast_shapes(wide.shape, whole.shape), np.nan)
    return np.divide(wide, whole, out=undefined, where=whole > 0)


def _headline(table: NDArray[np.generic], title: str) -> str:
    correct = int(np.trace(table))
    total = int(table.sum())
    if not total:
        return f"{title}: no samples"
    return f"{title}: {correct:,} of {total:,} correct ({100 * correct / total:.2f} %)"


def _color_cells(axes: Drawing, table: NDArray[np.generic]) -> None:
    from chainrule.plotting.library import LinearSegmentedColormap, ListedColormap

    diagonal = np.eye(len(table), dtype=bool)
    wrong = np.ma.masked_array(np.nan_to_num(fractions(table, table.sum(axis=1, keepdims=True))), diagonal)
    top = float(np.ma.filled(wrong, 0).max()) or 0.01
    colors = LinearSegmentedColormap.from_list("errors", [PAPER, "#fde3cf", "#f7b27c", "#e8772e"])
    image_options = {"interpolation": "nearest", "aspect": "auto"}
    axes.imshow(wrong, cmap=colors, vmin=0, vmax=top, **image_options)
    axes.imshow(np.ma.masked_array(diagonal, ~diagonal), cmap=ListedColormap([CORRECT_COLOR]), **image_options)
    edges = np.arange(len(table) + 1) - 0.5
    axes.hlines(edges, -0.5, len(table) - 0.5, color="#eef0f2", lw=0.7)
    axes.vlines(edges, -0.5, len(table) - 0.5, color="#eef0f2", lw=0.7)


def _numbers(axes: Drawing, table: NDArray[np.generic], cell: float) -> None:
    digits = max(len(f"{int(table.max()):,}"), 2)
    size = min(BODY + 1, 0.86 * cell * 72 / (0.62 * digits))
    if cell < _SMALLEST_CELL or size < _SMALLEST_NUMBER:
        return
    for i, j in zip(*np.nonzero(table), strict=True):
        weight = "bold" if i == j else "normal"
        text = f"{int(table[i, j]):,}"
        axes.text(j, i, text, ha="center", va="center", fontsize=size, color=INK, fontweight=weight, **typeface())


def _label_edges(axes: Drawing, table: NDArray[np.generic], names: list[str], layout: _MatrixLayout) -> None:
    """Write class names at the top and left, the recall of each row at the right, and precisions at the bottom.

    Rows are true classes, so that recall = correct / sum of the row and precision = correct / sum of the column. The
    rates need axes of their own, since an axis of the plot has ticks with one text each.
    """
    positions = np.arange(len(names))
    correct = np.diagonal(table)
    recall = axes.secondary_yaxis("right")
    precision = axes.secondary_xaxis("bottom")
    axes.xaxis.set(label_position="top", ticks_position="top")
    axes.set_xlabel("predicted class", fontsize=BODY, color=MUTED, labelpad=6)
    axes.set_ylabel("true class", fontsize=BODY, color=MUTED, labelpad=6)
    axes.set_xticks(positions, names)
    axes.set_yticks(positions, names)
    recall.set_yticks(positions, _percents(fractions(correct, table.sum(axis=1))))
    precision.set_xticks(positions, _percents(fractions(correct, table.sum(axis=0))))
    for axis, color in ((axes.xaxis, INK), (axes.yaxis, INK), (recall.yaxis, MUTED), (precision.xaxis, MUTED)):
        tidy_ticks(axis, length=0)
        axis.set_tick_params(labelsize=layout.size, labelcolor=color)
        for label in axis.get_ticklabels():
            label.set(**typeface())
    if layout.names_turned:
        axes.xaxis.set_tick_params(labelrotation=90)
    if layout.percents_turned:
        precision.xaxis.set_tick_params(labelrotation=90)
    for spine in (*axes.spines.values(), *recall.spines.values(), *precision.spines.values()):
        spine.set_visible(False)
    # The headings of the rates stand outside the corners where their rows of numbers begin, 4 points from the matrix:
    # "recall" above its column, "precision" left of its row. Corners are fractions: (0, 0) is bottom left.
    heading = {"textcoords": "offset points", "xycoords": "axes fraction", "fontsize": SMALL, "color": MUTED}
    axes.annotate("recall", (1, 1), (4, 4), ha="left", va="bottom", **heading)
    axes.annotate("precision", (0, 0), (-4, -4), ha="right", va="top", **heading)


def _percent(share: float, _: object) -> str:
    return f"{100 * share:.6g} %"


def _percents(values: NDArray[np.float64]) -> list[str]:
    texts = list[str]()
    for value in values:
        text = f"{100 * value:.1f} %"
        if np.isnan(value):
            text = "–"
        texts.append(text)
    return texts
