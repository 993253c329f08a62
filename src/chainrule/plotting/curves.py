"""Learning curves of runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.plotting.figures import (
    BLUE,
    BODY,
    GRID,
    INK,
    MARGIN,
    MUTED,
    PAPER,
    RULE,
    SMALL,
    VERMILLION,
    Drawing,
    Sheet,
    message,
    new_sheet,
    tidy,
    tidy_ticks,
    typeface,
)
from chainrule.plotting.series import ACCURACY, Epochs, Series, envelope, series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_STEPS = 20_000  # longer curves are drawn as an envelope
COLUMNS = 2_000  # number of columns in an envelope
WIDTH, LEGEND_LINE = 11.0, 0.19  # inches
STRETCH_FROM = 0.9  # smallest accuracy for which the scale is stretched towards 100 %
STRETCHED_TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
MAX_EPOCH_LABELS = 9


def learning_curves(
    steps: Sequence[int],
    loss: ArrayLike,
    measured: ArrayLike,
    epochs: Epochs,
    title: str = "Learning curves",
    measure: str = ACCURACY,
) -> "Figure":
    """Plot loss and metric: for every batch (thin), smoothed (thick), and on validation data (points).

    Shapes    steps, loss, measured (S,)
    measured  metric of every step; accuracies are from 0 to 1
    measure   name of the metric: accuracy, label_accuracy or mean_absolute_error
    epochs    one mapping per epoch: step (its last step), loss, accuracy, validation_loss and validation_accuracy;
              missing values are None
    """
    run = series("learning curves", steps, loss, measured, epochs, measure)
    if run.steps.size == 0:
        return message(title, "No training steps yet.")
    smoothed = f"smoothed over {run.window:,} step"
    if run.window > 1:
        smoothed += "s"
    sheet, panels = _panels(title, bool(run.ends))
    for axes, quantity in zip(panels, ("loss", measure), strict=True):
        _draw_batches(axes, run, quantity)
        _draw_run(axes, run, quantity, smoothed)
        _draw_validation(axes, run, quantity)
        _finish(axes, quantity, run)
        _result(axes, run, quantity)
        mark_epochs(axes, run.ends)
    handles, labels = panels[0].get_legend_handles_labels()
    _legend(sheet.figure, handles, labels)
    return sheet.figure


def _panels(title: str, marked: bool) -> tuple[Sheet, tuple[Drawing, Drawing]]:
    """Return a sheet with side-by-side panels for loss and metric, and space for a legend and epoch marks."""
    top = 0.42 if marked else 0.26  # inches
    height = 3.25  # inches
    ticks = 0.6
    gap = 0.25
    width = (WIDTH - MARGIN - 2 * (ticks + gap)) / 2
    sheet = new_sheet(WIDTH, top + height + 0.6 + LEGEND_LINE, title)
    left = MARGIN + ticks
    loss_axes = sheet.axes(left, top, width, height)
    metric_axes = sheet.axes(left + width + gap + ticks, top, width, height)
    return sheet, (loss_axes, metric_axes)


def _draw_batches(axes: Drawing, run: Series, quantity: str) -> None:
    steps = run.steps
    values = run.values[quantity]
    if steps.size <= MAX_STEPS:
        axes.plot(steps, values, color=BLUE, alpha=0.3, lw=0.7, label="each batch", marker=run.marker, ms=3)
        return
    middle, low, high = envelope(steps, values, COLUMNS)
    steps_per_column = -(-steps.size // COLUMNS)
    label = f"each batch (minimum to maximum of {steps_per_column})"
    axes.fill_between(middle, low, high, color=BLUE, alpha=0.25, lw=0, label=label)


def _draw_run(axes: Drawing, run: Series, quantity: str, label: str) -> None:
    interval = max(1, run.steps.size // MAX_STEPS)  # subsampled, since the curve is smooth
    steps = run.steps[::interval]
    values = run.smoothed(quantity)[::interval]
    axes.plot(steps, values, color=BLUE, lw=1.8, label=label, marker=run.marker, ms=4)


def _draw_validation(axes: Drawing, run: Series, quantity: str) -> None:
    steps, values = run.validation(quantity)
    if steps.size:
        marker = "o" if steps.size <= 60 else "none"
        line = {"color": VERMILLION, "lw": 1.2, "marker": marker, "ms": 6, "mec": PAPER, "mew": 1}
        axes.plot(steps, values, label="validation data", **line)


def _finish(axes: Drawing, quantity: str, run: Series) -> None:
    lines = np.concatenate([run.smoothed(quantity), run.validation(quantity)[1]])
    tidy(axes)
    step_scale(axes)
    axes.set_title(quantity.replace("_", " ").capitalize(), loc="left", fontsize=BODY + 1, color=INK)
    if quantity.endswith(ACCURACY):
        accuracy_scale(axes, lines)
    else:
        loss_scale(axes, lines, np.concatenate([lines, run.values[quantity]]))


def _result(axes: Drawing, run: Series, quantity: str) -> None:
    _, validation = run.validation(quantity)
    if validation.size:
        text = f"at the end: {_shown(validation[-1], quantity)} (validation)"
        color = VERMILLION
    else:
        text = f"at the end: {_shown(run.smoothed(quantity)[-1], quantity)} (smoothed)"
        color = BLUE
    axes.set_title(text, loc="right", fontsize=SMALL + 0.5, color=color)


def _shown(value: float, quantity: str) -> str:
    if quantity.endswith(ACCURACY):
        return f"{100 * value:.2f} %"
    return f"{value:.4g}"


def _legend(figure: Drawing, handles: Sequence[object], labels: Sequence[str]) -> None:
    size = SMALL + 0.5
    below = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.0), "borderaxespad": 0.3}
    legend = figure.legend(handles, labels, ncols=len(labels), frameon=False, fontsize=size, **below)
    for text in legend.get_texts():
        text.set(color=MUTED, **typeface())


def loss_scale(axes: Drawing, smoothed: NDArray[np.float64], raw: NDArray[np.float64]) -> None:
    """Set a logarithmic scale if all smoothed losses are positive and span a factor of 8, else a linear scale from 0.

    smoothed   smoothed and validation losses, of any shape
    raw        all plotted losses, of any shape
    """
    from chainrule.plotting.library import LogLocator, NullLocator

    lines = smoothed[np.isfinite(smoothed)]
    drawn = raw[np.isfinite(raw)]
    if lines.size == 0 or drawn.size == 0:
        return
    low = float(lines.min())
    high = float(drawn.max())
    if low <= 0 or lines.max() < 8 * low:
        bottom = min(float(drawn.min()), 0.0)
        span = high - bottom
        axes.set_ylim(bottom - 0.03 * span, (high + 0.05 * span) or 1.0)
        return
    low = max(float(drawn.min()), low / 5)  # crop low outliers, which would compress the curves
    multiples = (1, 2, 5) if high < 2000 * low else (1,)
    axes.set_yscale("log")
    axes.set_ylim(low / 1.15, high * 1.15)
    axes.yaxis.set_major_locator(LogLocator(subs=multiples))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


def step_scale(axes: Drawing) -> None:
    """Label the x-axis with integer steps, formatted with thousands separators."""
    from chainrule.plotting.library import MaxNLocator

    axes.margins(x=0.015)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("training step", fontsize=BODY, color=INK)


def accuracy_scale(axes: Drawing, smoothed: NDArray[np.float64]) -> None:
    """Set a scale from 0 to 100 %, stretched towards 100 % if a curve comes close to it."""
    from chainrule.plotting.library import FixedLocator, NullLocator, PercentFormatter

    if smoothed[np.isfinite(smoothed)].max(initial=0.0) >= STRETCH_FROM:
        axes.set_yscale("function", functions=(stretch, shrink))
        axes.yaxis.set_major_locator(FixedLocator(STRETCHED_TICKS))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(-0.02, 1.0007)
    else:
        axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def stretch(accuracy: ArrayLike) -> NDArray[np.float64]:
    """Return −log₁₀(1.005 − accuracy), a logarithmic scale of the error rate that is finite at an accuracy of 1."""
    return -np.log10(np.maximum(1.005 - np.asarray(accuracy, np.float64), 1e-4))


def shrink(height: ArrayLike) -> NDArray[np.float64]:
    """Compute the inverse of `stretch`."""
    return 1.005 - 10.0 ** -np.asarray(height, np.float64)


def mark_epochs(axes: Drawing, ends: Sequence[float]) -> None:
    """Draw a light line and a number at the end of each epoch, or of every 2nd, 5th, … epoch if there are many."""
    interval = _label_interval(len(ends))
    steps = list[float]()
    labels = list[str]()
    for number in range(interval, len(ends) + 1, interval):
        step = ends[number - 1]
        if not np.isfinite(step):
            continue
        steps.append(step)
        labels.append(f"epoch {number}" if number == interval else str(number))
        axes.axvline(step, color=RULE, lw=0.8, ls=(0, (2, 3)), zorder=1)
    if steps:
        top = axes.secondary_xaxis("top")
        top.spines["top"].set_visible(False)
        top.set_xticks(steps, labels)
        tidy_ticks(top.xaxis, length=0)
        top.tick_params(pad=1, color=GRID)


def _label_interval(epochs: int) -> int:
    """Return the smallest of 1, 2, 5, 10, … such that at most `MAX_EPOCH_LABELS` epochs are labeled."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if epochs <= digit * power * MAX_EPOCH_LABELS:
                return digit * power
        power *= 10
