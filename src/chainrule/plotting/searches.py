"""Plots of searches: the metric of a sweep's trials, and the loss as a function of the learning rate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.plotting.curves import loss_scale
from chainrule.plotting.figures import (
    BLUE,
    BODY,
    INK,
    MARGIN,
    SMALL,
    VERMILLION,
    legible,
    message,
    new_sheet,
    tidy,
    typeface,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Settings = Sequence[tuple[str, Any]]
HEIGHT, TICKS, GAP, PER_VALUE = 2.9, 0.65, 0.25, 0.75  # inches
COLUMNS = 4
LONGEST_LABEL = 14  # maximum number of characters
Numbers = NDArray[np.float64]


def sweep_figure(points: Sequence[tuple[Settings, float]], metric: str, where: str, title: str) -> "Figure":
    """Plot a panel for each option with several values: trials as points, the mean of each value as a line.

    points   settings and metric of each trial
    metric   name of the metric
    where    data on which it was computed
    """
    options = list(dict.fromkeys(name for settings, _ in points for name, _ in settings))
    values = {name: list(dict.fromkeys(str(dict(settings)[name]) for settings, _ in points)) for name in options}
    shown = [name for name in options if len(values[name]) > 1] or options[:1]
    if not shown:
        return message(title, "No trials to compare.")
    widths = [max(1.8, PER_VALUE * len(values[name])) for name in shown]
    rows = -(-len(shown) // COLUMNS)
    per_row = [widths[row * COLUMNS : (row + 1) * COLUMNS] for row in range(rows)]
    across = max(sum(row) + len(row) * (TICKS + GAP) for row in per_row) + 2 * MARGIN
    sheet = new_sheet(max(across, 4.0), rows * (HEIGHT + TICKS + GAP), title)
    scale = 100.0 if metric != "mean_absolute_error" else 1.0
    for number, name in enumerate(shown):
        row, column = divmod(number, COLUMNS)
        left = MARGIN + TICKS + sum(per_row[row][:column]) + column * (TICKS + GAP)
        axes = sheet.axes(left, row * (HEIGHT + TICKS + GAP) + 0.1, widths[number], HEIGHT)
        indices = [values[name].index(str(dict(settings)[name])) for settings, _ in points]
        scores = scale * np.array([score for _, score in points])
        _draw(axes, np.array(indices), scores, values[name], name)
        if column == 0:
            unit = " (%)" if metric != "mean_absolute_error" else ""
            axes.set_ylabel(f"{where} {metric.replace('_', ' ')}{unit}", fontsize=BODY, color=INK)
    return sheet.figure


def _draw(axes: Any, indices: Any, scores: Any, values: Sequence[str], name: str) -> None:
    for index in range(len(values)):
        value_scores = scores[indices == index]
        spread = np.linspace(-0.12, 0.12, len(value_scores)) if len(value_scores) > 1 else np.zeros(len(value_scores))
        axes.plot(index + spread, value_scores, "o", color=BLUE, alpha=0.45, ms=4)
    means = [scores[indices == index].mean() for index in range(len(values))]
    axes.plot(range(len(values)), means, color=VERMILLION, lw=1.6, marker="_", ms=12)
    tidy(axes)
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.set_xticks(range(len(values)), [legible(value, LONGEST_LABEL) for value in values], fontsize=SMALL)
    axes.set_xlabel(legible(name), fontsize=BODY, color=INK)


def rate_search(rates: Numbers, losses: Numbers, smoothed: Numbers, suggested: float, title: str) -> "Figure":
    """Plot the loss of each batch (thin) and smoothed (thick) against the learning rate; mark the suggested rate.

    Shapes   rates, losses, smoothed (S,)
    """
    sheet = new_sheet(7.0, 4.1, title)
    axes = sheet.axes(MARGIN + 0.6, 0.15, 6.1, 3.3)
    axes.plot(rates, losses, color=BLUE, alpha=0.3, lw=0.7)
    axes.plot(rates, smoothed, color=BLUE, lw=1.8)
    tidy(axes)
    axes.set_xscale("log")
    loss_scale(axes, smoothed, losses)
    axes.axvline(suggested, color=VERMILLION, lw=1.2, ls="--")
    words = {"fontsize": SMALL + 0.5, "color": VERMILLION, **typeface()}
    axes.annotate(f" {suggested:.2g}", (suggested, 1), xycoords=("data", "axes fraction"), va="top", **words)
    axes.set_xlabel("learning rate", fontsize=BODY, color=INK)
    axes.set_ylabel("loss", fontsize=BODY, color=INK)
    return sheet.figure
