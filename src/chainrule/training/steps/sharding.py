"""Gradients of batches in parts: accumulated one after the other, or in shards distributed over the workers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Arrays
from chainrule.core.plan import Plan
from chainrule.engines.batch_norm_sync import EXCHANGES, SyncPoint, sync_points
from chainrule.engines.protocol import CompiledPlan, Gradients, Shard
from chainrule.errors import OptionError
from chainrule.network.network import Network
from chainrule.training.steps.division import Division, add_in_place, sums_of
from chainrule.training.steps.gradients import Batches, Update, WholeBatch
from chainrule.training.workers import Workers

Run = Generator[Array, Array, Gradients]


class AccumulatedBatch(WholeBatch):
    """Computes the gradients of a batch's parts one after the other and sums them, to save memory.

    Each part has its own batch statistics, and draws random numbers like a separate step.
    """

    writes_statistics = True

    def __init__(self, program: CompiledPlan, parts: int) -> None:
        super().__init__(program)
        self._parts = parts

    def division(self, samples: int) -> Division:
        """Divide a batch into the parts."""
        return Division(samples, self._parts)

    def gradients(self, batch: Batches) -> Gradients:
        """Return the summed losses and metrics, (1,), and the flat gradient."""
        division = self.division(batch.samples)

        def part(number: int) -> Arrays:
            rows = slice(division.edge(number), division.edge(number + 1))
            if number:
                self.commit_statistics()  # the previous part's statistics
            inputs: Any = batch.rows(rows)
            random_step = (batch.step - 1) * self._parts + number + 1
            losses, metrics, gradient = self._program.gradients(*inputs, seed=batch.seed, step=random_step)
            share = gradient.dtype.type((rows.stop - rows.start) / batch.samples)
            return sums_of(losses, metrics), gradient * share

        totals, gradient = division.join(part, add_in_place, ())
        return totals[:1], totals[1:], gradient

    def prepare(self, samples: int, update: Update, steps: int) -> None:
        """Warm up for the largest part of a batch."""
        super().prepare(-(-samples // self._parts), update, steps)


class ShardedBatch(WholeBatch):
    """Computes gradients of batches in shards. Results are bitwise identical for any number of workers.

    The barriers of a plan are batch normalizations and their gradients, which need statistics of the whole batch. A
    worker runs its shards one after the other up to the next barrier. There, the statistics of all shards are combined.
    Shards draw the same random numbers as the whole batch.

    shards   number of shards per batch; a smaller batch is divided into single samples
    Errors   OptionError if another operation of the plan needs the whole batch, or for more workers than shards
    """

    prepares_update = True

    def __init__(self, network: Network, plan: Plan, shards: int, workers: Workers) -> None:
        _require_shardable(plan)
        if workers.size > shards:
            raise OptionError(
                f"{workers.size} workers for {shards} shards of a batch; expected at most one worker per shard"
            )
        self._network = network
        self._plan = replace(plan, sharded=True)
        self._shards = shards
        self._workers = workers
        self._barriers = sync_points(plan)
        self._programs = dict[int, CompiledPlan]()
        self._statistics = dict[str, Array]()  # the last batch's mean and variance, by storage
        self._samples = 0

    def _division(self, samples: int) -> Division:
        """Divide a batch with ``samples`` samples into shards."""
        return Division(samples, self._shards, self._workers)

    def rows(self, samples: int) -> slice:
        """Return the slice of a batch that contains this worker's shards."""
        return self._division(samples).rows

    def gradients(self, batch: Batches) -> Gradients:
        """Return the summed losses and metrics, (1,), and the flat gradient of the mean loss, for the whole batch."""
        division = self._division(batch.samples)
        parameters = self._network.parameters
        self._samples = batch.samples
        runs = self._runs(division, batch)
        statistics: Array | None = None
        for barrier in self._barriers:
            statistics = self._run_to_barrier(barrier, division, runs, statistics)
        final = statistics

        def part(number: int) -> Arrays:
            losses, metrics, gradient = _finish(runs[number], final)
            return sums_of(losses, metrics), gradient if self._barriers else gradient.copy()

        totals, gradient = division.join(part, add_in_place, (np.zeros(2), np.zeros_like(parameters)))
        return totals[:1], totals[1:], gradient

    def _runs(self, division: Division, batch: Batches) -> dict[int, Run]:
        """Return an unstarted generator for each of this worker's shards, by index."""
        runs = dict[int, Run]()
        for number in division.own:
            first = division.edge(number)
            last = division.edge(number + 1)
            rows = slice(first - division.rows.start, last - division.rows.start)
            program = self._program_of(number)
            shard = Shard(batch.samples, first)
            runs[number] = program.shard(batch.rows(rows), shard, seed=batch.seed, step=batch.step)
        return runs

    def _program_of(self, number: int) -> CompiledPlan:
        """Return a shard's program. With barriers, several shards are active at once, so each has its own program."""
        key = number if self._barriers else 0
        if key not in self._programs:
            self._programs[key] = self._network.compile(self._plan)
        return self._programs[key]

    def _run_to_barrier(
        self, barrier: SyncPoint, division: Division, runs: dict[int, Run], previous: Array | None
    ) -> Array:
        """Run this worker's shards up to a barrier, and return the whole batch's statistics, (2, C).

        previous  statistics from the previous barrier; None for the first barrier
        """

        def part(number: int) -> Arrays:
            means = next(runs[number]) if previous is None else runs[number].send(previous)
            return (barrier.weighted(means, division.edge(number + 1) - division.edge(number)),)

        def join(first: Arrays, second: Arrays) -> Arrays:
            return (barrier.merge(first[0], second[0]),)

        (totals,) = division.join(part, join, (np.zeros((3, barrier.channels)),))
        statistics = totals[1:].astype(self._network.dtype)
        if barrier.operation.name == "batch_norm":
            storages = [tensor.storage for tensor in barrier.operation.writes[1:]]
            self._statistics |= dict(zip(storages, statistics, strict=True))
        return statistics

    def commit_statistics(self) -> None:
        """Write the last batch's running statistics."""
        weights = self._network.weights
        for operation in self._plan.deferred:
            arrays_of = {**self._statistics, **weights}
            arrays = tuple(arrays_of[tensor.storage] for tensor in operation.reads if tensor is not None)
            values = {"batch": self._samples, "first": 0, "seed": 0, "step": 0}
            results = self._network.engine.run(operation.name, arrays, operation.arguments(values))
            for tensor, result in zip(operation.writes, results, strict=True):
                weights[tensor.storage][...] = result

    def prepare(self, samples: int, update: Update, steps: int) -> None:
        """Warm up: compute the gradient of a batch of zeros, and an update. See `CompiledPlan.prepare`."""
        network = self._network
        rows = self.rows(samples)
        plan = self._plan
        tensors = [tensor for tensor in (plan.input, plan.loss_tensors[0], plan.weights) if tensor is not None]
        inputs = tuple(np.zeros((rows.stop - rows.start, *tensor.shape), network.dtype) for tensor in tensors)
        self.gradients(Batches(inputs, [0.0], 0, 0, samples))
        name, moments, attributes = update
        if name is not None:
            p, *buffers = (np.zeros_like(network.parameters) for _ in range(2 + len(moments)))
            network.engine.update(name, p, buffers[0], tuple(buffers[1:]), attributes, network.threads)


def _finish(run: Run, statistics: Array | None) -> Gradients:
    """Run a shard from the last barrier to the end, and return its result."""
    try:
        next(run) if statistics is None else run.send(statistics)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a shard reached a barrier that its plan does not have")


def _require_shardable(plan: Plan) -> None:
    """Raise OptionError, which names the layer, if an operation needs the whole batch but has no barrier."""
    allowed = {*EXCHANGES, "batch_norm_dw", "add"}  # gradients are summed anyway
    for operation in plan.operations:
        if operation.call or (operation.scope == "batch" and operation.name not in allowed):
            layer = operation.result.name.rpartition(".")[0] or "the loss"
            raise OptionError(f"{layer}: {operation.name} needs the whole batch at once; train without shards")
