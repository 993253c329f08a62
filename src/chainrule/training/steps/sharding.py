"""The gradient of a batch that is cut into shards, which one or several workers compute."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.plan import Plan
from chainrule.engines.batch_norm_sync import EXCHANGES, SyncPoint, sync_points
from chainrule.engines.protocol import Array, CompiledPlan, Gradients, Shard
from chainrule.errors import OptionError
from chainrule.training.workers import Arrays, Division, Workers, added, totals_of

if TYPE_CHECKING:
    from chainrule.models.network import Network

Run = Generator[Array, Array, Gradients]


class Sharding:
    """Computes the gradients of batches in shards, with the same bits for any number of workers.

    Shards run one after the other on a worker, up to each of the plan's meetings, where all contributions are joined.

    shards   number of shards of a batch, as far as it has samples
    Errors   OptionError for a plan that needs the whole batch elsewhere, or more workers than shards
    """

    def __init__(self, network: Network, plan: Plan, shards: int, workers: Workers) -> None:
        _require_shardable(plan)
        if workers.size > shards:
            raise OptionError(
                f"{workers.size} workers for {shards} shards of a batch; expected at most one worker a shard"
            )
        self._network = network
        self._plan = replace(plan, sharded=True)
        self._meetings = sync_points(plan)
        self._shards = shards
        self._workers = workers
        self._programs: dict[int, CompiledPlan] = {}
        self._whole: dict[str, Array] = {}  # statistics of the last batch, by storage
        self._samples = 0

    def division(self, samples: int) -> Division:
        """Return the shards of a batch of so many samples, and which of them this worker computes."""
        return Division(samples, self._shards, self._workers)

    def sums(self, given: tuple[Array, ...], samples: int, *, step: int, seed: int) -> tuple[float, float, Array]:
        """Return the sums of losses and measure, and the flat gradient of the mean loss, of a whole batch.

        given    x, t and, where samples have them, weights: of this worker's shards
        samples  of the whole batch
        """
        division, parameters = self.division(samples), self._network.parameters
        self._samples = samples
        runs = self._runs(division, given, step, seed)
        sent: Array | None = None
        for meeting in self._meetings:
            sent = self._meet(meeting, division, runs, sent)
        last = sent

        def part(number: int) -> Arrays:
            losses, measured, gradient = _finish(runs[number], last)
            return totals_of(losses, measured), gradient if self._meetings else gradient.copy()

        totals, gradient = division.join(part, added, (np.zeros(2), np.zeros_like(parameters)))
        return float(totals[0]), float(totals[1]), gradient

    def _runs(self, division: Division, given: tuple[Array, ...], step: int, seed: int) -> dict[int, Run]:
        """Return the run of each shard of this worker, none of them begun."""
        runs: dict[int, Run] = {}
        for number in division.own:
            first, last = division.edge(number), division.edge(number + 1)
            rows = slice(first - division.rows.start, last - division.rows.start)
            own = tuple(np.ascontiguousarray(array[rows]) for array in given)
            runs[number] = self._program(number).shard(own, Shard(division.samples, first), seed=seed, step=step)
        return runs

    def _program(self, number: int) -> CompiledPlan:
        """Return the program of a shard: one of its own where it waits for others in the middle."""
        key = number if self._meetings else 0
        if key not in self._programs:
            self._programs[key] = self._network.compile(self._plan)
        return self._programs[key]

    def _meet(self, meeting: SyncPoint, division: Division, runs: dict[int, Run], sent: Array | None) -> Array:
        """Run all shards to a meeting, and return what it gives, (2, C).

        sent  what the meeting before gave; None: there was none
        """

        def part(number: int) -> Arrays:
            means = next(runs[number]) if sent is None else runs[number].send(sent)
            return (meeting.weighted(means, division.edge(number + 1) - division.edge(number)),)

        def join(one: Arrays, other: Arrays) -> Arrays:
            return (meeting.merge(one[0], other[0]),)

        (found,) = division.join(part, join, (np.zeros((3, meeting.channels)),))
        whole = found[1:].astype(self._network.dtype)
        if meeting.operation.name == "batch_norm":
            storages = [tensor.storage for tensor in meeting.operation.writes[1:]]
            self._whole |= dict(zip(storages, whole, strict=True))
        return whole

    def commit_statistics(self) -> None:
        """Write the running statistics of the last batch."""
        weights = self._network.weights
        for operation in self._plan.deferred:
            known = {**self._whole, **weights}
            arrays = tuple(known[tensor.storage] for tensor in operation.reads if tensor is not None)
            values = {"batch": self._samples, "first": 0, "seed": 0, "step": 0}
            results = self._network.engine.run(operation.name, arrays, operation.arguments(values))
            for tensor, result in zip(operation.writes, results, strict=True):
                weights[tensor.storage][...] = result

    def prepare(self, samples: int, name: str | None, moments: Arrays, attributes: dict[str, Any]) -> None:
        """Compile what a step on so many samples runs; see `CompiledPlan.prepare`."""
        division, network = self.division(samples), self._network
        if not division.own:
            return
        number, target = division.own.start, self._plan.loss_tensors[0]
        count = division.edge(number + 1) - division.edge(number)
        shapes = [self._plan.input.shape, target.shape, *([()] if self._plan.weights is not None else [])]
        given = tuple(np.zeros((count, *shape), network.dtype) for shape in shapes)
        run, sent = self._program(number).shard(given, Shard(samples), seed=0, step=0), None
        for _ in self._meetings:
            sent = next(run) if sent is None else run.send(sent)
        _finish(run, sent)
        if name is not None:
            p, *others = (np.zeros_like(network.parameters) for _ in range(2 + len(moments)))
            network.engine.update(name, p, others[0], tuple(others[1:]), attributes, network.threads)


def _finish(run: Run, sent: Array | None) -> Gradients:
    """Return the result of a run that comes to no other meeting."""
    try:
        next(run) if sent is None else run.send(sent)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a shard came to a meeting that its plan has not")


def _require_shardable(plan: Plan) -> None:
    """Raise OptionError, naming the layer, if an operation of a training plan needs the whole batch but cannot meet."""
    apart = {*EXCHANGES, "batch_norm_dw", "add"}  # gradients are added up anyway
    for operation in plan.operations:
        if operation.call or (operation.scope == "batch" and operation.name not in apart):
            layer = operation.writes[0].name.rpartition(".")[0] or "the loss"
            raise OptionError(
                f"{layer}: {operation.name} needs the whole batch at once, which shards cut; train without shards"
            )
