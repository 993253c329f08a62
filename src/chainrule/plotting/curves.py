"""Learning curves of runs, and figures of sweeps and learning-rate searches."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.plotting.figures import (
    BLUE,
    BODY,
    CYCLE,
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
    legible,
    message,
    new_sheet,
    tidy,
    tidy_ticks,
    typeface,
    widest,
)
from chainrule.plotting.series import ACCURACY, Epochs, Numbers, Series, envelope, series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curves: TypeAlias = tuple[Any, ...]  # steps, loss, measured, epochs, and optionally the name of the metric

MAX_STEPS = 20_000  # longer curves are drawn as an envelope
COLUMNS = 2_000  # number of columns in an envelope
WIDTH, LEGEND_LINE, LEGEND_LINE_LENGTH = 11.0, 0.19, 0.65  # inches
NO_LABEL = "_"  # matplotlib omits such labels from the legend
DASHES = ("-", "--", ":", "-.")
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
    sheet, panels = _panels(1, title, bool(run.ends))
    for axes, quantity in zip(panels, ("loss", measure), strict=True):
        _draw_batches(axes, run, quantity)
        _draw_run(axes, run, quantity, BLUE, "-", f"smoothed over {run.window:,} step{'s' * (run.window > 1)}")
        _draw_validation(axes, run, quantity, VERMILLION, "-", "validation data")
        _finish(axes, quantity, [run])
        _result(axes, run, quantity)
        mark_epochs(axes, run.ends)
    handles, labels = panels[0].get_legend_handles_labels()
    _legend(sheet.figure, handles, labels)
    return sheet.figure


def compare_curves(runs: Mapping[str, Curves], title: str = "Comparison of runs") -> "Figure":
    """Plot several runs on the same axes: smoothed loss and metric, and validation points.

    runs   name → (steps, loss, measured, epochs) and optionally the name of the metric. A run with a different metric
           from the plotted one appears only in the loss panel
    """
    checked = {name: series(name, *run) for name, run in runs.items()}
    drawn = {name: run for name, run in checked.items() if run.steps.size}
    if not drawn:
        return message(title, "No runs to compare.")
    metrics = [run.measure for run in drawn.values()]
    metric = ACCURACY if ACCURACY in metrics else metrics[0]
    names = [_with_result(name, run) for name, run in drawn.items()]
    sheet, panels = _panels(math.ceil(len(names) / _legend_columns(names)), title, False)
    for axes, quantity in zip(panels, ("loss", metric), strict=True):
        shown = [run for run in drawn.values() if quantity in run.values]
        for number, run in enumerate(drawn.values()):
            if quantity not in run.values:
                continue
            color, dash = CYCLE[number % len(CYCLE)], DASHES[number // len(CYCLE) % len(DASHES)]
            _draw_run(axes, run, quantity, color, dash, f"run {number}")
            _draw_validation(axes, run, quantity, color, "none", NO_LABEL)
        _finish(axes, quantity, shown)
    handles, _ = panels[0].get_legend_handles_labels()
    _legend(sheet.figure, handles, names)
    return sheet.figure


def _panels(legend_rows: int, title: str, marked: bool) -> tuple[Sheet, tuple[Drawing, Drawing]]:
    """Return a sheet with side-by-side panels for loss and metric, and space for a legend and epoch marks."""
    top, height, ticks, gap = 0.42 if marked else 0.26, 3.25, 0.6, 0.25  # inches
    width = (WIDTH - MARGIN - 2 * (ticks + gap)) / 2
    sheet = new_sheet(WIDTH, top + height + 0.6 + LEGEND_LINE * legend_rows, title)
    left = MARGIN + ticks
    return sheet, (sheet.axes(left, top, width, height), sheet.axes(left + width + gap + ticks, top, width, height))


def _draw_batches(axes: Drawing, run: Series, quantity: str) -> None:
    steps, values = run.steps, run.values[quantity]
    if steps.size <= MAX_STEPS:
        axes.plot(steps, values, color=BLUE, alpha=0.3, lw=0.7, label="each batch", marker=run.marker, ms=3)
        return
    middle, low, high = envelope(steps, values, COLUMNS)
    steps_per_column = -(-steps.size // COLUMNS)
    label = f"each batch (minimum to maximum of {steps_per_column})"
    axes.fill_between(middle, low, high, color=BLUE, alpha=0.25, lw=0, label=label)


def _draw_run(axes: Drawing, run: Series, quantity: str, color: str, dash: str, label: str) -> None:
    every = slice(None, None, max(1, run.steps.size // MAX_STEPS))  # subsampled, since the curve is smooth
    steps, values = run.steps[every], run.smoothed(quantity)[every]
    axes.plot(steps, values, color=color, ls=dash, lw=1.8, label=label, marker=run.marker, ms=4)


def _draw_validation(axes: Drawing, run: Series, quantity: str, color: str, line: str, label: str) -> None:
    steps, values = run.validation(quantity)
    if steps.size:
        marker = "o" if steps.size <= 60 else "none"
        axes.plot(steps, values, color=color, ls=line, lw=1.2, marker=marker, ms=6, mec=PAPER, mew=1, label=label)


def _finish(axes: Drawing, quantity: str, runs: Sequence[Series]) -> None:
    lines = np.concatenate([part for run in runs for part in (run.smoothed(quantity), run.validation(quantity)[1])])
    tidy(axes)
    step_scale(axes)
    axes.set_title(quantity.replace("_", " ").capitalize(), loc="left", fontsize=BODY + 1, color=INK)
    if quantity.endswith(ACCURACY):
        accuracy_scale(axes, lines)
    else:
        raw = [run.values[quantity] for run in runs] if len(runs) == 1 else []
        loss_scale(axes, lines, np.concatenate([lines, *raw]))


def _result(axes: Drawing, run: Series, quantity: str) -> None:
    measured = run.validation(quantity)[1]
    value, where = (measured[-1], "validation") if measured.size else (run.smoothed(quantity)[-1], "smoothed")
    color = VERMILLION if measured.size else BLUE
    axes.set_title(f"at the end: {_shown(value, quantity)} ({where})", loc="right", fontsize=SMALL + 0.5, color=color)


def _with_result(name: str, run: Series) -> str:
    measured, name = run.validation(run.measure)[1], legible(name, 40)
    return f"{name} ({_shown(measured[-1], run.measure)})" if measured.size else name


def _shown(value: float, quantity: str) -> str:
    return f"{100 * value:.2f} %" if quantity.endswith(ACCURACY) else f"{value:.4g}"


def _legend_columns(labels: Sequence[str]) -> int:
    return max(1, min(len(labels), int((WIDTH - 1) / (widest(labels, SMALL + 0.5) + LEGEND_LINE_LENGTH)), 4))


def _legend(figure: Drawing, handles: Sequence[object], labels: Sequence[str]) -> None:
    size, below = SMALL + 0.5, {"loc": "lower center", "bbox_to_anchor": (0.5, 0.0), "borderaxespad": 0.3}
    columns = _legend_columns(labels)
    legend = figure.legend(handles, ["run"] * len(labels), ncols=columns, frameon=False, fontsize=size, **below)
    for text, label in zip(legend.get_texts(), labels, strict=True):  # set afterwards, since a name may start with "_"
        text.set(text=label, color=MUTED, **typeface())


def loss_scale(axes: Drawing, smoothed: NDArray[np.float64], raw: NDArray[np.float64]) -> None:
    """Set a logarithmic scale if all smoothed losses are positive and span a factor of 8, else a linear scale from 0.

    smoothed   smoothed and validation losses, of any shape
    raw        all plotted losses, of any shape
    """
    from matplotlib.ticker import LogLocator, NullLocator

    lines, drawn = smoothed[np.isfinite(smoothed)], raw[np.isfinite(raw)]
    if lines.size == 0 or drawn.size == 0:
        return
    low, high = float(lines.min()), float(drawn.max())
    if low <= 0 or lines.max() < 8 * low:
        bottom, top = min(float(drawn.min()), 0.0), high
        span = top - bottom
        axes.set_ylim(bottom - 0.03 * span, (top + 0.05 * span) or 1.0)
        return
    low = max(float(drawn.min()), low / 5)  # crop low outliers, which would compress the curves
    axes.set_yscale("log")
    axes.set_ylim(low / 1.15, high * 1.15)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 2000 * low else (1,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


def step_scale(axes: Drawing) -> None:
    """Label the x-axis with integer steps, formatted with thousands separators."""
    from matplotlib.ticker import MaxNLocator

    axes.margins(x=0.015)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("training step", fontsize=BODY, color=INK)


def accuracy_scale(axes: Drawing, smoothed: NDArray[np.float64]) -> None:
    """Set a scale from 0 to 100 %, stretched towards 100 % if a curve comes close to it."""
    from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

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
    every = next(k for k in _round_numbers() if len(ends) <= k * MAX_EPOCH_LABELS)
    labeled = [(step, number) for number, step in enumerate(ends, 1) if number % every == 0 and np.isfinite(step)]
    for step, _ in labeled:
        axes.axvline(step, color=RULE, lw=0.8, ls=(0, (2, 3)), zorder=1)
    if labeled:
        top = axes.secondary_xaxis("top")
        top.spines["top"].set_visible(False)
        top.set_xticks([step for step, _ in labeled], [f"epoch {n}" if n == every else str(n) for _, n in labeled])
        tidy_ticks(top.xaxis, length=0)
        top.tick_params(pad=1, color=GRID)


def _round_numbers() -> Sequence[int]:
    return [digit * 10**power for power in range(9) for digit in (1, 2, 5)]


Settings = Sequence[tuple[str, Any]]
HEIGHT, TICKS, GAP, PER_VALUE = 2.9, 0.65, 0.25, 0.75  # inches
SWEEP_COLUMNS = 4  # panels side by side in the figure of a sweep
LONGEST_LABEL = 14  # maximum number of characters


def sweep_figure(points: Sequence[tuple[Settings, float]], metric: str, where: str, title: str) -> "Figure":
    """Plot a panel for each option with several values: trials as points, the mean of each value as a line.

    points   settings and metric of each trial
    metric   name of the metric
    where    data on which it was computed
    """
    options = list(dict.fromkeys(name for settings, _ in points for name, _ in settings))
    texts = {name: list(dict.fromkeys(str(dict(settings)[name]) for settings, _ in points)) for name in options}
    varied = [name for name in options if len(texts[name]) > 1] or options[:1]
    if not varied:
        return message(title, "No trials to compare.")
    widths = [max(1.8, PER_VALUE * len(texts[name])) for name in varied]
    rows = -(-len(varied) // SWEEP_COLUMNS)
    row_widths = [widths[row * SWEEP_COLUMNS : (row + 1) * SWEEP_COLUMNS] for row in range(rows)]
    sheet_width = max(sum(row) + len(row) * (TICKS + GAP) for row in row_widths) + 2 * MARGIN
    sheet = new_sheet(max(sheet_width, 4.0), rows * (HEIGHT + TICKS + GAP), title)
    scale = 100.0 if metric != "mean_absolute_error" else 1.0
    for panel, name in enumerate(varied):
        row, column = divmod(panel, SWEEP_COLUMNS)
        left = MARGIN + TICKS + sum(row_widths[row][:column]) + column * (TICKS + GAP)
        axes = sheet.axes(left, row * (HEIGHT + TICKS + GAP) + 0.1, widths[panel], HEIGHT)
        indices = [texts[name].index(str(dict(settings)[name])) for settings, _ in points]
        scores = scale * np.array([score for _, score in points])
        _draw(axes, np.array(indices), scores, texts[name], name)
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
