"""Learning curves: loss and accuracy at every training step, and on validation data after every epoch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError
from chainrule.pictures.scales import accuracy_scale, loss_scale, mark_epochs
from chainrule.pictures.smoothing import envelope, half_window, smooth
from chainrule.pictures.style import (
    BLUE,
    BODY,
    CYCLE,
    INK,
    MUTED,
    PAPER,
    SMALL,
    VERMILLION,
    legible,
    message,
    new_figure,
    tidy,
    typeface,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Epochs: TypeAlias = Sequence[Mapping[str, float | None]]
Curves: TypeAlias = tuple[Sequence[int], ArrayLike, ArrayLike, Epochs]
Series: TypeAlias = NDArray[np.float64]

MOST_STEPS = 20_000  # a line for more is an envelope
COLUMNS = 2_000
DASHES = ("-", "--", ":", "-.")


def learning_curves(
    steps: Sequence[int], loss: ArrayLike, accuracy: ArrayLike, epochs: Epochs, title: str = "Learning curves"
) -> "Figure":
    """Loss and accuracy of every batch (thin), smoothed (thick), and on validation data (points).

    Shapes   steps, loss, accuracy (S,); accuracy as a share, 0 … 1
    epochs   one mapping each: step (the last one of the epoch), loss, accuracy, validation_loss and
             validation_accuracy (None: not measured)
    """
    at, values = _checked("the run", steps, (loss, accuracy))
    figure = new_figure(11, 4.6, title)
    if at.size == 0:
        message(figure, "No training step yet.")
        return figure
    panels = figure.subplots(1, 2)
    for axes, name, series in zip(panels, ("loss", "accuracy"), values, strict=True):
        tidy(axes)
        _draw_batches(axes, at, series)
        axes.plot(at, smooth(series, half_window(at.size)), color=BLUE, lw=1.8, label=_smoothed(at.size), **_dot(at))
        points = _validation(epochs, name)
        if points[0].size:
            axes.plot(*points, color=VERMILLION, marker="o", ms=6, mec=PAPER, mew=1, lw=1, label="validation data")
        _finish(axes, name, [series], points[1])
        _head(axes, name, smooth(series, half_window(at.size)), points[1])
        mark_epochs(axes, [_number(epoch, "step") for epoch in epochs])
    _legend(figure, panels[0], [])
    return figure


def compare_curves(runs: Mapping[str, Curves], title: str = "Comparison of runs") -> "Figure":
    """Several runs on the same axes: the smoothed loss and accuracy of each, and its validation points.

    runs   name → (steps, loss, accuracy, epochs), as `learning_curves` takes them
    """
    drawn = {name: run for name, run in runs.items() if len(run[0])}
    figure = new_figure(11, 4.6 + 0.11 * len(drawn), title)
    if not drawn:
        message(figure, "No run to compare.")
        return figure
    panels = figure.subplots(1, 2)
    for column, (axes, name) in enumerate(zip(panels, ("loss", "accuracy"), strict=True)):
        tidy(axes)
        shown: list[Series] = []
        measured: list[Series] = []
        for number, (run, (steps, loss, accuracy, epochs)) in enumerate(drawn.items()):
            at, values = _checked(run, steps, (loss, accuracy))
            shown.append(smooth(values[column], half_window(at.size)))
            points = _validation(epochs, name)
            measured.append(points[1])
            colour, dash = CYCLE[number % len(CYCLE)], DASHES[number // len(CYCLE) % len(DASHES)]
            axes.plot(at, shown[-1], color=colour, ls=dash, lw=1.6, label=f"run {number}", **_dot(at))
            axes.plot(*points, color=colour, ls="none", marker="o", ms=6, mec=PAPER, mew=1)
        _finish(axes, name, shown, np.concatenate(measured))
        axes.set_title(_capital(name), loc="left", fontsize=BODY + 1, color=INK)
    names = [_with_result(name, run[3]) for name, run in drawn.items()]
    _legend(figure, panels[0], names)
    return figure
