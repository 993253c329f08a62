"""The loss as a function of the learning rate."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.plotting.scales import loss_scale
from chainrule.plotting.style import BLUE, BODY, INK, MARGIN, SMALL, VERMILLION, new_sheet, tidy, typeface

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = NDArray[np.float64]


def rate_search(rates: Numbers, losses: Numbers, smoothed: Numbers, suggested: float, title: str) -> "Figure":
    """Plot the loss of each batch (thin) and smoothed (thick) over the rate, and mark the suggested rate.

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
