"""The bar chart of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.plotting.figures import BLUE, BODY, INK, PAPER, Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW = 0.28  # inches


def plot_times(names: Sequence[str], milliseconds: Sequence[float], title: str) -> Figure:
    """Return a figure with one horizontal bar for each name, from top to bottom."""
    from chainrule.plotting.library import Figure, FigureCanvasAgg

    figure: Drawing = Figure(figsize=(7.0, 1.2 + ROW * len(names)), facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.barh(range(len(names)), milliseconds, color=BLUE)
    axes.set_yticks(range(len(names)), names, fontsize=BODY, color=INK)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds", fontsize=BODY, color=INK)
    axes.set_title(title, fontsize=BODY, color=INK)
    return figure
