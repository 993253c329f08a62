"""The bar chart of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.plotting.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chainrule.models.profiling import Profile

ROW = 0.28  # inches


def plot_profile(profile: Profile) -> Figure:
    """Plot the time of each row of a profile as a horizontal bar, from top to bottom."""
    names = list[str]()
    milliseconds = list[float]()
    for row in profile.rows:
        names.append(row.name)
        milliseconds.append(1e3 * row.seconds)
    axes = new_figure(7, 1.2 + ROW * len(names)).subplots()
    axes.barh(range(len(names)), milliseconds)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="milliseconds", title=profile.what)
    return axes.figure
