"""The rows of `python -m benchmarks algorithms`: for one layer, and for a sweep over sizes of kernels and images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.algorithms import transforms
from benchmarks.algorithms.layer import Layer, pad
from benchmarks.algorithms.measure import Job, Measurement
from benchmarks.algorithms.worker import Worker

KERNELS = {False: (3, 5, 7, 11, 15, 31), True: (3, 9, 31, 63, 127, 255, 1023, 4095)}  # one-dimensional: True
SIZES = {False: (16, 32, 64, 128), True: (256, 1024, 4096, 16384, 65536)}
BUDGET = 1.0  # seconds for one layer of the sweep, for all algorithms together
FOURIER = ("fft", "fft tiles")
LAYER, SWEEP = "layer", "sweep"  # the two tables
DIRECT = "direct"


@dataclass(frozen=True)
class Row:
    """An algorithm on a layer, compared with direct."""

    table: str
    layer: Layer
    dtype: str
    direct: Measurement
    measured: Measurement

    @property
    def seconds(self) -> float | None:
        """Seconds for the batch, including preparing the kernels."""
        return _sum(self.measured)

    @property
    def gflops(self) -> float | None:
        """Operations of the definition (two per product) per second, in billions."""
        return None if self.seconds is None else 2e-9 * self.layer.products * self.layer.batch / self.seconds

    @property
    def ratio(self) -> float | None:
        """Time relative to direct; above 1, direct is faster."""
        ours = _sum(self.direct)
        return None if self.seconds is None or not ours else self.seconds / ours

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: seconds for the whole batch, including `preparing`, and multiplications per image."""
        found = self.measured
        return {
            "work": "algorithms",
            "model": self.layer.text,
            "batch": self.layer.batch,
            "peer": found.name,
            "ours": _sum(self.direct),
            "theirs": self.seconds,
            "ratio": self.ratio,
            "table": self.table,
            "padding": self.layer.padding,
            "dtype": self.dtype,
            "threads": 1,
            "rounds": found.rounds,
            "preparing": found.preparing,
            "multiplications": found.multiplications,
            "gflops": self.gflops,
            "memory": found.memory,
            "error": found.error,
            "transforms": transforms.library() if found.name in FOURIER else None,
            "missing": found.refusal,
        }


def layer_rows(worker: Worker, layer: Layer, rounds: int, dtype: str) -> list[Row]:
    """Measure every algorithm on one layer, with memory and error."""
    return _rows(LAYER, layer, dtype, worker.measure(Job(layer, rounds, dtype)))


def sweep_rows(worker: Worker, layer: Layer, rounds: int, dtype: str, one_dimensional: bool) -> Iterator[list[Row]]:
    """Measure every algorithm over sizes of kernels and images, with the layer's channels, batch 1 and same padding."""
    for side in SIZES[one_dimensional]:
        for taps in KERNELS[one_dimensional]:
            kernel, size = ((1, taps), (1, side)) if one_dimensional else ((taps, taps), (side, side))
            padding = pad("same", size, kernel, one_dimensional)
            one = Layer(1, layer.channels, layer.filters, kernel, size, padding)
            yield _rows(SWEEP, one, dtype, worker.measure(Job(one, rounds, dtype, BUDGET, closely=False)))


def _rows(table: str, layer: Layer, dtype: str, found: Sequence[Measurement]) -> list[Row]:
    direct = next(one for one in found if one.name == DIRECT)
    return [Row(table, layer, dtype, direct, one) for one in found]


def _sum(found: Measurement) -> float | None:
    if found.seconds is None or found.preparing is None:
        return None
    return found.seconds + found.preparing
