"""A plan as a compiled program, run over a model's buffers."""

from collections.abc import Generator, Mapping
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from chainrule.engines import Array, Buffers, Gradients, Shard
from chainrule.engines.numba import operations, toolchain
from chainrule.engines.numba.generator import GIVEN, ProgramWriter
from chainrule.engines.numba.rewriting import is_worth_sharing
from chainrule.engines.numba.segments import block_size
from chainrule.engines.numba.stages import met_at
from chainrule.engines.numba.toolchain import load
from chainrule.engines.numba.update_programs import update_source
from chainrule.errors import EngineError
from chainrule.plan import Plan, Tensor

SHARED = 1 << 14  # parameters from which on an update is worth the meeting of threads
SHARED_ALONE = 1 << 18  # where one thread does all else: from here on they and their moments outgrow its cache
ROWS = 1 << 12  # entries of a deferred gradient that are computed at a time: they stay in the fastest cache


def update(
    name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
) -> None:
    """Compute an optimizer's update in place, in one pass over parameters, gradients and moments."""
    entry = operations.KERNELS[name]
    arrays = (p, g, *moments)
    numbers = entry.arguments(len(arrays), attributes)
    if p.size < SHARED:
        threads = 1
    program = load(update_source(name, _dtype_name(p.dtype)))
    toolchain.use_threads(threads)
    program(*arrays, threads, *numbers)


@cache
def _dtype_name(dtype: Any) -> str:
    """Return the name of a dtype, which takes NumPy 3 µs."""
    return str(dtype)


_Key: TypeAlias = tuple[bool, int]  # of a program: whether it is for one sample, and its stage


class Program:
    """A plan compiled whole; see `engines.CompiledPlan`."""

    def __init__(
        self,
        plan: Plan,
        layout: Mapping[str, tuple[int, int]],
        buffers: Buffers,
        threads: int,
        *,
        intra_sample: bool = False,
    ) -> None:
        self._plan = plan
        self._layout = layout
        self._buffers = buffers
        self._threads = threads
        self._intra_sample = intra_sample
        self._small_batch: Program | None = None  # for one sample, or fewer than threads, one after the other
        self._shared = not (intra_sample or plan.sharded) and is_worth_sharing(plan, buffers.parameters.dtype.itemsize)
        self._last: Program | None = None  # what ran the last batch of training instead of this program
        self._writer = ProgramWriter(plan, layout, str(buffers.parameters.dtype), intra_sample=intra_sample)
        if self._writer.training and self._writer.parameters != buffers.parameters.size:
            raise EngineError(f"the plan reads {self._writer.parameters} of {buffers.parameters.size} parameters")
        self._dtype = buffers.parameters.dtype
        sizes = self._writer.memory.sizes
        self._block = block_size(sizes["work"] * self._dtype.itemsize)
        rows = (1 if intra_sample else threads) if self._writer.training else 0
        self._row = max([ROWS, *(each.writes[0].shape[1] for each in self._writer.deferred_gradients)])
        self._workspaces: dict[str, Array] = {
            "work": np.zeros((threads, sizes["work"] * self._block), self._dtype),
            "indices": np.zeros((threads, sizes["indices"] * self._block), np.int32),
            "gradients": np.zeros((rows, buffers.parameters.size), self._dtype),
            "spare": np.zeros(max(threads * self._row, self._writer.partial_sums), self._dtype),
        }
        self._results: dict[str, Array] = {}
        self._sums = np.zeros(2 + threads)  # losses, hits, and one share of Σ g² per thread
        self._single: Array | None = None  # the batch, where `backward` was given one sample
        self._programs: dict[_Key, Any] = {}
        self._commit: Any = None  # the program that writes running statistics
        self._updates: dict[tuple[str, bool], Any] = {}  # programs of updates, and whether they follow one sample
        self._nothing = np.zeros((0, *plan.input.shape), self._dtype)
        self._calls: dict[_Key, tuple[Any, list[Array], list[Array], tuple[int, ...]]] = {}
        self._count = 0

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x."""
        if not self._plan.operations:
            return x.reshape(len(x), *self._plan.output.shape).copy()
        if self._shared and 0 < len(x) < max(self._threads, 2):
            if len(x) == 1:
                return self._of_one().forward(x)
            return np.concatenate([self._of_one().forward(x[s : s + 1]).copy() for s in range(len(x))])
        self._run((x,), 0, 0)
        return self._results["y"]

    def _of_one(self) -> "Program":
        """Return the program for one sample, whose large layers threads share."""
        if self._small_batch is None:
            self._small_batch = Program(self._plan, self._layout, self._buffers, self._threads, intra_sample=True)
        return self._small_batch

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return losses, hits and the flat gradient of the mean loss."""
        self._single = self._last = None
        self._run((x, t) if weights is None else (x, t, weights), seed, step)
        return self._gradients()

    def shard(
        self, given: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return losses, hits and the part of the flat gradient of some samples of a batch; see `CompiledPlan`."""
        self._single = self._last = None
        *meeting, last = range(len(self._writer.stages))
        for stage in meeting:
            self._run(given, seed, step, *shard, stage=stage)
            own = self._met(stage)
            sent = yield np.stack(own)
            for array, values in zip(own, sent, strict=True):
                array[:] = values
        self._run(given, seed, step, *shard, stage=last)
        return self._gradients()

    def _met(self, stage: int) -> list[Array]:
        """Return the two arrays (C,) that are met after a stage."""
        found = met_at(self._writer.segments[self._writer.stages[stage].stop - 1])
        if len(found) == 2:
            return [self._statistic(tensor) for tensor in found]
        return [*self._statistic(found[0]).reshape(found[0].shape)[:2]]

    def _gradients(self) -> Gradients:
        return self._results["loss"], self._results["correct"], self._workspaces["gradients"][0]

    def backward(
        self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int
    ) -> tuple[float, float, float]:
        """Return the sum of the losses, the number of hits and Σ g².

        For one sample, `ProgramWriter.deferred_gradients` are left to `update`.
        """
        self._last = self._of_one() if self._shared and len(x) == 1 else None
        if self._last is not None:
            return self._last.backward(x, t, weights, seed=seed, step=step)
        self._single = x if len(x) == 1 else None
        self._run((x, t) if weights is None else (x, t, weights), seed, step)
        sums = self._sums.tolist()
        return sums[0], sums[1], sum(sums[2:])

    def update(self, name: str, moments: tuple[Array, ...], attributes: Mapping[str, Any], scale: float) -> None:
        """Change the parameters, with deferred gradients row by row.

        One thread does it after one sample of a small network: it reads all parameters at the next step, and those that
        another thread wrote would lie in that one's cache.
        """
        if self._last is not None:
            self._last.update(name, moments, attributes, scale)
            return
        p, g = self._buffers.parameters, self._workspaces["gradients"][0]
        x, single = (self._nothing, False) if self._single is None else (self._single, True)
        alone = p.size < (SHARED_ALONE if single and not self._intra_sample else SHARED)
        threads = 1 if alone else self._threads
        if scale != 1:
            g *= scale
        if (name, single) not in self._updates:
            self._updates[name, single] = load(self._writer.update_source(name, single=single))
        spare = self._workspaces["spare"][: threads * self._row]
        arrays = (p, g, *moments, spare, x, self._workspaces["work"][0], self._workspaces["batch_work"])
        numbers = operations.KERNELS[name].arguments(2 + len(moments), attributes)
        toolchain.use_threads(threads)
        self._updates[name, single](*arrays, threads, self._block, scale, *numbers)

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any]
    ) -> None:
        """Compile what a step on so many samples runs, by taking one on zeros; what it changes is put back."""
        target, _, _ = self._plan.loss_tensors
        x, t = (np.zeros((samples, *tensor.shape), self._dtype) for tensor in (self._plan.input, target))
        weights = None if self._plan.weights is None else np.zeros(samples, self._dtype)
        parameters, statistics = self._buffers.parameters.copy(), self._buffers.statistics.copy()
        try:
            self.backward(x, t, weights, seed=0, step=0)
            self.commit_statistics()
            if name is not None:
                self.update(name, tuple(moment.copy() for moment in moments), attributes, 1.0)
        finally:
            self._buffers.parameters[:], self._buffers.statistics[:] = parameters, statistics

    def commit_statistics(self) -> None:
        """Write the running statistics of the last batch."""
        if self._last is not None:
            self._last.commit_statistics()
            return
        if not self._plan.deferred:
            return
        if self._commit is None:
            self._commit = load(self._writer.commit_source())
        self._commit(self._buffers.statistics, self._workspaces["batch_work"], self._count)

    def _statistic(self, tensor: Tensor) -> Array:
        """Return a statistic of the last batch."""
        workspace, offset = self._writer.memory.offsets[tensor.storage]
        return self._workspaces[workspace][offset * self._count : offset * self._count + tensor.size]

    def _run(self, given: tuple[Array, ...], seed: int, step: int, *shard: int, stage: int = 0) -> None:
        if len(given[0]) != self._count:
            self._allocate(len(given[0]))
        threads = self._threads if self._count >= self._threads or self._intra_sample else 1
        key = (self._single is not None, stage)
        if key not in self._calls:
            self._calls[key] = self._call(threads, key)
        program, results, workspaces, numbers = self._calls[key]
        buffers = self._buffers
        arguments = (
            *given,
            *results,
            buffers.parameters,
            buffers.statistics,
            *workspaces,
            *numbers,
            seed,
            step,
            *shard,
        )
        toolchain.use_threads(threads)
        program(*arguments)

    def _call(self, threads: int, key: _Key) -> tuple[Any, list[Array], list[Array], tuple[int, ...]]:
        """Return the program for a batch of this size, and the arguments that stay the same from run to run."""
        results = [self._results[name] for name in self._writer.data if name not in GIVEN]
        gradients = [self._workspaces["gradients"][:threads]] if self._writer.training else []
        workspaces = gradients + [self._workspaces[name] for name in self._writer.workspaces]
        return self._program(key), results, workspaces, (threads, self._count, self._block)

    def _program(self, key: _Key) -> Any:
        """Return a program; its source is written once."""
        if key not in self._programs:
            single, stage = key
            self._programs[key] = load(self._writer.source(single=single, stage=stage))
        return self._programs[key]

    def _allocate(self, count: int) -> None:
        """Allocate the arrays whose size depends on the batch; steps of the same batch size share them."""
        sizes = self._writer.memory.sizes
        self._workspaces["batch_work"] = np.zeros(sizes["batch_work"] * count, self._dtype)
        self._workspaces["batch_indices"] = np.zeros(sizes["batch_indices"] * count, np.int32)
        shapes = {"y": self._plan.output.shape, "loss": (), "correct": ()}
        self._results = {
            name: np.zeros((count, *shapes[name]), self._dtype) for name in shapes if name in self._writer.data
        } | {"sums": self._sums}
        self._count = count
        self._calls.clear()
