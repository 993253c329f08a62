"""Measurement of the algorithms on a layer, in this process: time, memory, error."""

import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from benchmarks.algorithms import ALGORITHMS, Algorithm, find
from benchmarks.algorithms.layer import Array, Layer

LEAST = 3  # rounds, even beyond the budget


@dataclass(frozen=True)
class Job:
    """A measurement to make.

    rounds   rounds in which all algorithms are run in turn; medians are reported
    budget   seconds after which no more rounds are started, except for `LEAST`; None: no limit
    closely  whether to measure memory and error too
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

    preparing  median seconds for preparing the kernels, once per batch
    seconds    median seconds of the rest, for the batch
    memory     peak bytes of all arrays that it allocates, without the output
    error      largest error relative to the largest output, compared with direct in float64
    refusal    reason why it cannot compute this layer; nothing else is known then
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
    """Measure all algorithms on one layer, in turn within each round, so that disturbances affect all alike."""
    x, w = _arrays(job)
    able, refusals = _able(job.layer)
    truth = find("direct")(x.astype(np.float64), w.astype(np.float64), job.layer.padding) if job.closely else None
    known = {algorithm.name: _closely(algorithm, x, w, job.layer, truth) for algorithm in able}
    times = {algorithm.name: (list[float](), list[float]()) for algorithm in able}
    begin, done = time.perf_counter(), 0
    while done < job.rounds and not _spent(job, begin, done):
        for algorithm in able:
            for found, seconds in zip(times[algorithm.name], _timed(algorithm, x, w, job.layer), strict=True):
                found.append(seconds)
        done += 1
    for name, (preparing, rest) in times.items():
        known[name] = replace(known[name], preparing=median(preparing), seconds=median(rest), rounds=done)
    return [known.get(one.name) or Measurement(one.name, refusal=refusals[one.name]) for one in ALGORITHMS]


def _arrays(job: Job) -> tuple[Array, Array]:
    """Draw random images and kernels."""
    layer, generator = job.layer, np.random.default_rng(job.seed)
    shapes = (layer.batch, layer.channels, *layer.size), (layer.filters, layer.channels, *layer.kernel)
    x, w = (generator.standard_normal(shape).astype(job.dtype) for shape in shapes)
    return x, w


def _able(layer: Layer) -> tuple[Sequence[Algorithm], dict[str, str]]:
    """Return the algorithms that can compute a layer, and the reasons why the others cannot."""
    refusals = {algorithm.name: algorithm.refusal(layer) for algorithm in ALGORITHMS}
    able = [algorithm for algorithm in ALGORITHMS if not refusals[algorithm.name]]
    return able, {name: reason for name, reason in refusals.items() if reason}


def _closely(algorithm: Algorithm, x: Array, w: Array, layer: Layer, truth: Array | None) -> Measurement:
    """Measure everything but the time, memory and error only if the truth is given; this also compiles and warms up."""
    found = Measurement(algorithm.name, algorithm.multiplications(layer))
    y = algorithm(x, w, layer.padding)
    if truth is None:
        return found
    error, output = float(np.abs(y - truth).max() / np.abs(truth).max()), y.nbytes
    del y
    tracemalloc.start()
    try:
        algorithm(x, w, layer.padding)
        highest = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return replace(found, memory=max(highest - output, 0), error=error)


def _timed(algorithm: Algorithm, x: Array, w: Array, layer: Layer) -> tuple[float, float]:
    """Time one call; return the seconds for preparing the kernels, and for the rest."""
    start = time.perf_counter()
    prepared = algorithm.prepare(w, layer)
    middle = time.perf_counter()
    algorithm.correlate(x, prepared, layer)
    return middle - start, time.perf_counter() - middle


def _spent(job: Job, begin: float, done: int) -> bool:
    """Return whether the budget is used up."""
    return job.budget is not None and done >= LEAST and time.perf_counter() - begin > job.budget
