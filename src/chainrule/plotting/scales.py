"""Axis scales of learning curves, on which both the first steps and the last ones are legible."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.plotting.style import BODY, GRID, INK, RULE, Drawing, tidy_ticks

NEARLY_RIGHT = 0.9  # from this accuracy on, the scale is stretched towards 100 %
STRETCHED_TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
MAX_EPOCH_LABELS = 9


def loss_scale(axes: Drawing, smoothed: NDArray[np.float64], raw: NDArray[np.float64]) -> None:
    """Set a logarithmic scale if all smoothed losses are positive and span a factor of 8, else a linear one from 0.

    smoothed   all smoothed and validation losses, of any shape
    raw        all losses that are drawn, of any shape
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    lines, drawn = smoothed[np.isfinite(smoothed)], raw[np.isfinite(raw)]
    if lines.size == 0 or drawn.size == 0:
        return
    low, high = float(lines.min()), float(drawn.max())
    if low <= 0 or lines.max() < 8 * low:
        bottom, top = min(float(drawn.min()), 0.0), high
        axes.set_ylim(bottom - 0.03 * (top - bottom), (top + 0.05 * (top - bottom)) or 1.0)
        return
    low = max(float(drawn.min()), low / 5)  # cut off lower values from single batches, which would compress the rest
    axes.set_yscale("log")
    axes.set_ylim(low / 1.15, high * 1.15)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 2000 * low else (1,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))


def step_scale(axes: Drawing) -> None:
    """Label the x-axis with whole steps, with thousands separators."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.margins(x=0.015)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("training step", fontsize=BODY, color=INK)


def accuracy_scale(axes: Drawing, smoothed: NDArray[np.float64]) -> None:
    """Set a scale from 0 to 100 %, stretched towards 100 % if the curves come close to it."""
    from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

    if smoothed[np.isfinite(smoothed)].max(initial=0.0) >= NEARLY_RIGHT:
        axes.set_yscale("function", functions=(stretch, shrink))
        axes.yaxis.set_major_locator(FixedLocator(STRETCHED_TICKS))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(-0.02, 1.0007)
    else:
        axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def stretch(share: ArrayLike) -> NDArray[np.float64]:
    """Return −log₁₀(1.005 − a): the error rate on a logarithmic scale that remains finite without errors."""
    return -np.log10(np.maximum(1.005 - np.asarray(share, np.float64), 1e-4))


def shrink(height: ArrayLike) -> NDArray[np.float64]:
    """Invert `stretch`."""
    return 1.005 - 10.0 ** -np.asarray(height, np.float64)


def mark_epochs(axes: Drawing, ends: Sequence[float]) -> None:
    """Draw a light line at the end of each epoch with its number above it; with many epochs, at every 2nd, 5th, …"""
    every = next(k for k in _round_numbers() if len(ends) <= k * MAX_EPOCH_LABELS)
    chosen = [(step, number) for number, step in enumerate(ends, 1) if number % every == 0 and np.isfinite(step)]
    for step, _ in chosen:
        axes.axvline(step, color=RULE, lw=0.8, ls=(0, (2, 3)), zorder=1)
    if chosen:
        top = axes.secondary_xaxis("top")
        top.spines["top"].set_visible(False)
        top.set_xticks([step for step, _ in chosen], [f"epoch {n}" if n == every else str(n) for _, n in chosen])
        tidy_ticks(top.xaxis, length=0)
        top.tick_params(pad=1, color=GRID)


def _plain(value: float, _: object) -> str:
    return f"{value:g}"


def _round_numbers() -> Sequence[int]:
    return [digit * 10**power for power in range(9) for digit in (1, 2, 5)]
