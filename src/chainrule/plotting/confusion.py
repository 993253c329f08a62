"""The confusion matrix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError
from chainrule.plotting.figures import Drawing, legible, new_figure, text_options, user_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_CHARACTERS = 18  # maximum number of characters in a class name
MAX_NUMBERS = 30  # largest number of classes with numbers in the cells and margins
MAX_LEVEL = 10  # largest number of classes whose precisions are written horizontally


def plot_confusion(counts: ArrayLike, classes: Sequence[str], ax: Drawing = None) -> "Figure":
    """Plot counts with recall and precision in the margins; colors show errors as fractions of their row.

    More than 30 classes have colors only.

    ax       matplotlib axes to draw in; None: a new figure
    Shapes   counts (K, K), with a row per true class and a column per predicted class; classes: K names
    Errors   ShapeError unless there are K×K counts
    """
    table = np.asarray(counts)
    size = len(classes)
    if table.shape != (size, size) or size == 0:
        raise ShapeError(f"counts of shape {table.shape} for {size} classes; expected ({size}, {size}), not empty")
    if ax is None:
        side = float(np.clip(0.7 * size, 4, 11))
        ax = new_figure(side + 2.5, side + 1).subplots()
    (ax,) = user_axes(ax, 1)
    from chainrule.plotting.library import PercentFormatter

    correct = np.diagonal(table)
    rows = table.sum(axis=1)
    errors = _fractions(table - np.diag(correct), rows[:, None])
    image = ax.imshow(errors, cmap="Oranges", vmin=0, vmax=1.5 * float(np.nanmax(errors, initial=0.0)) or 1.0)
    names = list[str]()
    for name in classes:
        names.append(legible(name, MAX_CHARACTERS))
    font = min(9.0, 400 / size)
    upright = max(map(len, names)) > 3
    ax.set_xticks(range(size), names, fontsize=font, rotation=90 * upright, **text_options())
    ax.set_yticks(range(size), names, fontsize=font, **text_options())
    if size <= MAX_NUMBERS:
        _write_numbers(ax, table, font)
    (accuracy,) = _percents(_fractions(correct.sum(keepdims=True), table.sum(keepdims=True)[0]))
    title = f"{correct.sum():,} of {table.sum():,} correct ({accuracy})"
    ax.set(xlabel="predicted class", ylabel="true class", title=title)
    label = "errors, as a fraction of the true class"
    ax.figure.colorbar(image, ax=ax, label=label, format=PercentFormatter(1.0, symbol=" %"))
    return ax.figure


def _write_numbers(ax: Drawing, table: NDArray[np.generic], font: float) -> None:
    """Write the counts into their cells, and recall and precision into the margins."""
    for i, j in np.argwhere(table):
        ax.text(j, i, f"{table[i, j]:,}", ha="center", va="center", color="black", fontsize="small")
    correct = np.diagonal(table)
    places = range(len(table))
    recall = ax.secondary_yaxis("right")
    recall.set_yticks(places, _percents(_fractions(correct, table.sum(axis=1))), fontsize=font)
    recall.set_ylabel("recall")
    precision = ax.secondary_xaxis("top")
    rotation = 90 if len(table) > MAX_LEVEL else 0
    percents = _percents(_fractions(correct, table.sum(axis=0)))
    precision.set_xticks(places, percents, fontsize=font, rotation=rotation)
    precision.set_xlabel("precision")


def _fractions(counts: NDArray[Any], totals: NDArray[Any]) -> NDArray[np.float64]:
    """Return counts / totals, with NaN where a total is 0."""
    undefined = np.full(counts.shape, np.nan)
    return np.divide(counts, totals, out=undefined, where=totals > 0)


def _percents(values: NDArray[np.float64]) -> list[str]:
    texts = list[str]()
    for value in values:
        text = f"{100 * value:.1f} %"
        if np.isnan(value):
            text = "–"
        texts.append(text)
    return texts
