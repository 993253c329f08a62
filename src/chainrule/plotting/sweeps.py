"""The metric of every trial of a sweep over the values of each swept option."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.plotting.style import BLUE, BODY, INK, MARGIN, SMALL, VERMILLION, legible, message, new_sheet, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Settings = Sequence[tuple[str, Any]]
HEIGHT, TICKS, GAP, PER_VALUE = 2.9, 0.65, 0.25, 0.75  # inches
COLUMNS = 4
LONGEST_LABEL = 14  # characters


def sweep_figure(points: Sequence[tuple[Settings, float]], measure: str, where: str, title: str) -> "Figure":
    """Plot a panel for each option with several values: every trial as a point, the mean of each value as a line.

    points   settings and metric of each trial
    measure  name of the metric
    where    data that it is measured on
    """
    options = list(dict.fromkeys(name for settings, _ in points for name, _ in settings))
    values = {name: list(dict.fromkeys(str(dict(settings)[name]) for settings, _ in points)) for name in options}
    shown = [name for name in options if len(values[name]) > 1] or options[:1]
    if not shown:
        return message(title, "No trial to compare.")
    widths = [max(1.8, PER_VALUE * len(values[name])) for name in shown]
    rows = -(-len(shown) // COLUMNS)
    per_row = [widths[row * COLUMNS : (row + 1) * COLUMNS] for row in range(rows)]
    across = max(sum(row) + len(row) * (TICKS + GAP) for row in per_row) + 2 * MARGIN
    sheet = new_sheet(max(across, 4.0), rows * (HEIGHT + TICKS + GAP), title)
    scale = 100.0 if measure != "mean_absolute_error" else 1.0
    for number, name in enumerate(shown):
        row, column = divmod(number, COLUMNS)
        left = MARGIN + TICKS + sum(per_row[row][:column]) + column * (TICKS + GAP)
        axes = sheet.axes(left, row * (HEIGHT + TICKS + GAP) + 0.1, widths[number], HEIGHT)
        places = [values[name].index(str(dict(settings)[name])) for settings, _ in points]
        scores = scale * np.array([score for _, score in points])
        _draw(axes, np.array(places), scores, values[name], name)
        if column == 0:
            unit = " (%)" if measure != "mean_absolute_error" else ""
            axes.set_ylabel(f"{where} {measure.replace('_', ' ')}{unit}", fontsize=BODY, color=INK)
    return sheet.figure


def _draw(axes: Any, places: Any, scores: Any, values: Sequence[str], name: str) -> None:
    for place in range(len(values)):
        here = scores[places == place]
        spread = np.linspace(-0.12, 0.12, len(here)) if len(here) > 1 else np.zeros(len(here))
        axes.plot(place + spread, here, "o", color=BLUE, alpha=0.45, ms=4)
    means = [scores[places == place].mean() for place in range(len(values))]
    axes.plot(range(len(values)), means, color=VERMILLION, lw=1.6, marker="_", ms=12)
    tidy(axes)
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.set_xticks(range(len(values)), [legible(value, LONGEST_LABEL) for value in values], fontsize=SMALL)
    axes.set_xlabel(legible(name), fontsize=BODY, color=INK)
