"""Plots of the activations and their derivatives for docs/derivations/activations.md, by the reference engine."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.layers.kinds import EXAMPLES
from chainrule.operations import reference
from chainrule.plotting.figures import Drawing, new_figure

NAMES = (*EXAMPLES, "softmax")
OTHERS = (0.0, 1.0)  # the other inputs of the plotted softmax
JUMP = 0.05  # a larger difference, of 5 times the one before, is a jump, which is drawn as a gap


@dataclass(frozen=True, eq=False)
class Curves:
    """An activation at ascending points x (S,): its outputs (S, K), and their derivatives with respect to x (S, K)."""

    name: str
    title: str
    x: NDArray[Any]
    y: NDArray[Any]
    slope: NDArray[Any]


def curves(x: NDArray[np.float64]) -> Iterator[Curves]:
    """Yield the curves of every activation; for softmax, the three outputs as functions of the first input."""
    for *_, layer in EXAMPLES.values():
        options = layer.attributes()
        y = getattr(reference, layer.kind)(x, **options)
        saved = x
        if layer.keeps == "y":
            saved = y
        slope = getattr(reference, f"{layer.kind}_dx")(np.ones_like(x), saved, **options)
        title = type(layer).__name__
        for option, value in options.items():
            title += f", {option} {value:g}"
        yield Curves(layer.kind, title, x, y[:, None], slope[:, None])
    first, second = OTHERS
    y = reference.softmax(np.stack([x, np.full_like(x, first), np.full_like(x, second)], axis=1))
    slopes = [reference.softmax_dx(np.broadcast_to(row, y.shape), y)[:, 0] for row in np.eye(3)]
    yield Curves("softmax", f"Softmax of (x, {first:g}, {second:g})", x, y, np.stack(slopes, axis=1))


def graphs(curve: Curves) -> Drawing:
    """Plot an activation in the left panel and its derivatives in the right panel, in the same colors."""
    figure = new_figure(7.5, 2.8, curve.title)
    for axes, heading, values in zip(figure.subplots(1, 2), ("y", "dy/dx"), (curve.y, curve.slope), strict=True):
        shown = values.copy()
        steps = np.abs(np.diff(values, axis=0, prepend=values[:1]))
        shown[steps > np.maximum(JUMP, 5 * np.roll(steps, 1, axis=0))] = np.nan
        axes.plot(curve.x, shown)
        axes.set(title=heading, xlabel="x")
        axes.grid(alpha=0.3)
        if values.shape[1] > 1:
            axes.legend([f"y{k}" for k in range(values.shape[1])])
    return figure
