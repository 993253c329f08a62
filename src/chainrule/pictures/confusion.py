"""The confusion matrix: which classes are taken for which others."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError
from chainrule.pictures.style import (
    BODY,
    INK,
    MUTED,
    PAPER,
    RULE,
    SMALL,
    Drawing,
    legible,
    new_figure,
    tidy,
    tidy_ticks,
    typeface,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIGHT_COLOUR = "#dce6ee"
MOST_CHARACTERS = 18  # of a class name
_SMALLEST_NUMBER = 4.0  # points; cells too small for that carry no number


def confusion_matrix(counts: ArrayLike, classes: Sequence[str], title: str = "Confusion matrix") -> "Figure":
    """Counts with recall and precision at the margins. The colour is for the errors alone: their share of the row.

    Shapes   counts (K, K), rows the true class, columns the predicted one; classes K names
    Errors   ShapeError when there are not K×K counts
    """
    table = np.asarray(counts)
    size = len(classes)
    if table.shape != (size, size) or size == 0:
        raise ShapeError(
            f"counts of shape {table.shape} for {size} classes; expected ({size}, {size}), at least (1, 1)"
        )
    cell = float(np.clip(6.2 / size, 0.27, 1.1)) if size <= 40 else 11 / size
    figure = new_figure(max(size * cell + 2.9, 5.4), size * cell + 1.7, _headline(table, title))
    axes = figure.subplots()
    tidy(axes, grid=False)
    _colour(figure, axes, table)
    _numbers(axes, table, cell)
    _margins(axes, table, [legible(name, MOST_CHARACTERS) for name in classes], cell)
    return figure


def shares(numbers: NDArray[np.generic], totals: NDArray[np.generic]) -> NDArray[np.float64]:
    """numbers / totals, and NaN where there is nothing to take a share of."""
    wide, whole = np.asarray(numbers, np.float64), np.asarray(totals, np.float64)
    return np.divide(wide, whole, out=np.full(np.broadcast_shapes(wide.shape, whole.shape), np.nan), where=whole > 0)


def _headline(table: NDArray[np.generic], title: str) -> str:
    right, total = int(np.trace(table)), int(table.sum())
    return f"{title}: {right:,} of {total:,} right ({100 * right / total:.2f} %)" if total else f"{title}: no samples"


def _colour(figure: Drawing, axes: Drawing, table: NDArray[np.generic]) -> None:
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap
    from matplotlib.ticker import FuncFormatter

    diagonal = np.eye(len(table), dtype=bool)
    wrong = np.ma.masked_array(np.nan_to_num(shares(table, table.sum(axis=1, keepdims=True))), diagonal)
    top = float(np.ma.filled(wrong, 0).max()) or 0.01
    colours = LinearSegmentedColormap.from_list("errors", [PAPER, "#fde3cf", "#f7b27c", "#e8772e"])
    picture = axes.imshow(wrong, cmap=colours, vmin=0, vmax=top, interpolation="nearest")
    axes.imshow(np.ma.masked_array(diagonal, ~diagonal), cmap=ListedColormap([RIGHT_COLOUR]), interpolation="nearest")
    edges = np.arange(len(table) + 1) - 0.5
    axes.hlines(edges, -0.5, len(table) - 0.5, color="#eef0f2", lw=0.7)
    axes.vlines(edges, -0.5, len(table) - 0.5, color="#eef0f2", lw=0.7)
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=24, pad=0.02, fraction=0.04)
    bar.set_label("errors, as a share of the true class", fontsize=SMALL, color=MUTED)
    bar.outline.set(edgecolor=RULE, linewidth=0.6)
    tidy_ticks(bar.ax.yaxis)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(_percent))


def _numbers(axes: Drawing, table: NDArray[np.generic], cell: float) -> None:
    digits = max(len(f"{int(table.max()):,}"), 2)
    size = min(BODY + 1, 0.86 * cell * 72 / (0.62 * digits))
    if size < _SMALLEST_NUMBER:
        return
    for i, j in zip(*np.nonzero(table), strict=True):
        weight = "bold" if i == j else "normal"
        text = f"{int(table[i, j]):,}"
        axes.text(j, i, text, ha="center", va="center", fontsize=size, color=INK, fontweight=weight, **typeface())


def _margins(axes: Drawing, table: NDArray[np.generic], names: list[str], cell: float) -> None:
    at, right = np.arange(len(names)), np.diagonal(table)
    size = min(SMALL + 0.5, 0.75 * cell * 72)  # points
    recall, precision = axes.secondary_yaxis("right"), axes.secondary_xaxis("bottom")
    axes.xaxis.set(label_position="top", ticks_position="top")
    axes.set_xlabel("predicted class", fontsize=BODY, color=MUTED, labelpad=6)
    axes.set_ylabel("true class", fontsize=BODY, color=MUTED, labelpad=6)
    axes.set_xticks(at, names)
    axes.set_yticks(at, names)
    recall.set_yticks(at, _percents(shares(right, table.sum(axis=1))))
    precision.set_xticks(at, _percents(shares(right, table.sum(axis=0))))
    for axis, colour in ((axes.xaxis, INK), (axes.yaxis, INK), (recall.yaxis, MUTED), (precision.xaxis, MUTED)):
        tidy_ticks(axis, length=0)
        axis.set_tick_params(labelsize=size, labelcolor=colour)
        for label in axis.get_ticklabels():
            label.set(**typeface())
    for axis, longest in ((axes.xaxis, max(map(len, names))), (precision.xaxis, len("100.0 %"))):
        axis.set_tick_params(labelrotation=90 if longest * size * 0.62 > cell * 72 else 0)
    for spine in (*axes.spines.values(), *recall.spines.values(), *precision.spines.values()):
        spine.set_visible(False)
    heading = {"textcoords": "offset points", "xycoords": "axes fraction", "fontsize": SMALL, "color": MUTED}
    axes.annotate("recall", (1, 1), (4, 4), ha="left", va="bottom", **heading)
    axes.annotate("precision", (0, 0), (-4, -4), ha="right", va="top", **heading)


def _percent(share: float, _: object) -> str:
    return f"{100 * share:.6g} %"


def _percents(values: NDArray[np.float64]) -> list[str]:
    return ["–" if np.isnan(value) else f"{100 * value:.1f} %" for value in values]
