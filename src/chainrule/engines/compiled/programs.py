"""A plan as a compiled program, run over a model's buffers."""

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.plan import Plan, Tensor
from chainrule.engines.arena import new_zeros
from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.codegen import workspaces
from chainrule.engines.compiled.codegen.generator import GIVEN, ProgramWriter
from chainrule.engines.compiled.codegen.updates import constants_of, update_source
from chainrule.engines.compiled.compiler import load
from chainrule.engines.compiled.kernels import selection
from chainrule.engines.compiled.passes.segments import block_size, met_at
from chainrule.engines.compiled.passes.sharing import is_worth_sharing
from chainrule.engines.protocol import Array, Buffers, Gradients, Shard, StepLimits, Sums
from chainrule.errors import EngineError

AT_ONCE = StepLimits(64, 1 << 21, 0.1)  # size: per thread, of at least two; the inputs then fit their caches
MIN_THREADED_UPDATE = 1 << 14  # parameters: an update of fewer is not worth waking the threads
MIN_THREADED_UPDATE_ALONE = 1 << 18  # parameters, where one thread does all else: more outgrow its cache


def update(
    name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
) -> None:
    """Compute an optimizer's update in place, in one pass over parameters, gradients and moments."""
    entry = selection.KERNELS[name]
    arrays = (p, g, *moments)
    numbers = entry.arguments(len(arrays), attributes)
    if p.size < MIN_THREADED_UPDATE:
        threads = 1
    program = load(update_source(name, _dtype_name(p.dtype)))
    compiler.use_threads(threads)
    program(*arrays, threads, *numbers)


@cache
def _dtype_name(dtype: Any) -> str:
    """Return the name of a dtype, which takes NumPy 3 µs."""
    return str(dtype)


_Key: TypeAlias = str | int  # of a program: the operation of an optimizer's update, or the stage of the gradient


class Program:
    """A plan compiled whole; see `protocol.CompiledPlan` and `protocol.WholeSteps`."""

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
        self._most_shares = 1 if intra_sample else workspaces.most_shares(threads, buffers.parameters.nbytes)
        self._intra_sample = intra_sample
        self._small_batch: Program | None = None  # for one sample, or fewer than threads, one after the other
        self._shared = not (intra_sample or plan.sharded) and is_worth_sharing(plan, buffers.parameters.dtype.itemsize)
        self._writer = ProgramWriter(plan, layout, str(buffers.parameters.dtype), intra_sample=intra_sample)
        if self._writer.training and self._writer.parameters != buffers.parameters.size:
            raise EngineError(f"the plan reads {self._writer.parameters} of {buffers.parameters.size} parameters")
        self._dtype = buffers.parameters.dtype
        sizes = self._writer.memory.sizes
        self._block = block_size(sizes["work"] * self._dtype.itemsize)
        rows = (1 if intra_sample else threads * self._most_shares) if self._writer.training else 0
        self._workspaces: dict[str, Array] = {
            "work": new_zeros((threads, sizes["work"] * self._block), self._dtype),
            "indices": new_zeros((threads, sizes["indices"] * self._block), np.int32),
            "gradients": new_zeros((rows, buffers.parameters.size), self._dtype),
            "spare": new_zeros((max(threads * self._writer.row, self._writer.partial_sums),), self._dtype),
        }
        self._results: dict[str, Array] = {}
        self._sums = np.zeros(2 + workspaces.parts(threads))  # losses, hits, and Σ g² of each part of the parameters
        self._after = np.zeros(buffers.statistics.size if plan.deferred else 0, self._dtype)
        self._programs: dict[tuple[_Key, bool], Any] = {}  # and whether they are for one sample
        self._commit: Any = None  # the program that writes running statistics
        self._calls: dict[_Key, Any] = {}  # for batches of this size: functions of what changes from call to call
        self._count = self._share = 0  # samples of a batch, and of its largest share
        self._edges = np.zeros(1, np.int32)

    @property
    def step_limits(self) -> StepLimits:
        """How much to take in one call."""
        return AT_ONCE._replace(size=AT_ONCE.size * max(2, self._threads))

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x."""
        if not self._plan.operations:
            return x.reshape(len(x), *self._plan.output.shape).copy()
        if self._shared and 0 < len(x) < max(self._threads, 2):
            if len(x) == 1:
                return (self._small_batch or self._of_one()).forward(x)
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
        self._run((x, t) if weights is None else (x, t, weights), seed, step)
        return self._gradients()

    def shard(
        self, given: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return losses, hits and the part of the flat gradient of some samples of a batch; see `CompiledPlan`."""
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
        """Return the two arrays (C,) in which the shards meet after a stage."""
        found = met_at(self._writer.segments[self._writer.stages[stage].stop - 1])
        if len(found) == 2:
            return [self._statistic(tensor) for tensor in found]
        return [*self._statistic(found[0]).reshape(found[0].shape)[:2]]

    def _gradients(self) -> Gradients:
        return self._results["loss"], self._results["correct"], self._workspaces["gradients"][0]

    def steps(
        self,
        given: tuple[Array, ...],
        name: str,
        moments: tuple[Array, ...],
        attributes: Mapping[str, Any],
        rates: Sequence[float],
        *,
        clip: float | None,
        seed: int,
        step: int,
    ) -> list[Sums]:
        """Take training steps as one program; see `protocol.WholeSteps`."""
        count = len(given[0]) // len(rates)
        if self._shared and count == 1:
            return self._of_one().steps(given, name, moments, attributes, rates, clip=clip, seed=seed, step=step)
        if count != self._count:
            self._allocate(count)
        if name not in self._calls:
            self._calls[name] = self._program(name), *self._own(name)
        program, own, numbers = self._calls[name]
        outcomes = np.full((len(rates), 4), np.nan)
        rest = [attributes.get(each, default) for each, default in constants_of(name).items()]
        limit = np.inf if clip is None else clip
        arrays = (*given, *own, *moments, np.array(rates), outcomes, self._after)
        compiler.use_threads(self._threads)
        with suppress(FloatingPointError):  # raised by the first step that is not finite
            program(*arrays, *numbers, seed, step, limit, len(rates), *rest)
        return [(total, hits, squares) for total, hits, squares, _ in outcomes.tolist() if not math.isnan(total)]

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Warm up: compile a step on this many samples by taking one on zeros, and restore what it changed."""
        target, _, _ = self._plan.loss_tensors
        x, t = (np.zeros((samples, *tensor.shape), self._dtype) for tensor in (self._plan.input, target))
        given = (x, t) if self._plan.weights is None else (x, t, np.zeros(samples, self._dtype))
        kept = [each.copy() for each in (self._buffers.parameters, self._buffers.statistics)]
        try:
            if name is None:
                self.gradients(*given, seed=0, step=0)
                self.commit_statistics()
            else:
                copies = tuple(moment.copy() for moment in moments)
                self.steps(given, name, copies, attributes, [0.0], clip=None, seed=0, step=1)
        finally:
            self._buffers.parameters[:], self._buffers.statistics[:] = kept

    def commit_statistics(self) -> None:
        """Write the running statistics of the last batch."""
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
        if stage not in self._calls:
            arrays, numbers = self._own(stage)
            self._calls[stage] = numbers[1], self._program(stage).bound(len(given), (*arrays, *numbers))
        threads, run = self._calls[stage]
        compiler.use_threads(threads)
        run(given, seed, step, *shard)

    def _own(self, key: _Key) -> tuple[list[Array], tuple[int, ...]]:
        """Return a program's arguments that stay the same for batches of this size: arrays, and whole numbers."""
        arrays = [self._results[name] for name in self._writer.data if name not in GIVEN]
        arrays += [self._buffers.parameters, self._buffers.statistics]
        many = len(self._edges) - 1
        arrays += [self._workspaces["gradients"][:many], self._edges] if self._writer.training else [self._edges]
        arrays += [self._workspaces[name] for name in self._writer.workspaces]
        of_batch = many, *self._turns(self._batch_threads)
        of_update = () if isinstance(key, int) else self._turns(self._threads_of_update())
        return arrays, (*of_batch, *of_update, self._count, self._block, self._share)

    def _turns(self, threads: int) -> tuple[int, int]:
        """Return the number of threads, and of the parts of the parameters that they share."""
        return threads, threads if self._intra_sample else workspaces.parts(threads)

    @property
    def _batch_threads(self) -> int:
        """Number of threads that share a batch."""
        return self._threads if self._count >= self._threads or self._intra_sample else 1

    def _share_edges(self, threads: int) -> Array:
        """Return the first sample of each share of a batch, and the end of the batch.

        A share reads all parameters and has a gradient of its own, so its activations are no fewer.
        """
        sizes = self._writer.memory.sizes
        activations = sizes["work"] + sizes["share_work"] + sizes["batch_work"]
        fewest = self._buffers.parameters.size // max(1, activations)
        return workspaces.share_edges(self._count, threads, self._most_shares, fewest)

    def _threads_of_update(self) -> int:
        """Return how many threads change the parameters.

        One does it after one sample of a small network: it reads all parameters at the next step, and those that
        another thread wrote would lie in that one's cache.
        """
        least = MIN_THREADED_UPDATE_ALONE if self._count == 1 and not self._intra_sample else MIN_THREADED_UPDATE
        return 1 if self._buffers.parameters.size < least else self._threads

    def _program(self, key: _Key) -> Any:
        """Return a program; its source is written once."""
        single = self._count == 1 and isinstance(key, str)
        if (key, single) not in self._programs:
            writer = self._writer
            source = writer.source(stage=key) if isinstance(key, int) else writer.step_source(key, single=single)
            self._programs[key, single] = load(source)
        return self._programs[key, single]

    def _allocate(self, count: int) -> None:
        """Allocate the arrays whose size depends on the batch; steps of the same batch size share them."""
        self._count = count
        rows = 1 if self._intra_sample else self._batch_threads  # of threads that have shares
        self._edges = self._share_edges(rows)
        self._share = int(np.diff(self._edges).max())
        for name, dtype in (("work", self._dtype), ("indices", np.int32)):
            size, of_share = (self._writer.memory.sizes[f"{kind}_{name}"] for kind in ("batch", "share"))
            self._workspaces[f"batch_{name}"] = new_zeros((size * max(1, count),), dtype)  # statistics of none, too
            self._workspaces[f"share_{name}"] = new_zeros((rows, of_share * self._share), dtype)
        shapes = {"y": self._plan.output.shape, "loss": (), "correct": ()}
        self._results = {
            name: np.zeros((count, *shapes[name]), self._dtype) for name in shapes if name in self._writer.data
        } | {"sums": self._sums}
        self._calls.clear()
