"""Write a plan as tables of steps, which C runs.

Consecutive segments of scope "sample" (see `segments`) become one loop over the chunks of the batch, which threads
share: each chunk passes through the segments in blocks that fit into the thread's cache. If there are more chunks than
threads, faster threads process more of them. Every other segment needs the whole batch, and is a loop of its own. All
threads synchronize before and after it.

If an array is used by only one segment of scope "sample", the thread's workspace stores it for one block. If it passes
to the next segment without a barrier, the workspace stores it for one chunk. All other arrays are stored for the whole
batch. `chainrule models NAME --program` prints the table of a training step.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from chainrule._io.locks import cached_property
from chainrule.core.plan import Plan, Tensor
from chainrule.engines.native.kernels import updates
from chainrule.engines.native.kernels.selection import KERNELS
from chainrule.engines.native.passes.batch_norm import divide_norms
from chainrule.engines.native.passes.memory import (
    MemoryPlan,
    ParameterPart,
    parameter_count,
    parameter_parts,
    part_count,
    plan_memory,
)
from chainrule.engines.native.passes.packing import pack_weights
from chainrule.engines.native.passes.rewriting import rewrite
from chainrule.engines.native.passes.segments import (
    WIDE_BLOCK,
    Segment,
    block_size,
    runs_of,
    segments,
    stages_of,
)
from chainrule.engines.native.passes.sharing import OUTPUT_PARTS, is_only_writer
from chainrule.engines.native.passes.steps import PlanStep, Sharing, flatten, tensors_of
from chainrule.engines.native.passes.verification import check_plan
from chainrule.engines.native.tables import (
    LARGE,
    MOMENTS,
    ArrayArgument,
    Each,
    Follows,
    KernelCall,
    Loop,
    RangeKind,
    RangeSegment,
    RunValue,
    Variable,
)

BUFFER = {"parameter": "parameters", "state": "statistics", "gradient": "gradients"}  # kind of tensor → flat buffer
FILTERS = 2  # the weight gradient of a convolution is divided among threads in multiples of this number of filters
ROWS = 1 << 12  # number of elements of a deferred gradient that are computed at a time, to stay in the L1 cache
DEFERRED_WEIGHTS = 1 << 14  # minimum weights of a dense layer whose gradient of one sample is computed by the update
REST, FIRST_COLUMN = 2, 3  # columns of times: what no step computes, and the first step
RUNTIME = {"batch": RunValue.BATCH, "seed": RunValue.SEED, "step": RunValue.STEP}
BEGIN, END = Variable(RunValue.BEGIN), Variable(RunValue.END)
CLIP = RunValue.OPTIONS  # the first option of training steps; the others are `constants_of` the update


@cache
def constants_of(name: str) -> dict[str, Any]:
    """Return the arguments of an update that are constant during training, with their defaults."""
    parameters = list(KERNELS[name].signature.parameters.values())[len(KERNELS[name].arrays) :]
    return {parameter.name: parameter.default for parameter in parameters if parameter.name not in ("rate", "step")}


def update_numbers(name: str) -> list[Variable]:
    """Return the numbers of an optimizer's update; its constants are the options after the first."""
    values: dict[str, int] = {"rate": RunValue.RATE, "step": RunValue.STEP}
    values |= {constant: CLIP + number for number, constant in enumerate(constants_of(name), 1)}
    return [Variable(value) for value in KERNELS[name].arguments(len(KERNELS[name].arrays), values)]


def update_loops(name: str) -> list[Loop]:
    """Return the loops of an optimizer's update of arrays, whose elements are the samples of the run."""
    buffers = "parameters", "gradients", *MOMENTS
    operands = [
        ArrayArgument(array, buffer, 0, (1,), 1, Follows.BLOCK, 0)
        for array, buffer in zip(KERNELS[name].arrays, buffers, strict=False)
    ]
    step = KernelCall(KERNELS[name].kernel, operands, update_numbers(name))
    return [Loop([RangeSegment([step], RangeKind.SHARE_OF_SAMPLES, 1)], Each.THREAD)]


class ProgramTables:
    """Writes the tables of one plan.

    layout        name of a parameter or running statistic → its range in its flat buffer
    dtype         "float32" or "float64"
    intra_sample  whether the program runs one sample at a time, with large layers split across threads
    threads       maximum number of threads of a run

    Attributes: `parameters` is the number of parameters, `block` the usual number of samples in a block.
    """

    def __init__(
        self,
        plan: Plan,
        layout: Mapping[str, tuple[int, int]],
        dtype: str,
        *,
        intra_sample: bool = False,
        threads: int = 1,
    ) -> None:
        self._itemsize = np.dtype(dtype).itemsize
        steps = rewrite(plan, self._itemsize, intra_sample=intra_sample)
        if not (intra_sample and plan.loss):
            steps = divide_norms(steps)
        self.parameters = parameter_count(steps, layout)
        check_plan(steps)
        steps = flatten(steps)
        self.packings = []
        self._argument_names = {plan.input.storage: "x"}
        if plan.loss:
            for name, tensor in zip(("t", "loss", "correct"), plan.loss_tensors, strict=True):
                self._argument_names[tensor.storage] = name
        else:
            steps, self.packings = pack_weights(steps, self._itemsize)
            self._argument_names[plan.output.storage] = "y"
        if plan.weights is not None:
            self._argument_names[plan.weights.storage] = "weights"
        self.plan = steps
        self.training = plan.loss is not None
        self.intra_sample = intra_sample
        self.dtype = dtype
        self.segments = segments(steps.operations, self._itemsize)
        self.stages = stages_of(steps, self.segments)
        self._layout = layout
        self._packed = {item.step.writes[0].storage: item.first for item in self.packings}
        later = tensors_of(self.plan.deferred) + tensors_of(self.deferred_gradients)
        self.memory: MemoryPlan = plan_memory(self.segments, self._argument_names, {tensor.storage for tensor in later})
        self.block = block_size(self.memory.sizes["work"] * self._itemsize, training=self.training)
        self.steps = [step for segment in self.segments for step in segment.operations]
        self._columns = {id(step): FIRST_COLUMN + number for number, step in enumerate(self.steps)}
        self.sums = 2 + part_count(threads)  # Σ loss, Σ metric, Σ g² per part of the parameters

    @cached_property
    def deferred_gradients(self) -> list[PlanStep]:
        """The steps that compute the weight gradients of large dense layers, in the order of the parameters.

        For a batch of one sample, the update computes these gradients instead, a few rows at a time.
        """
        large = [
            operation
            for operation in self.plan.operations
            if operation.entry.outer_product
            and math.prod(operation.writes[0].shape) >= DEFERRED_WEIGHTS
            and is_only_writer(operation, self.plan)
        ]
        return sorted(large, key=lambda operation: self._gradient_range(operation.writes[0]))

    @cached_property
    def row(self) -> int:
        """The number of elements of `spare` per thread that are reserved for rows of a deferred gradient."""
        return max([ROWS, *(gradient.writes[0].shape[1] for gradient in self.deferred_gradients)])

    @property
    def partial_sums(self) -> int:
        """The number of elements needed for the partial sums of steps that are divided BY_OUTPUTS."""
        sizes = [
            operation.writes[0].size for operation in self.plan.backward if operation.sharing is Sharing.BY_OUTPUTS
        ]
        return OUTPUT_PARTS * max(sizes, default=0)

    def stage(self, stage: int = 0) -> list[Loop]:
        """Return the loops of one stage of the program."""
        return self._loops([], self.stages[stage])

    def commit(self, statistics: str = "statistics") -> list[Loop]:
        """Return the loops that update the running statistics after a batch, in a buffer."""
        return [_once(self._step(operation, statistics=statistics)) for operation in self.plan.deferred]

    def packing(self) -> list[Loop]:
        """Return the loops that pack the weights of an inference program."""
        loops = list[Loop]()
        for step, share, _ in self.packings:
            if share:
                segment = RangeSegment(
                    [self._step(step, names=share.names)], RangeKind.SHARE, share.entries, share.size
                )
                loops.append(Loop([segment], Each.THREAD))
            else:
                loops.append(_once(self._step(step)))
        return loops

    def training_steps(self, update: str, *, single: bool) -> list[Loop]:
        """Return the loops of a training step.

        update  name of the optimizer's operation
        single  whether each batch is a single sample, so that the update computes the `deferred_gradients`
        """
        deferred = self.deferred_gradients if single else []
        loops = self._loops(deferred, range(len(self.segments)))
        count = max((stop for name, (_, stop) in self._layout.items() if self._is_statistic(name)), default=0)
        statistics, after = (ArrayArgument(name, name, 0, (count,)) for name in ("statistics", "after"))
        if self.plan.deferred:  # the statistics after the step, which are not yet in force
            loops += [_once(KernelCall(updates.copied, [statistics, after])), *self.commit("after")]
        outcomes = ArrayArgument("outcomes", "outcomes", 0, (4,))
        accepted = KernelCall(updates.accepted, [after, statistics, self._sums, outcomes], [0, Variable(CLIP)])
        parts = [self._update_segment(update, part) for part in self._parameter_parts(deferred)]
        return [*loops, _once(accepted), Loop(parts, Each.PART, team=1)]

    def _is_statistic(self, name: str) -> bool:
        """Return whether a name of the layout is that of a running statistic which the plan updates."""
        return any(tensor.storage == name for tensor in tensors_of(self.plan.deferred) if tensor.kind == "state")

    def _loops(self, deferred: Sequence[PlanStep], numbers: range) -> list[Loop]:
        """Return the loops for a range of segments.

        The first loops of a training step clear the sums of metrics and the gradients, and the last ones add up the
        threads' parts. The gradients are cleared in the first loop over chunks, by the threads that will use them.
        """
        loops = list[Loop]()
        cleared = list[RangeSegment]()
        if self.training and numbers.start == 0:
            clear = KernelCall(
                updates.clear, [self._sums._replace(shape=(1, self.sums))], [0, 0, self.sums], dtype="float64"
            )
            loops.append(_once(clear))
            cleared = self._clear_gradients(deferred)
        if self.intra_sample and cleared:
            loops.append(Loop(cleared, Each.PART))
            cleared = []
        for run in runs_of(numbers, self.segments):
            operations = self.segments[run[0]].operations
            if self.segments[run[0]].scope == "sample":
                blocks = [self._block_segment(number, deferred) for number in run]
                loops.append(Loop([*cleared, *blocks], 1 if self.intra_sample else Each.CHUNK))
                cleared = []
                continue
            if cleared:
                loops.append(Loop(cleared, Each.CHUNK))
                cleared = []
            if operations[0] in deferred:
                loops.append(_once(self._squares(operations[0], 0)))
            elif operations[0].sharing is not Sharing.ONCE_PER_BATCH:  # computed in `_reduction`
                loops += self._whole_batch(operations)
        if self.training and numbers.stop == len(self.segments):
            loops += self._reduction(deferred)
        return loops

    @property
    def _sums(self) -> ArrayArgument:
        return ArrayArgument("sums", "sums", 0, (self.sums,))

    @property
    def _gradients(self) -> ArrayArgument:
        """The gradients of all chunks."""
        return ArrayArgument("gradients", "gradients", 0, (1, self.parameters), 0, Follows.CHUNKS, 0)

    def _parameter_parts(self, deferred: Sequence[PlanStep]) -> list[ParameterPart]:
        return parameter_parts(self.plan, self._layout, self.parameters, deferred, by_rows=self.intra_sample)

    def _clear_gradients(self, deferred: Sequence[PlanStep]) -> list[RangeSegment]:
        """Return the segments that clear the gradients of a chunk, or a share of the only gradients."""
        if self.intra_sample:
            parts = [part for part in self._parameter_parts(deferred) if not part.outer]
            return [
                _of_part(part, [KernelCall(updates.clear, [self._gradients], [0, *_edges(part)])]) for part in parts
            ]
        whole_batch = [step for step in self.plan.backward if step.sharing is Sharing.ONCE_PER_BATCH]
        skipped = sorted({self._gradient_range(step.writes[0]) for step in (*whole_batch, *deferred)})
        steps = list[KernelCall]()
        start = 0
        for first, last in (*skipped, (self.parameters, self.parameters)):
            if first > start:
                steps.append(KernelCall(updates.clear, [self._gradients], [Variable(RunValue.ITERATION), start, first]))
            start = last
        return [RangeSegment(steps)]

    def _block_segment(self, number: int, deferred: Sequence[PlanStep]) -> RangeSegment:
        """Return a segment of scope "sample"."""
        segment = self.segments[number]
        block = self._block_size(segment)
        steps = [
            self._squares(step, block) if step in deferred else self._step(step, block) for step in segment.operations
        ]
        return RangeSegment(steps, RangeKind.SAMPLES if self.intra_sample else RangeKind.CHUNK, block=block)

    def _block_size(self, segment: Segment) -> int:
        """Return a segment's block size, in samples.

        A segment may need smaller blocks if it shares arrays with other segments, because these arrays also occupy
        cache space.
        """
        if segment.wide:
            return WIDE_BLOCK
        outliving = dict[str, int]()  # sizes of arrays
        for tensor in tensors_of(segment.operations):
            workspace, _ = self.memory.offsets.get(tensor.storage, ("", 0))
            if tensor.per_sample and workspace.startswith(("share_", "batch_")):
                outliving[tensor.storage] = tensor.size
        if not outliving:
            return self.block
        sample_bytes = (self.memory.sizes["work"] + sum(outliving.values())) * self._itemsize
        return min(self.block, block_size(sample_bytes, training=self.training))

    def _whole_batch(self, operations: Sequence[PlanStep]) -> list[Loop]:
        """Return the loops for a segment of scope "batch": steps on the whole batch, divided among the threads."""
        operation = operations[0]
        if operations[-1].sharing is Sharing.CONCURRENT:
            alone = [
                RangeSegment([self._step(step)], RangeKind.IN_ITERATION, number)
                for number, step in enumerate(operations)
            ]
            return [Loop(alone, len(alone))]
        if operation.sharing is Sharing.BY_FILTERS:
            return [self._by_filters(operation)]
        if operation.sharing is Sharing.BY_OUTPUTS:
            return self._by_outputs(operation)
        if operation.entry.alone:
            return [_once(self._step(operation))]
        if operation.entry.piece is not None:
            return [self._by_pieces(operation)]
        share = operation.share(self._itemsize)
        segment = RangeSegment([self._step(operation, names=share.names)], RangeKind.SHARE, share.entries, share.size)
        return [Loop([segment], Each.THREAD)]

    def _by_filters(self, operation: PlanStep) -> Loop:
        """Return the loop for a convolution's weight gradient for one sample. Each thread computes some filters.

        A filter's gradient needs all of x, but only this filter's part of dy.
        """
        x, dy = (operation.operand(number) for number in range(2))
        dw = operation.writes[0]
        operands = [self._operand(x), self._of_outputs(dy), self._of_outputs(dw)]
        segment = RangeSegment([self._call(operation, operands)], RangeKind.SHARE, dw.shape[0], FILTERS)
        return Loop([segment], Each.THREAD)

    def _by_outputs(self, operation: PlanStep) -> list[Loop]:
        """Return the loops for a layer's input gradient for one sample.

        The gradient is a sum over the outputs of the layer. Threads compute a partial sum for each part of the outputs.
        The partial sums are added at the end.
        """
        dx = operation.writes[0]
        inputs = [tensor for tensor in operation.reads if tensor is not None]
        parts = min(OUTPUT_PARTS, inputs[0].shape[0])
        partial = ArrayArgument(f"part of {dx.name}", "spare", 0, (1, *dx.shape), dx.size, Follows.ITERATION)
        step = self._call(operation, [*map(self._of_outputs, inputs), partial])
        partial_sums = ArrayArgument(f"parts of {dx.name}", "spare", 0, (parts, dx.size))
        added = KernelCall(updates.add_parts, [partial_sums, self._flat(dx)], column=step.column)
        return [Loop([RangeSegment([step], RangeKind.SHARE, inputs[0].shape[0])], parts), _once(added)]

    def _of_outputs(self, tensor: Tensor) -> ArrayArgument:
        """Return the operand for a share of a tensor's outputs, along the first axis, of a single sample."""
        buffer, offset = self._location(tensor)
        shape = (*[1] * tensor.per_sample, *tensor.shape)
        return ArrayArgument(
            tensor.name, buffer, offset, shape, math.prod(tensor.shape[1:]), Follows.BLOCK, int(tensor.per_sample)
        )

    def _by_pieces(self, operation: PlanStep) -> Loop:
        """Return the loop for a step on the whole batch. Each thread computes a range of elements or images.

        An array has as many axes as the kernel expects. All outer elements are on the last of the outer axes.
        """
        shape = operation.writes[0].shape
        outer_axes = len(shape) - (operation.entry.piece or 0)
        operands = list[ArrayArgument | None]()
        for tensor in (*operation.reads, *operation.writes):
            if tensor is None:
                operands.append(None)
                continue
            buffer, offset = self._location(tensor)
            piece = tensor.shape[outer_axes:]
            sizes = (*[1] * (outer_axes + 1), *piece)
            operands.append(
                ArrayArgument(tensor.name, buffer, offset, sizes, math.prod(piece), Follows.BLOCK, outer_axes)
            )
        pieces = math.prod(shape[:outer_axes])
        segment = RangeSegment([self._call(operation, operands)], RangeKind.SHARE_OF_SAMPLES, pieces)
        return Loop([segment], Each.THREAD)

    def _reduction(self, deferred: Sequence[PlanStep]) -> list[Loop]:
        """Return the loops that sum the losses, metrics and gradients of all chunks, and compute Σ g².

        Each iteration sums the gradients of some parameters, and computes the gradients that are computed
        ONCE_PER_BATCH.
        """
        metrics = [ArrayArgument(name, name, 0, (1,), 0, Follows.BATCH, 0) for name in ("loss", "correct")]
        parts = [part for part in self._parameter_parts(deferred) if not part.outer]
        loops = [_once(KernelCall(updates.ends, [*metrics, self._sums]))]
        number = Variable(RunValue.ITERATION)
        sums = list[RangeSegment]()
        for part in parts:
            if part.whole:
                share = part.whole.share(self._itemsize)
                first_row = self._gradients._replace(follows=Follows.NOTHING, axis=-1)
                add_up = KernelCall(updates.add_up, [first_row, self._sums], [*_edges(part, part.width), number])
                steps = [self._step(part.whole, names=share.names), add_up]
                sums.append(RangeSegment(steps, RangeKind.SHARE, share.entries, share.size))
            else:
                add_up = KernelCall(updates.add_up, [self._gradients, self._sums], [*_edges(part), number])
                sums.append(_of_part(part, [add_up]))
        if sums:
            loops.append(Loop(sums, Each.PART))
        return loops

    def _update_segment(self, name: str, part: ParameterPart) -> RangeSegment:
        """Return the segment that updates a part of the parameters, after scaling or computing their gradient."""
        entry = KERNELS[name]
        buffers = dict(zip(entry.arrays, ("parameters", "gradients", *MOMENTS), strict=False))
        scale = Variable(RunValue.SCALE)
        if part.outer:
            shape = (1, part.width)
            made = ArrayArgument("g", "own_spare", 0, shape, 0, Follows.BLOCK, 0)
            x, dy = (self._flat(tensor, first=True) for tensor in part.outer.reads if tensor)
            before = KernelCall(updates.outer_rows, [x, dy, made], [BEGIN, END, scale])
            block = max(1, self.row // part.width)
            entries, size, stride = part.rows, 1, part.width
        else:
            shape = (1,)
            made = ArrayArgument("g", "gradients", part.first, shape, 1, Follows.BLOCK, 0)
            before = KernelCall(updates.scaled, [made], [scale])
            block, entries, size, stride = LARGE, part.size, part.width, 1
        operands = [
            made if array == "g" else ArrayArgument(array, buffer, part.first, shape, stride, Follows.BLOCK, 0)
            for array, buffer in buffers.items()
        ]
        update = KernelCall(entry.kernel, operands, update_numbers(name))
        return RangeSegment([before, update], RangeKind.SHARE, entries, size, block)

    def _squares(self, operation: PlanStep, block: int) -> KernelCall:
        """Return the step that computes Σ g² of a deferred gradient, instead of the gradient."""
        operands = [self._operand(tensor, block) for tensor in operation.reads if tensor is not None]
        return KernelCall(updates.outer_squares, [*operands, self._sums], column=self._columns[id(operation)])

    def _step(
        self, operation: PlanStep, block: int = 0, *, names: tuple[str, ...] = (), statistics: str = "statistics"
    ) -> KernelCall:
        """Return the step of an operation.

        block       samples in a block; 0: the whole batch at once
        names       names of the kernel's arguments for the two ends of the share that it computes
        statistics  buffer of the running statistics
        """
        operands = [
            None if tensor is None else self._operand(tensor, block) for tensor in (*operation.reads, *operation.writes)
        ]
        moved = [
            operand._replace(buffer=statistics) if operand and operand.buffer == "statistics" else operand
            for operand in operands
        ]
        return self._call(operation, moved, block, names)

    def _call(
        self, operation: PlanStep, operands: Sequence[ArrayArgument | None], block: int = 0, names: tuple[str, ...] = ()
    ) -> KernelCall:
        """Return the step that calls an operation's kernel with operands."""
        values: dict[str, Any] = {**operation.options, **dict(zip(names, (BEGIN, END), strict=False))}
        first = RunValue.FIRST if block else RunValue.AHEAD
        for name, (what, times) in operation.runtime.items():
            values[name] = Variable(RUNTIME.get(what, first), times)
        numbers = operation.entry.plain_arguments(len(operands), values)
        return KernelCall(operation.entry.kernel, operands, numbers, self._columns.get(id(operation), REST))

    def _operand(self, tensor: Tensor, block: int = 0) -> ArrayArgument:
        """Return the operand for a block of a tensor, or for the whole batch.

        block  samples in a block; 0: the whole batch
        """
        buffer, offset = self._location(tensor, block)
        if buffer == "gradients" and block and not self.intra_sample:
            buffer = "chunk_gradients"
        if not tensor.per_sample:
            return ArrayArgument(tensor.name, buffer, offset, tensor.shape)
        shape = (1, *tensor.shape)
        if not block:
            return ArrayArgument(tensor.name, buffer, offset, shape, 0, Follows.BATCH, 0)
        stride = 0 if buffer in ("work", "indices") else tensor.size
        return ArrayArgument(tensor.name, buffer, offset, shape, stride, Follows.BLOCK, 0)

    def _flat(self, tensor: Tensor, *, first: bool = False) -> ArrayArgument:
        """Return the operand for a tensor of a single sample, as a vector.

        first  whether any thread may use it; the first thread has computed it
        """
        block = 0
        if first:
            writer = next(segment for segment in self.segments if tensor in tensors_of(segment.operations))
            block = self._block_size(writer)
        buffer, offset = self._location(tensor, block)
        if first and buffer in ("work", "share_work"):
            buffer = f"first_{buffer}"
        return ArrayArgument(tensor.name, buffer, offset, (tensor.size,))

    def _location(self, tensor: Tensor, block: int = 0) -> tuple[str, int]:
        """Return the buffer of a tensor and its offset there, which C multiplies by the samples of batch or chunk.

        Workspaces store their arrays one after another, each for a block, a chunk or the batch.
        """
        if tensor.storage in self._packed:  # before the buffers: packed weights are also of the kind "parameter"
            return "packed", self._packed[tensor.storage]
        if tensor.kind == "gradient":
            return "gradients", self._gradient_range(tensor)[0]
        if tensor.kind in BUFFER:
            return BUFFER[tensor.kind], self._layout[tensor.storage][0]
        if tensor.storage in self._argument_names:
            return self._argument_names[tensor.storage], 0
        workspace, offset = self.memory.offsets[tensor.storage]
        if workspace in ("work", "indices"):
            offset *= block
        return workspace, offset

    def _gradient_range(self, gradient: Tensor) -> tuple[int, int]:
        """Return the range of a parameter's gradient in the flat buffer of gradients."""
        return self._layout[gradient.differentiated]


def _once(step: KernelCall) -> Loop:
    return Loop([RangeSegment([step])])


def _of_part(part: ParameterPart, steps: list[KernelCall]) -> RangeSegment:
    """Return a segment whose range is a share of the elements of a part of the parameters, in whole rows."""
    return RangeSegment(steps, RangeKind.SHARE, part.size, part.width)


def _edges(part: ParameterPart, width: int = 1) -> list[Variable]:
    """Return the numbers of the first parameter of a share and of the one after its last.

    width  parameters for each index of the range
    """
    return [Variable(edge, width, part.first) for edge in (RunValue.BEGIN, RunValue.END)]
