"""ROC curves, and precision by recall."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.plotting.figures import BODY, CYCLE, INK, MUTED, SMALL, legible, message, new_sheet, tidy, typeface

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rates: TypeAlias = NDArray[np.float64]
Line: TypeAlias = tuple[str, Rates, Rates, float]  # name of a class, x, y, and the area below
_SIDE, _LEFT = 3.8, 0.75  # inches: axes, margin with labels
MAX_CHARACTERS = 24  # of a name in the legend


def rate_curves(lines: Sequence[Line], title: str, names: tuple[str, str], *, is_roc: bool) -> "Figure":
    """Plot a rate by another rate for classes, with the areas below. Of many classes, show those of least area.

    lines    curves of the classes that occur, from the highest threshold to the lowest
    names    of the axes
    is_roc   whether the curves begin at (0, 0) and are compared with the diagonal, that of random answers
    """
    defined = [line for line in lines if not np.isnan(line[3])]
    shown = sorted(defined, key=lambda line: line[3])[: len(CYCLE)]
    if not shown:
        return message(title, "There are no samples of a class beside others.")
    sheet = new_sheet(_LEFT + _SIDE + 0.2, _SIDE + 0.75, title)
    axes = sheet.axes(_LEFT, 0, _SIDE, _SIDE)
    if is_roc:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    for (name, x, y, area), color in zip(shown, CYCLE, strict=False):
        points = np.append(0.0, x), np.append(0.0 if is_roc else y[0], y)
        style: dict[str, Any] = {"color": color, "lw": 1.6, "drawstyle": "default" if is_roc else "steps-pre"}
        axes.plot(*points, label=f" {legible(name, MAX_CHARACTERS)}: {area:.3f}", **style)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    tidy(axes)
    axes.tick_params(labelsize=SMALL)
    for axis, label in zip((axes.xaxis, axes.yaxis), names, strict=True):
        axis.set_label_text(label, fontsize=BODY, color=INK, **typeface())
    axes.legend(frameon=False, fontsize=SMALL, loc="lower right" if is_roc else "lower left")
    return sheet.figure
