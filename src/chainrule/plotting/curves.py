"""The learning curves of a training."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.plotting.figures import Drawing, new_figure, user_axes
from chainrule.training.smoothing import half_window, smooth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chainrule.training.history import History

MAX_POINTS = 20_000  # of longer curves, every k-th step is drawn
FEW = 50  # steps that are drawn as points
LOG_RATIO = 8  # smallest ratio of smoothed losses for which the axis is logarithmic


def plot_history(history: "History", title: str = "", axes: Drawing = None) -> "Figure":
    """Plot loss and metric: for every batch (thin), smoothed (thick), and on validation data (points).

    axes    two matplotlib axes to draw in, for the loss and the metric; None: a new figure
    """
    from chainrule.plotting.library import PercentFormatter

    if axes is None:
        axes = new_figure(11, 4, title).subplots(1, 2)
    loss_axes, metric_axes = user_axes(axes, 2)
    _draw(loss_axes, history, "loss", np.asarray(history.loss, np.float64))
    _draw(metric_axes, history, history.measure, np.asarray(history.measured, np.float64))
    if history.measure.endswith("accuracy"):
        metric_axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    return loss_axes.figure


def _draw(axes: Drawing, history: "History", quantity: str, values: NDArray[np.float64]) -> None:
    steps = np.arange(1, values.size + 1)
    half = half_window(values.size)
    smoothed = smooth(values, half)
    marker = "." if values.size <= FEW else None
    shown = slice(None, None, max(1, values.size // MAX_POINTS))
    axes.plot(steps[shown], values[shown], color="C0", alpha=0.3, lw=0.7, marker=marker, label="batches")
    label = f"mean of {2 * half + 1} batches"
    axes.plot(steps[shown], smoothed[shown], color="C0", marker=marker, label=label)
    ends, validation = _validation(history, quantity)
    if ends:
        axes.plot(ends, validation, "o-", color="C1", ms=4, label="validation data")
    if quantity == "loss" and values.size and smoothed.min() > 0 and smoothed.max() > LOG_RATIO * smoothed.min():
        axes.set_yscale("log")
    axes.set(title=quantity.replace("_", " "), xlabel="training step")
    axes.grid(alpha=0.3)
    axes.legend()


def _validation(history: "History", quantity: str) -> tuple[list[int], list[float]]:
    """Return the last steps of the epochs that have a value on validation data, and these values."""
    if quantity.endswith("accuracy"):
        quantity = "accuracy"
    ends = list[int]()
    values = list[float]()
    for epoch in history.epoch_dicts():
        value = epoch[f"validation_{quantity}"]
        if value is not None:
            ends.append(epoch["step"])
            values.append(value)
    return ends, values
