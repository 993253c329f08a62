"""Timing of steps and messages: `python -m benchmarks.scaling.worker`, run as one process or by `mpiexec`.

Worker 0 prints one line of JSON: {"networks": {name: {"steps": {batch: {shards: seconds}}, …}}, "messages": {bytes:
seconds}}.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from chainrule import zoo
from chainrule.engines.batch_norm_sync import sync_points
from chainrule.models.model import Model
from chainrule.training import mpi
from chainrule.training.steps.selection import make_stepper
from chainrule.training.workers import DEFAULT_SHARDS, Division, Workers, add_in_place

SIZES = (1_000, 4_000_000)  # sizes of messages in bytes
ROUNDS = (5, 400)  # minimum and maximum number per measurement


def main() -> None:
    """Measure and print the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", default="mlp,numpy-cnn,resnet-8")
    parser.add_argument("--batches", default="16,128")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds per measurement")
    arguments = parser.parse_args()
    with mpi.session() as workers:
        batches = [int(batch) for batch in arguments.batches.split(",")]
        networks = {name: _network(name, batches, workers, arguments.seconds) for name in arguments.networks.split(",")}
        messages = {size: _message(size, workers, arguments.seconds) for size in SIZES} if workers.size > 1 else {}
        if not workers.rank:
            print(json.dumps({"networks": networks, "messages": messages}), flush=True)


def _network(name: str, batches: list[int], workers: Workers, seconds: float) -> dict[str, object]:
    """Return properties of a network, and the time of its steps by batch size and number of shards."""
    entry = zoo.find(name)
    model = entry.build(threads=1)
    steps = {
        batch: {shards: _step(model, batch, shards, workers, seconds) for shards in _shards(workers)}
        for batch in batches
    }
    return {"gradient": model.parameters.nbytes, "exchanges": len(sync_points(model.plan(model.loss))), "steps": steps}


def _shards(workers: Workers) -> tuple[int, ...]:
    return (DEFAULT_SHARDS,) if workers.size > 1 else (1, DEFAULT_SHARDS)


def _step(model: Model, batch: int, shards: int, workers: Workers, seconds: float) -> float:
    """Return the time of a step in seconds."""
    generator = np.random.default_rng(0)
    optimizer = zoo.find(model.name).recipe.optimizer
    stepper = make_stepper(model, optimizer, model.loss, shards=shards, workers=workers)
    rows = stepper.rows(batch)
    x = generator.normal(size=(batch, *model.input_shape)).astype(model.dtype)[rows]
    outputs = model.output_shape[0]
    t = np.eye(outputs, dtype=model.dtype)[generator.integers(0, outputs, batch)][rows]
    stepper.prepare(batch)
    return _fastest(lambda: stepper.step(x, t, step=1, rate=0.0, samples=batch), workers, seconds)


def _message(size: int, workers: Workers, seconds: float) -> float:
    """Return the time of a message of `size` bytes in seconds: half the time of a sum over two workers."""
    array = np.zeros(size // 4, np.float32)
    division = Division(workers.size, workers.size, workers)
    return _fastest(lambda: division.join(lambda number: (array,), add_in_place, (array,)), workers, seconds) / 2


def _fastest(work: Callable[[], object], workers: Workers, seconds: float) -> float:
    """Return the minimum time of `work` in seconds; all workers repeat it equally often.

    A single process measures its CPU time, which other load does not affect.
    """
    clock = time.perf_counter if workers.size > 1 else time.process_time
    work()
    start = clock()
    work()
    rounds = np.array([np.clip(seconds / max(clock() - start, 1e-6), *ROUNDS)])
    workers.broadcast(rounds)
    times: list[float] = []
    for _ in range(int(rounds[0])):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


if __name__ == "__main__":
    main()
