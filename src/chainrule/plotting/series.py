"""The data of a training run for the learning curves: checked, smoothed, and reduced to an envelope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError
from chainrule.training.smoothing import half_window, smooth

Epochs: TypeAlias = Sequence[Mapping[str, float | None]]
Numbers: TypeAlias = NDArray[np.float64]

ACCURACY = "accuracy"


@dataclass(frozen=True, eq=False)
class Series:
    """The data of a run: steps (S,), loss and metric of each step (S,), and one mapping per epoch.

    measure   name of the metric: accuracy, label_accuracy or mean_absolute_error
    """

    steps: Numbers
    values: dict[str, Numbers]
    epochs: Epochs
    measure: str = ACCURACY

    @property
    def window(self) -> int:
        """Width of the running mean in steps."""
        return 2 * half_window(self.steps.size) + 1

    @property
    def marker(self) -> str:
        """A dot for a single step, where a line would be invisible; otherwise "none"."""
        return "o" if self.steps.size == 1 else "none"

    @property
    def ends(self) -> list[float]:
        """Last step of each epoch."""
        return [_number(epoch, "step") for epoch in self.epochs]

    def smoothed(self, quantity: str) -> Numbers:
        """Return the running mean of a quantity, (S,)."""
        return smooth(self.values[quantity], half_window(self.steps.size))

    def validation(self, quantity: str) -> tuple[Numbers, Numbers]:
        """Return (steps, values) of a quantity on validation data, for the epochs that have it."""
        name = ACCURACY if quantity.endswith(ACCURACY) else quantity
        steps = list[float]()
        values = list[float]()
        for epoch in self.epochs:
            step = _number(epoch, "step")
            value = _number(epoch, f"validation_{name}")
            if np.isfinite(step) and np.isfinite(value):
                steps.append(step)
                values.append(value)
        return np.array(steps), np.array(values)


def series(
    name: str,
    steps: Sequence[int],
    loss: ArrayLike,
    metric: ArrayLike,
    epochs: Epochs,
    measure: str = ACCURACY,
) -> Series:
    """Return the series of a run.

    Errors   ShapeError unless there is one loss and one metric per step
    """
    step_numbers = np.asarray(steps, np.float64).reshape(-1)
    values = {"loss": np.asarray(loss, np.float64), measure: np.asarray(metric, np.float64)}
    for quantity, array in values.items():
        if array.shape != step_numbers.shape:
            raise ShapeError(
                f"{name}: {step_numbers.size} steps but {quantity} of shape {array.shape}; expected one per step"
            )
    return Series(step_numbers, values, epochs, measure)


def _number(epoch: Mapping[str, float | None], key: str) -> float:
    value = epoch.get(key)
    if value is None:
        return np.nan
    return float(value)


def envelope(
    steps: NDArray[np.float64], values: NDArray[np.float64], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (middle step, minimum, maximum) for each of `columns` equal intervals of the steps; each (columns,)."""
    first = np.linspace(0, values.size, columns, endpoint=False).astype(np.int64)
    last = np.append(first[1:], values.size) - 1
    return (steps[first] + steps[last]) / 2, np.fmin.reduceat(values, first), np.fmax.reduceat(values, first)
