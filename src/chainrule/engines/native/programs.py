"""Programs of plans, run on a model's buffers."""

import ctypes
import math
import struct
import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.plan import Plan, Tensor
from chainrule.engines.arena import new_zeros
from chainrule.engines.native.library import LIBRARY
from chainrule.engines.native.passes import memory
from chainrule.engines.native.passes.segments import synchronized_statistics
from chainrule.engines.native.passes.sharing import is_worth_sharing
from chainrule.engines.native.program_tables import ProgramTables, constants_of, update_loops
from chainrule.engines.native.tables import MOMENTS, Table, TableRun, start_threads
from chainrule.engines.protocol import Array, Buffers, Gradients, Shard, StepLimits, StepRequest, Sums, TrackedBuffers
from chainrule.engines.recording import OperationTimes
from chainrule.errors import EngineError

BATCH_ARRAYS = ("x", "t", "weights")  # arguments of a run, in this order
STEP_LIMITS = StepLimits(64, 1 << 21, 0.1)  # the size is per thread (at least two), so that inputs fit into caches
MIN_THREADED_UPDATE = 1 << 14  # parameters; for fewer, waking the threads takes longer than it saves
MIN_THREADED_UPDATE_ALONE = 1 << 18  # parameters; if a single thread computes the step


def seconds_per_tick() -> float:
    """Return the period of the clock that stamps programs, measured for 20 ms."""
    start, first = time.perf_counter(), LIBRARY.chainrule_ticks()
    time.sleep(0.02)
    return (time.perf_counter() - start) / (LIBRARY.chainrule_ticks() - first)


LIBRARY.chainrule_ticks.restype = ctypes.c_int64


def update(
    name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
) -> None:
    """Compute an optimizer's update in place, in one pass over parameters, gradients and moments."""
    if p.size < MIN_THREADED_UPDATE:
        threads = 1
    run = TableRun(samples=p.size)
    for buffer, array in zip(("parameters", "gradients", *MOMENTS), (p, g, *moments), strict=False):
        run.set_buffer(buffer, array)
    run.set_threads(0, threads, threads)
    run.set_array("rates", np.array([attributes["rate"]], np.float64))
    run.step = attributes.get("step", 1)
    run.set_options(_packed_options(name, None, attributes))
    start_threads(threads)
    run(_update_table(name, str(p.dtype)))


@cache
def _update_table(name: str, dtype: str) -> Table:
    return Table(update_loops(name), dtype)


def _packed_options(name: str, clip: float | None, attributes: Mapping[str, Any]) -> bytes:
    """Return the options of training steps: the largest norm of the gradient, and the constants of the update."""
    limit = math.inf
    if clip is not None:
        limit = clip
    constants = constants_of(name)
    words = "".join("d" if isinstance(default, float) else "q" for default in constants.values())
    return struct.pack(f"d{words}", limit, *(attributes.get(key, default) for key, default in constants.items()))


PACKING, COMMIT = "packing", "commit"
_ProgramKey: TypeAlias = str | int  # PACKING, COMMIT, operation of the optimizer (training steps), or stage


class Program:
    """The program of a whole plan; see `protocol.CompiledPlan` and `protocol.WholeSteps`.

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
            self._max_chunks = memory.max_chunks(threads, buffers.parameters.nbytes)
        self._intra_sample = intra_sample
        self._single_sample: Program | None = None  # for batches of one sample or of fewer samples than threads
        self._shares_layers = not (intra_sample or plan.sharded) and is_worth_sharing(
            plan, buffers.parameters.dtype.itemsize
        )
        self._recorder = recorder
        self._dtype = buffers.parameters.dtype
        self._writer = ProgramTables(plan, layout, str(self._dtype), intra_sample=intra_sample, threads=threads)
        if self._writer.training and self._writer.parameters != buffers.parameters.size:
            raise EngineError(f"the plan reads {self._writer.parameters} of {buffers.parameters.size} parameters")
        self._packed_revision: object = None  # revision of the parameters whose packed weights are stored
        self._statistics_after = np.zeros(buffers.statistics.size if plan.deferred else 0, self._dtype)
        self._arguments = TableRun()
        self._gradients = new_zeros((0,), self._dtype)
        self._set_buffers()
        self._tables: dict[tuple[_ProgramKey, bool], Table] = {}  # key, whether the batch is one sample
        self._batch_work = self._gradients  # what is stored for the whole batch
        self._results: dict[str, Array] = {}
        self._batch_size = 0  # samples

    def _set_buffers(self) -> None:
        """Allocate the arrays whose sizes do not depend on the batch."""
        writer, threads = self._writer, self._threads
        run = self._arguments
        parameters = self._buffers.parameters
        run.set_buffer("parameters", parameters)
        run.set_buffer("statistics", self._buffers.statistics)
        run.set_buffer("after", self._statistics_after)
        run.set_buffer("packed", new_zeros((max((item.end for item in writer.packings), default=0),), self._dtype))
        if writer.training:
            rows = 1
            if not self._intra_sample:
                rows = threads * self._max_chunks
            self._gradients = new_zeros((rows, parameters.size), self._dtype)
            run.set_buffer("gradients", self._gradients)
            run.set_buffer("chunk_gradients", self._gradients, parameters.size)
            run.set_buffer("sums", np.zeros(writer.sums))
        spare = new_zeros((max(threads * writer.row, writer.partial_sums),), self._dtype)
        run.set_buffer("spare", spare)
        run.set_buffer("own_spare", spare, writer.row)
        size, indices = (writer.memory.sizes[name] * writer.block for name in ("work", "indices"))
        work = new_zeros((threads, size), self._dtype)
        run.set_buffer("work", work, size)
        run.set_buffer("first_work", work)
        run.set_buffer("indices", new_zeros((threads, indices), np.int32), indices)
        if self._recorder:
            times = self._recorder.table(("waiting for threads", "sums and update", *writer.steps), threads)
            run.set_array("times", times)
            run.columns = times.shape[1]
            self._pack_weights = self._recorder.timed(self._pack_weights, "packing")

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
        return self._sample_results()

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
        return self._sample_results()

    def _synchronized_arrays(self, stage: int) -> list[Array]:
        """Return the arrays (C,) of statistics that are combined over the shards after a stage."""
        tensors = synchronized_statistics(self._writer.segments[self._writer.stages[stage].stop - 1])
        if len(tensors) == 2:
            return [self._statistic(tensor) for tensor in tensors]
        return [*self._statistic(tensors[0]).reshape(tensors[0].shape)[:2]]

    def _sample_results(self) -> Gradients:
        return self._results["loss"], self._results["correct"], self._gradients[0]

    def steps(self, request: StepRequest) -> list[Sums]:
        """Run training steps as one program; see `protocol.WholeSteps`."""
        inputs, name, moments, attributes, rates, clip, seed, step = request
        count = len(inputs[0]) // len(rates)
        if self._shares_layers and count == 1:
            return self._single_sample_program().steps(request)
        if count != self._batch_size:
            self._allocate(count)
        outcomes = np.full((len(rates), 4), np.nan)
        run = self._arguments
        for buffer, array in zip(BATCH_ARRAYS, inputs, strict=False):
            run.set_buffer(buffer, array, array.size // len(rates))
        for buffer, array in zip(MOMENTS, moments, strict=False):
            run.set_buffer(buffer, array)
        run.set_buffer("outcomes", outcomes, 4)
        run.set_array("outcomes", outcomes)
        run.set_array("rates", np.array(rates, np.float64))
        run.set_options(_packed_options(name, clip, attributes))
        run.seed, run.step, run.whole_batch, run.ahead, run.training_steps = seed, step, count, 0, len(rates)
        threads = self._update_threads()
        run.set_threads(1, threads, self._part_count(threads))
        with suppress(FloatingPointError):  # raised if a step is not finite
            run(self._table(name))
        self._mark_changed()
        return [(total, hits, squares) for total, hits, squares, _ in outcomes.tolist() if not math.isnan(total)]

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Write the program of a step on `samples` samples; see `protocol.CompiledPlan`. Nothing is run."""
        if name and self._shares_layers and samples == 1:
            self._single_sample_program().prepare(samples, name, moments, attributes, steps)
            return
        if samples != self._batch_size:
            self._allocate(samples)
        self._table(name or 0)

    def _mark_changed(self) -> None:
        if self._tracked:
            self._tracked.mark_changed()

    def commit_statistics(self) -> None:
        """Update the running statistics with the statistics of the last batch."""
        if self._plan.deferred:
            self._arguments.training_steps = 1
            self._arguments(self._table(COMMIT))

    def _statistic(self, tensor: Tensor) -> Array:
        """Return a statistic of the last batch as a view of its workspace."""
        _, offset = self._writer.memory.offsets[tensor.storage]
        return self._batch_work[offset * self._batch_size : offset * self._batch_size + tensor.size]

    def _run(
        self, inputs: tuple[Array, ...], seed: int, step: int, batch: int = 0, ahead: int = 0, *, stage: int = 0
    ) -> None:
        """Run a stage of the program on samples, of a shard of a batch if `batch` is not 0."""
        count = len(inputs[0])
        if count != self._batch_size:
            self._allocate(count)
        if self._writer.packings:
            self._pack_weights()
        run = self._arguments
        for buffer, array in zip(BATCH_ARRAYS, inputs, strict=False):
            run.set_buffer(buffer, array)
        run.seed, run.step, run.whole_batch, run.ahead, run.training_steps = seed, step, batch or count, ahead, 1
        run(self._table(stage))

    def _pack_weights(self) -> None:
        """Pack the weights for the kernels, unless they have not changed since they were packed."""
        revision = self._tracked and self._tracked.revision()
        if revision is None or revision is not self._packed_revision:
            self._arguments(self._table(PACKING))
            self._packed_revision = revision

    def _part_count(self, threads: int) -> int:
        """Return the number of parts into which the parameters are divided."""
        return threads if self._intra_sample else memory.part_count(threads)

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
        return memory.chunk_bounds(self._batch_size, threads, self._max_chunks, fewest)

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

    def _table(self, key: _ProgramKey) -> Table:
        """Return the table of a program. It is written on first use."""
        single = self._batch_size == 1 and isinstance(key, str)
        table = self._tables.get((key, single))
        if table is None:
            if isinstance(key, int):
                loops = self._writer.stage(key)
            elif key in (PACKING, COMMIT):
                loops = self._writer.packing() if key == PACKING else self._writer.commit()
            else:
                loops = self._writer.training_steps(key, single=single)
            table = self._tables[key, single] = Table(loops, str(self._dtype))
        return table

    def _allocate(self, count: int) -> None:
        """Allocate the arrays whose sizes depend on the batch size, `count`."""
        self._batch_size = count
        rows = self._batch_threads  # number of threads that process chunks
        if self._intra_sample:
            rows = 1
        bounds = self._chunk_bounds(rows)
        chunk = int(np.diff(bounds).max())
        run, sizes = self._arguments, self._writer.memory.sizes
        run.set_array("edges", bounds)
        run.chunks, run.samples, run.chunk = len(bounds) - 1, count, chunk
        run.set_threads(0, self._batch_threads, self._part_count(self._batch_threads))
        start_threads(self._threads)
        for name, dtype in (("work", self._dtype), ("indices", np.int32)):
            # Space for at least one sample, because statistics need memory even if the batch is empty.
            whole = new_zeros((sizes[f"batch_{name}"] * max(1, count),), dtype)
            shared = new_zeros((rows, sizes[f"share_{name}"] * chunk), dtype)
            run.set_buffer(f"batch_{name}", whole)
            run.set_buffer(f"share_{name}", shared, shared.shape[1])
            if name == "work":
                self._batch_work = whole
                run.set_buffer("first_share_work", shared)
        self._results = dict[str, Array]()
        for tensor, name in ((self._plan.output, "y"), (self._plan.loss, "loss"), (self._plan.correct, "correct")):
            if tensor is not None and (name == "y") != self._writer.training:
                shape = tensor.shape if name == "y" else ()
                self._results[name] = np.zeros((count, *shape), self._dtype)
                run.set_buffer(name, self._results[name])
