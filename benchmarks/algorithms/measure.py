"""Measurement of the algorithms on a layer: time, memory, error."""

import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from benchmarks.algorithms import ALGORITHMS, Algorithm, find
from benchmarks.algorithms.layer import Array, Layer

MIN_ROUNDS = 3  # minimum number of rounds, even beyond the budget


@dataclass(frozen=True)
class Job:
    """A layer to measure, and options.

    rounds   number of rounds; every algorithm runs once per round, and medians are reported
    budget   seconds after which no more rounds are started, except the first `MIN_ROUNDS`; None for no limit
    closely  whether to also measure memory and error
    """

    layer: Layer
    rounds: int
    dtype: str = "float32"
    budget: float | None = None
    closely: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Measurement:
    """Measurement of one algorithm on one layer.

    preparing  median seconds per batch to prepare the kernels
    seconds    median seconds per batch for everything else
    memory     peak memory of all allocated arrays except the output, in bytes
    error      largest error relative to the largest output, compared with direct in float64
    refusal    reason why the algorithm does not support the layer; the other values are then None
    """

    name: str
    multiplications: int | None = None
    preparing: float | None = None
    seconds: float | None = None
    rounds: int = 0
    memory: int | None = None
    error: float | None = None
    refusal: str | None = None


def measure(job: Job) -> list[Measurement]:
    """Measure all algorithms on one layer, in turn within each round, so that disturbances affect all equally."""
    x, w = _arrays(job)
    able, refusals = _split_by_support(job.layer)
    exact = find("direct")(x.astype(np.float64), w.astype(np.float64), job.layer.padding) if job.closely else None
    measurements = {algorithm.name: _measure_once(algorithm, x, w, job.layer, exact) for algorithm in able}
    times = {algorithm.name: (list[float](), list[float]()) for algorithm in able}
    begin, done = time.perf_counter(), 0
    while done < job.rounds and not _budget_used(job, begin, done):
        for algorithm in able:
            for times_list, seconds in zip(times[algorithm.name], _time_call(algorithm, x, w, job.layer), strict=True):
                times_list.append(seconds)
        done += 1
    for name, (preparing, rest) in times.items():
        measurements[name] = replace(measurements[name], preparing=median(preparing), seconds=median(rest), rounds=done)
    return [
        measurements.get(entry.name) or Measurement(entry.name, refusal=refusals[entry.name]) for entry in ALGORITHMS
    ]


def _arrays(job: Job) -> tuple[Array, Array]:
    """Draw random images and kernels."""
    layer, generator = job.layer, np.random.default_rng(job.seed)
    shapes = (layer.batch, layer.channels, *layer.size), (layer.filters, layer.channels, *layer.kernel)
    x, w = (generator.standard_normal(shape).astype(job.dtype) for shape in shapes)
    return x, w


def _split_by_support(layer: Layer) -> tuple[Sequence[Algorithm], dict[str, str]]:
    """Return the algorithms that support a layer, and the reasons why others do not."""
    refusals = {algorithm.name: algorithm.refusal(layer) for algorithm in ALGORITHMS}
    able = [algorithm for algorithm in ALGORITHMS if not refusals[algorithm.name]]
    return able, {name: reason for name, reason in refusals.items() if reason}


def _measure_once(algorithm: Algorithm, x: Array, w: Array, layer: Layer, exact: Array | None) -> Measurement:
    """Warm up and measure everything except time; memory and error only if `exact` outputs are given."""
    measurement = Measurement(algorithm.name, algorithm.multiplications(layer))
    y = algorithm(x, w, layer.padding)
    if exact is None:
        return measurement
    error, output = float(np.abs(y - exact).max() / np.abs(exact).max()), y.nbytes
    del y
    tracemalloc.start()
    try:
        algorithm(x, w, layer.padding)
        highest = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return replace(measurement, memory=max(highest - output, 0), error=error)


def _time_call(algorithm: Algorithm, x: Array, w: Array, layer: Layer) -> tuple[float, float]:
    """Time one call; return the seconds for preparing the kernels, and for everything else."""
    start = time.perf_counter()
    prepared = algorithm.prepare(w, layer)
    middle = time.perf_counter()
    algorithm.correlate(x, prepared, layer)
    return middle - start, time.perf_counter() - middle


def _budget_used(job: Job, begin: float, done: int) -> bool:
    """Return whether the budget is exhausted."""
    return job.budget is not None and done >= MIN_ROUNDS and time.perf_counter() - begin > job.budget
