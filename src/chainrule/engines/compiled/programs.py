"""Compiled programs of plans, run on a model's buffers."""

import math
import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.plan import Plan, Tensor
from chainrule.engines.arena import new_zeros
from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.codegen import workspaces
from chainrule.engines.compiled.codegen.argument_lines import BATCH_ARRAYS
from chainrule.engines.compiled.codegen.generator import ProgramWriter
from chainrule.engines.compiled.codegen.updates import constants_of, update_source
from chainrule.engines.compiled.compiler import load
from chainrule.engines.compiled.kernels import selection, updates
from chainrule.engines.compiled.passes.segments import block_size, synchronized_statistics
from chainrule.engines.compiled.passes.sharing import is_worth_sharing
from chainrule.engines.protocol import Array, Buffers, Gradients, Shard, StepLimits, StepRequest, Sums, TrackedBuffers
from chainrule.engines.recording import OperationTimes
from chainrule.errors import EngineError

STEP_LIMITS = StepLimits(64, 1 << 21, 0.1)  # the size is per thread (at least two), so that inputs fit into caches
MIN_THREADED_UPDATE = 1 << 14  # parameters; for fewer, waking the threads takes longer than it saves
MIN_THREADED_UPDATE_ALONE = 1 << 18  # parameters; if a single thread computes the step


def seconds_per_tick() -> float:
    """Return the period of the processor's time-stamp counter, measured for 20 ms."""
    times = np.zeros(2)
    updates.stamp(times, 0)
    start = time.perf_counter()
    time.sleep(0.02)
    updates.stamp(times, 1)
    return (time.perf_counter() - start) / float(times[1])


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
    """Return the name of a dtype. The result is cached because NumPy needs 3 µs."""
    return str(dtype)


_ProgramKey: TypeAlias = str | int  # operation of the optimizer (training steps), or stage (forward, gradient)


class Program:
    """The compiled program of a whole plan; see `protocol.CompiledPlan` and `protocol.WholeSteps`.

    intra_sample  whether the program runs one sample at a time, with large layers split across threads
    recorder      collects the times of the steps; None: the program is not profiled
    """

    def __init__(
        self,
        plan: Plan,
        layout: Mapping[str, tuple[int, int]],
        buffers: Buffers,
        threads: int,
        *,
        intra_sample: bool = False,
        recorder: OperationTimes | None = None,
    ) -> None:
        self._plan = plan
        self._layout = layout
        self._buffers = buffers
        if isinstance(buffers, TrackedBuffers):
            self._tracked = buffers
        else:
            self._tracked = None
        self._threads = threads
        if intra_sample:
            self._max_chunks = 1
        else:
            self._max_chunks = workspaces.max_chunks(threads, buffers.parameters.nbytes)
        self._intra_sample = intra_sample
        self._single_sample: Program | None = None  # for batches of one sample or of fewer samples than threads
        self._shares_layers = not (intra_sample or plan.sharded) and is_worth_sharing(
            plan, buffers.parameters.dtype.itemsize
        )
        self._recorder = recorder
        options = {"intra_sample": intra_sample, "profiled": recorder is not None}
        self._writer = ProgramWriter(plan, layout, str(buffers.parameters.dtype), **options)
        if self._writer.training and self._writer.parameters != buffers.parameters.size:
            raise EngineError(f"the plan reads {self._writer.parameters} of {buffers.parameters.size} parameters")
        self._dtype = buffers.parameters.dtype
        sizes = self._writer.memory.sizes
        self._block = block_size(sizes["work"] * self._dtype.itemsize, training=self._writer.training)
        self._packed = new_zeros((max((item.end for item in self._writer.packings), default=0),), self._dtype)
        self._packed_revision: object = None  # revision of the parameters whose packed weights are stored
        rows = 0
        if self._writer.training:
            rows = 1
            if not intra_sample:
                rows = threads * self._max_chunks
        self._workspaces: dict[str, Array] = {
            "work": new_zeros((threads, sizes["work"] * self._block), self._dtype),
            "indices": new_zeros((threads, sizes["indices"] * self._block), np.int32),
            "gradients": new_zeros((rows, buffers.parameters.size), self._dtype),
            "spare": new_zeros((max(threads * self._writer.row, self._writer.partial_sums),), self._dtype),
        }
        if recorder:
            labels = "waiting for threads", "sums and update", *self._writer.steps
            self._workspaces["times"] = recorder.table(labels, threads)
            self._pack_weights = recorder.timed(self._pack_weights, "packing")
        self._results: dict[str, Array] = {}
        self._sums = np.zeros(2 + workspaces.part_count(threads))  # Σ loss, Σ metric, Σ g² per part of the parameters
        self._statistics_after = np.zeros(buffers.statistics.size if plan.deferred else 0, self._dtype)
        self._programs: dict[tuple[_ProgramKey, bool], Any] = {}  # key, whether the batch is one sample
        self._commit: Any = None  # program that updates the running statistics
        self._calls: dict[_ProgramKey, Any] = {}  # programs with fixed arguments bound, for the current batch size
        self._batch_size = self._chunk_size = 0  # samples
        self._bounds = np.zeros(1, np.int32)

    @property
    def step_limits(self) -> StepLimits:
        """Limits on the steps in one call; see `protocol.StepLimits`."""
        return STEP_LIMITS._replace(size=STEP_LIMITS.size * max(2, self._threads))

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x."""
        if not self._plan.operations:
            return x.reshape(len(x), *self._plan.output.shape).copy()
        if self._shares_layers and 0 < len(x) < max(self._threads, 2):
            if len(x) == 1:
                return (self._single_sample or self._single_sample_program()).forward(x)
            return np.concatenate([self._single_sample_program().forward(x[s : s + 1]).copy() for s in range(len(x))])
        self._run((x,), 0, 0)
        return self._results["y"]

    def _single_sample_program(self) -> "Program":
        """Return the program for one sample, with large layers divided among threads."""
        if self._single_sample is None:
            fields = self._plan, self._layout, self._buffers, self._threads
            self._single_sample = Program(*fields, intra_sample=True, recorder=self._recorder)
        return self._single_sample

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return the loss and metric of each sample, and the flat gradient of the mean loss."""
        self._run((x, t) if weights is None else (x, t, weights), seed, step)
        return self._gradients()

    def shard(
        self, inputs: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return losses, metrics and the contribution of a shard to the flat gradient; see `protocol.CompiledPlan`."""
        *synchronized_stages, last = range(len(self._writer.stages))
        for stage in synchronized_stages:
            self._run(inputs, seed, step, *shard, stage=stage)
            arrays = self._synchronized_arrays(stage)
            sums = yield np.stack(arrays)
            for array, values in zip(arrays, sums, strict=True):
                array[:] = values
        self._run(inputs, seed, step, *shard, stage=last)
        return self._gradients()

    def _synchronized_arrays(self, stage: int) -> list[Array]:
        """Return the arrays (C,) of statistics that are combined over the shards after a stage."""
        tensors = synchronized_statistics(self._writer.segments[self._writer.stages[stage].stop - 1])
        if len(tensors) == 2:
            return [self._statistic(tensor) for tensor in tensors]
        return [*self._statistic(tensors[0]).reshape(tensors[0].shape)[:2]]

    def _gradients(self) -> Gradients:
        return self._results["loss"], self._results["correct"], self._workspaces["gradients"][0]

    def steps(self, request: StepRequest) -> list[Sums]:
        """Run training steps as one program; see `protocol.WholeSteps`."""
        inputs, name, moments, attributes, rates, clip, seed, step = request
        count = len(inputs[0]) // len(rates)
        if self._shares_layers and count == 1:
            return self._single_sample_program().steps(request)
        if count != self._batch_size:
            self._allocate(count)
        if name not in self._calls:
            self._calls[name] = self._program(name), *self._fixed_arguments(name)
        program, program_arrays, numbers = self._calls[name]
        outcomes = np.full((len(rates), 4), np.nan)
        constants = [attributes.get(argument, default) for argument, default in constants_of(name).items()]
        limit = clip
        if clip is None:
            limit = np.inf
        arrays = (*inputs, *program_arrays, *moments, np.array(rates), outcomes, self._statistics_after)
        compiler.use_threads(self._threads)
        with suppress(FloatingPointError):  # raised if a step is not finite
            program(*arrays, *numbers, seed, step, limit, len(rates), *constants)
        self._mark_changed()
        return [(total, hits, squares) for total, hits, squares, _ in outcomes.tolist() if not math.isnan(total)]

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Compile the programs of a step on `samples` samples; see `protocol.CompiledPlan`. Nothing is run."""
        if name and self._shares_layers and samples == 1:
            self._single_sample_program().prepare(samples, name, moments, attributes, steps)
            return
        if samples != self._batch_size:
            self._allocate(samples)
        self._program(name or 0)
        if not name and self._plan.deferred:
            load(self._writer.commit_source())

    def _mark_changed(self) -> None:
        if self._tracked:
            self._tracked.mark_changed()

    def commit_statistics(self) -> None:
        """Update the running statistics with the statistics of the last batch."""
        if not self._plan.deferred:
            return
        if self._commit is None:
            self._commit = load(self._writer.commit_source())
        self._commit(self._buffers.statistics, self._workspaces["batch_work"], self._batch_size)

    def _statistic(self, tensor: Tensor) -> Array:
        """Return a statistic of the last batch as a view of its workspace."""
        workspace, offset = self._writer.memory.offsets[tensor.storage]
        return self._workspaces[workspace][offset * self._batch_size : offset * self._batch_size + tensor.size]

    def _run(self, inputs: tuple[Array, ...], seed: int, step: int, *shard: int, stage: int = 0) -> None:
        if len(inputs[0]) != self._batch_size:
            self._allocate(len(inputs[0]))
        if stage not in self._calls:
            arrays, numbers = self._fixed_arguments(stage)
            self._calls[stage] = numbers[1], self._program(stage).bind(len(inputs), (*arrays, *numbers))
        threads, run = self._calls[stage]
        if self._writer.packings:
            self._pack_weights()
        compiler.use_threads(threads)
        run(inputs, seed, step, *shard)

    def _pack_weights(self) -> None:
        """Pack the weights for the kernels, unless they have not changed since they were packed."""
        revision = self._tracked and self._tracked.revision()
        if revision is None or revision is not self._packed_revision:
            load(self._writer.packing_source())(self._buffers.parameters, self._packed, self._batch_threads)
            self._packed_revision = revision

    def _fixed_arguments(self, key: _ProgramKey) -> tuple[list[Array], tuple[int, ...]]:
        """Return the arrays and integers passed to a program that change only with the batch size."""
        arrays = [self._results[name] for name in self._writer.data if name not in BATCH_ARRAYS]
        arrays += [self._buffers.parameters, self._buffers.statistics]
        chunks = len(self._bounds) - 1
        arrays += [self._workspaces["gradients"][:chunks] if self._writer.training else self._packed, self._bounds]
        arrays += [self._workspaces[name] for name in self._writer.workspaces]
        batch_numbers = chunks, *self._thread_and_part_counts(self._batch_threads)
        update_numbers = ()
        if not isinstance(key, int):
            update_numbers = self._thread_and_part_counts(self._update_threads())
        return arrays, (*batch_numbers, *update_numbers, self._batch_size, self._block, self._chunk_size)

    def _thread_and_part_counts(self, threads: int) -> tuple[int, int]:
        """Return the number of threads and the number of parts into which the parameters are divided."""
        return threads, threads if self._intra_sample else workspaces.part_count(threads)

    @property
    def _batch_threads(self) -> int:
        """The number of threads that process a batch."""
        if self._batch_size >= self._threads or self._intra_sample:
            return self._threads
        return 1

    def _chunk_bounds(self, threads: int) -> Array:
        """Return the index of the first sample in each chunk of a batch, followed by the batch size.

        For each chunk, all parameters are read and a separate gradient is written. Chunks are therefore large enough to
        have at least as many activations as there are parameters.
        """
        sizes = self._writer.memory.sizes
        activations = sizes["work"] + sizes["share_work"] + sizes["batch_work"]
        fewest = self._buffers.parameters.size // max(1, activations)
        return workspaces.chunk_bounds(self._batch_size, threads, self._max_chunks, fewest)

    def _update_threads(self) -> int:
        """Return the number of threads that update the parameters.

        For batches of one sample, a single thread updates the parameters of a small network. This thread computes the
        next step alone, and would otherwise have to fetch updated parameters from the caches of other threads.
        """
        is_serial = self._batch_size == 1 and not self._intra_sample
        threshold = MIN_THREADED_UPDATE
        if is_serial:
            threshold = MIN_THREADED_UPDATE_ALONE
        if self._buffers.parameters.size < threshold:
            return 1
        return self._threads

    def _program(self, key: _ProgramKey) -> Any:
        """Return the program for a key. It is compiled or loaded on first use."""
        single = self._batch_size == 1 and isinstance(key, str)
        if (key, single) not in self._programs:
            writer = self._writer
            if isinstance(key, int):
                source = writer.source(stage=key)
            else:
                source = writer.step_source(key, single=single)
            self._programs[key, single] = load(source)
        return self._programs[key, single]

    def _allocate(self, count: int) -> None:
        """Allocate the arrays whose sizes depend on the batch size, `count`."""
        self._batch_size = count
        # number of threads that process chunks
        rows = self._batch_threads
        if self._intra_sample:
            rows = 1
        self._bounds = self._chunk_bounds(rows)
        self._chunk_size = int(np.diff(self._bounds).max())
        for name, dtype in (("work", self._dtype), ("indices", np.int32)):
            sizes = self._writer.memory.sizes
            batch_elements = sizes[f"batch_{name}"]
            chunk_elements = sizes[f"share_{name}"]
            # Space for at least one sample, because statistics need memory even if the batch is empty.
            self._workspaces[f"batch_{name}"] = new_zeros((batch_elements * max(1, count),), dtype)
            self._workspaces[f"share_{name}"] = new_zeros((rows, chunk_elements * self._chunk_size), dtype)
        shapes = {"y": self._plan.output.shape, "loss": (), "correct": ()}
        self._results = {
            name: np.zeros((count, *shapes[name]), self._dtype) for name in shapes if name in self._writer.data
        } | {"sums": self._sums}
        self._calls.clear()
