"""Graphs of the activations and their derivatives for docs/derivations/activations.md, by the reference engine."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.layers.kinds import EXAMPLES
from chainrule.operations import reference
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

NAMES = (*EXAMPLES, "softmax")
OTHERS = (0.0, 1.0)  # the other inputs of the plotted softmax
JUMP = 0.25  # a larger difference between neighboring points is a jump, which is drawn as a gap
_WIDTH, _HEIGHT, _TICKS, _GAP = 3.3, 2.1, 0.45, 0.2  # dimensions of a panel, in inches


@dataclass(frozen=True, eq=False)
class Curves:
    """An activation at ascending points x (S,): its outputs by name, and their derivatives with respect to x."""

    name: str
    title: str
    x: NDArray[Any]
    y: dict[str, NDArray[Any]]
    slope: dict[str, NDArray[Any]]


def curves(x: NDArray[np.float64]) -> Iterator[Curves]:
    """Yield the curves of every activation; for softmax, the three outputs as functions of the first input."""
    for *_, layer in EXAMPLES.values():
        options = layer.attributes()
        y = getattr(reference, layer.kind)(x, **options)
        saved = y if layer.keeps == "y" else x
        slope = getattr(reference, f"{layer.kind}_dx")(np.ones_like(x), saved, **options)
        title = type(layer).__name__
        for option, value in options.items():
            title += f", {option} {value:g}"
        yield Curves(layer.kind, title, x, {"y": y}, {"y": slope})
    yield _softmax(x)


def _softmax(x: NDArray[np.float64]) -> Curves:
    constants = [np.full_like(x, other) for other in OTHERS]
    y = reference.softmax(np.stack([x, *constants], axis=1))
    outputs = dict[str, NDArray[Any]]()
    slopes = dict[str, NDArray[Any]]()
    for k, row in enumerate(np.eye(y.shape[1])):
        outputs[f"y{k}"] = y[:, k]
        slopes[f"y{k}"] = reference.softmax_dx(np.broadcast_to(row, y.shape), y)[:, 0]
    first, second = OTHERS
    title = f"Softmax of (x, {first:g}, {second:g})"
    return Curves("softmax", title, x, outputs, slopes)


def graphs(curve: Curves) -> Drawing:
    """Plot an activation in the left panel and its derivatives in the right panel, in the same colors.

    At a jump, a filled dot marks the value of the function, and a hollow dot the other limit. If there are several
    outputs, they are labeled by their names.
    """
    sheet = new_sheet(2 * (_WIDTH + _TICKS + _GAP) + MARGIN, _HEIGHT + 0.75, curve.title)
    for panel, (heading, curves) in enumerate((("y", curve.y), ("dy/dx", curve.slope))):
        left = MARGIN + _TICKS + panel * (_WIDTH + _TICKS + _GAP)
        axes = sheet.axes(left, 0.28, _WIDTH, _HEIGHT)
        _prepare(axes, heading)
        for (name, y), color in zip(curves.items(), CYCLE, strict=False):
            _draw(axes, curve.x, y, color if len(curves) > 1 else BLUE, name)
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
