"""Graphs of functions next to graphs of their derivatives."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.plotting.figures import (
    BLUE,
    BODY,
    CYCLE,
    INK,
    MARGIN,
    MUTED,
    PAPER,
    RULE,
    SMALL,
    Drawing,
    new_sheet,
    tidy,
    typeface,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curves: TypeAlias = Mapping[str, NDArray[Any]]

JUMP = 0.25  # a larger difference between neighboring points is a jump, which is drawn as a gap
_WIDTH, _HEIGHT, _TICKS, _GAP = 3.3, 2.1, 0.45, 0.2  # dimensions of a panel, in inches


def graphs(title: str, x: NDArray[Any], functions: Curves, derivatives: Curves) -> "Figure":
    """Plot functions of x in the left panel and their derivatives in the right panel, in the same colors.

    At a jump, a filled dot marks the value of the function, and a hollow dot the other limit.

    Shapes   x (S,), ascending; every curve (S,). If there are several curves, they are labeled by their keys
    """
    sheet = new_sheet(2 * (_WIDTH + _TICKS + _GAP) + MARGIN, _HEIGHT + 0.75, title)
    for panel, (heading, curves) in enumerate((("y", functions), ("dy/dx", derivatives))):
        left = MARGIN + _TICKS + panel * (_WIDTH + _TICKS + _GAP)
        axes = sheet.axes(left, 0.28, _WIDTH, _HEIGHT)
        _prepare(axes, heading)
        for (name, y), color in zip(curves.items(), CYCLE, strict=False):
            _draw(axes, x, y, color if len(curves) > 1 else BLUE, name)
        if len(curves) > 1:
            _name(axes)
    return sheet.figure


def _prepare(axes: Drawing, heading: str) -> None:
    tidy(axes)
    axes.axhline(0, color=RULE, lw=0.8, zorder=1)
    axes.axvline(0, color=RULE, lw=0.8, zorder=1)
    axes.margins(x=0.01, y=0.08)
    axes.set_title(heading, loc="left", fontsize=BODY, color=INK, **typeface())
    axes.set_xlabel("x", fontsize=BODY, color=INK, labelpad=2, **typeface())


def _draw(axes: Drawing, x: NDArray[Any], y: NDArray[Any], color: str, name: str) -> None:
    jumps = np.flatnonzero(np.abs(np.diff(y)) > JUMP)
    axes.plot(np.insert(x, jumps + 1, x[jumps]), np.insert(y, jumps + 1, np.nan), color=color, lw=1.8, label=name)
    for index in jumps:
        dot: dict[str, Any] = {"marker": "o", "ms": 4.5, "mec": color, "mew": 1.2, "ls": "none", "zorder": 3}
        axes.plot(x[index], y[index], mfc=color, **dot)
        axes.plot(x[index], y[index + 1], mfc=PAPER, **dot)


def _name(axes: Drawing) -> None:
    legend = axes.legend(frameon=False, fontsize=SMALL, loc="best", handlelength=1.2)
    for text in legend.get_texts():
        text.set(color=MUTED, **typeface())
