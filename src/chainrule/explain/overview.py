"""Overview of a whole tensor of a trace: its shape, its statistics, and how to name one of its cells."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from chainrule.core.shapes import text
from chainrule.engines.protocol import Array
from chainrule.explain.cells import Shape, cell_index, cell_name
from chainrule.explain.notation import format_number


@dataclass(frozen=True)
class Overview:
    """Statistics of a tensor.

    name                    as it was asked for; tensor: its canonical name
    numbers, zeros          how many there are, and how many of them are 0
    not_finite              how many are infinite or not a number; they are left out of the statistics
    least, mean, greatest   of the finite ones; NaN where there are none
    largest_cell, largest   the cell of the largest magnitude, and its value
    first_cell              the first cell in row-major order
    """

    name: str
    tensor: str
    shape: Shape
    numbers: int
    zeros: int
    not_finite: int
    least: float
    mean: float
    greatest: float
    first_cell: str
    largest_cell: str
    largest: float

    def to_json(self) -> dict[str, Any]:
        """Return all fields."""
        return asdict(self)

    def __str__(self) -> str:
        alias = f" ({self.tensor})" if self.tensor != self.name else ""
        odd = f", {self.not_finite:,} of them not finite" if self.not_finite else ""
        zeros = f", {self.zeros:,} of them 0" if self.zeros else ""
        statistics = (
            f"from {format_number(self.least)} to {format_number(self.greatest)}, mean {format_number(self.mean)}"
        )
        return "\n".join(
            [
                f"{self.name}{alias} is {text(self.shape)}: {self.numbers:,} numbers{zeros}{odd}",
                statistics,
                f"largest in magnitude: {self.largest_cell} = {format_number(self.largest)}",
                f'one number: --cell "{self.largest_cell}", and so from {self.first_cell} to {self._last()}',
            ]
        )

    def _last(self) -> str:
        return cell_name(self.name, tuple(size - 1 for size in self.shape))


def overview(name: str, tensor: str, values: Array) -> Overview:
    """Return the overview of a tensor with one axis or more."""
    flat = values.reshape(-1)
    finite = flat[np.isfinite(flat)]
    size = np.where(np.isnan(flat), np.inf, np.abs(flat))
    place = int(size.argmax())
    least, mean, greatest = (finite.min(), finite.mean(), finite.max()) if finite.size else (np.nan,) * 3
    return Overview(
        name=name,
        tensor=tensor,
        shape=values.shape,
        numbers=flat.size,
        zeros=int((flat == 0).sum()),
        not_finite=flat.size - finite.size,
        least=float(least),
        mean=float(mean),
        greatest=float(greatest),
        first_cell=cell_name(name, (0,) * values.ndim),
        largest_cell=cell_name(name, cell_index(place, values.shape)),
        largest=float(flat[place]),
    )
