"""The rows of `python -m benchmarks algorithms`: for one layer, and for a sweep over kernel and image sizes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.algorithms import transforms
from benchmarks.algorithms.layer import Layer, pad
from benchmarks.algorithms.measure import Job, Measurement
from benchmarks.algorithms.worker import Worker

KERNELS = {False: (3, 5, 7, 11, 15, 31), True: (3, 9, 31, 63, 127, 255, 1023, 4095)}  # key: whether one-dimensional
SIZES = {False: (16, 32, 64, 128), True: (256, 1024, 4096, 16384, 65536)}
BUDGET = 1.0  # seconds per layer of the sweep, for all algorithms together
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
        """Time for the batch in seconds, including the preparation of the kernels."""
        return _total_seconds(self.measured)

    @property
    def gflops(self) -> float | None:
        """Billions of operations per second, counted from the definition (two per product)."""
        return None if self.seconds is None else 2e-9 * self.layer.products * self.layer.batch / self.seconds

    @property
    def ratio(self) -> float | None:
        """Time relative to direct; above 1 if direct is faster."""
        ours = _total_seconds(self.direct)
        return None if self.seconds is None or not ours else self.seconds / ours

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: seconds per batch, including `preparing`, and multiplications per image."""
        measurement = self.measured
        return {
            "work": "algorithms",
            "model": self.layer.text,
            "batch": self.layer.batch,
            "peer": measurement.name,
            "ours": _total_seconds(self.direct),
            "theirs": self.seconds,
            "ratio": self.ratio,
            "table": self.table,
            "padding": self.layer.padding,
            "dtype": self.dtype,
            "threads": 1,
            "rounds": measurement.rounds,
            "preparing": measurement.preparing,
            "multiplications": measurement.multiplications,
            "gflops": self.gflops,
            "memory": measurement.memory,
            "error": measurement.error,
            "transforms": transforms.library() if measurement.name in FOURIER else None,
            "missing": measurement.refusal,
        }


def layer_rows(worker: Worker, layer: Layer, rounds: int, dtype: str) -> list[Row]:
    """Measure all algorithms on one layer, with memory and error."""
    return _rows(LAYER, layer, dtype, worker.measure(Job(layer, rounds, dtype)))


def sweep_rows(worker: Worker, layer: Layer, rounds: int, dtype: str, one_dimensional: bool) -> Iterator[list[Row]]:
    """Measure all algorithms for several kernel and image sizes; use the layer's channels, batch 1, same padding."""
    for side in SIZES[one_dimensional]:
        for taps in KERNELS[one_dimensional]:
            kernel, size = ((1, taps), (1, side)) if one_dimensional else ((taps, taps), (side, side))
            padding = pad("same", size, kernel, one_dimensional)
            swept_layer = Layer(1, layer.channels, layer.filters, kernel, size, padding)
            yield _rows(
                SWEEP, swept_layer, dtype, worker.measure(Job(swept_layer, rounds, dtype, BUDGET, closely=False))
            )


def _rows(table: str, layer: Layer, dtype: str, measurements: Sequence[Measurement]) -> list[Row]:
    direct = next(measurement for measurement in measurements if measurement.name == DIRECT)
    return [Row(table, layer, dtype, direct, measurement) for measurement in measurements]


def _total_seconds(measurement: Measurement) -> float | None:
    if measurement.seconds is None or measurement.preparing is None:
        return None
    return measurement.seconds + measurement.preparing
