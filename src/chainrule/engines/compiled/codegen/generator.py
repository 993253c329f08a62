"""Write a plan as the source of one compiled program.

Every segment of scope "sample", whose steps process samples independently (see `segments`), becomes a function:
`samples_0`, `samples_1` … Each call processes one chunk of the batch, in blocks that fit into the thread's cache. If
there are more chunks than threads, faster threads process more of them. Steps that need the whole batch are in `run`,
between the calls of these functions. All threads synchronize before and after such a step.

If an array is used by only one of these functions, the thread's workspace stores it for one block. If it is passed to
the next function without a barrier, the workspace stores it for one chunk. All other arrays are stored for the whole
batch.

The source has one line per array and one line per step. `chainrule models NAME --program` prints it. In programs, a
chunk of the batch is called a share.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from chainrule.core.plan import Plan, Tensor
from chainrule.engines.compiled.codegen.argument_lines import (
    BATCH_ARRAYS,
    ROW_INDEX,
    SCALARS,
    SHARD_SCALARS,
    ArgumentLines,
)
from chainrule.engines.compiled.codegen.operation_lines import edges_of, range_of
from chainrule.engines.compiled.codegen.stamps import with_stamps
from chainrule.engines.compiled.codegen.updates import constants_of, link_to, symbol_of, update_lines, update_links
from chainrule.engines.compiled.codegen.workspaces import MemoryPlan, parameter_count, plan_memory
from chainrule.engines.compiled.kernels.selection import KERNELS
from chainrule.engines.compiled.passes.batch_norm import divide_norms
from chainrule.engines.compiled.passes.packing import pack_weights
from chainrule.engines.compiled.passes.rewriting import rewrite
from chainrule.engines.compiled.passes.segments import (
    WIDE_BLOCK,
    Segment,
    block_size,
    runs_of,
    segments,
    stages_of,
)
from chainrule.engines.compiled.passes.steps import PlanStep, Sharing, flatten, tensors_of
from chainrule.engines.compiled.passes.verification import check_plan

HEAD = '"""A compiled program of chainrule, written from the plan of a model by codegen/generator.py."""\n\n'


class ProgramWriter(ArgumentLines):
    """Writes the programs of one plan.

    layout        name of a parameter or running statistic → its range in its flat buffer
    dtype         "float32" or "float64"
    intra_sample  whether the program runs one sample at a time, with large layers split across threads
    profiled      whether the program measures the time of each step

    Attributes: `parameters` is the number of parameters.
    """

    def __init__(
        self,
        plan: Plan,
        layout: Mapping[str, tuple[int, int]],
        dtype: str,
        *,
        intra_sample: bool = False,
        profiled: bool = False,
    ) -> None:
        steps = rewrite(plan, np.dtype(dtype).itemsize, intra_sample=intra_sample)
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
            steps, self.packings = pack_weights(steps, np.dtype(dtype).itemsize)
            self._argument_names[plan.output.storage] = "y"
        if plan.weights is not None:
            self._argument_names[plan.weights.storage] = "weights"
        self.plan = steps
        self.intra_sample = intra_sample
        self._scalars = SCALARS
        if plan.sharded:
            self._scalars += SHARD_SCALARS
        self.dtype = dtype
        self.segments = segments(steps.operations, np.dtype(dtype).itemsize)
        self.stages = stages_of(steps, self.segments)
        self._layout = layout
        self._packed = {item.step.writes[0].storage: item.first for item in self.packings}
        self.memory = self._plan_memory()
        self.profiled = profiled
        self.steps = self._steps_of(range(len(self.segments)))
        self.numbers = dict[int, int]()
        if profiled:
            for number, step in enumerate(self.steps):
                self.numbers[id(step)] = number

    def _steps_of(self, segment_numbers: Iterable[int]) -> list[PlanStep]:
        steps = list[PlanStep]()
        for number in segment_numbers:
            steps += self.segments[number].operations
        return steps

    def _plan_memory(self) -> MemoryPlan:
        later = tensors_of(self.plan.deferred) + tensors_of(self.deferred_gradients)
        return plan_memory(self.segments, self._argument_names, {tensor.storage for tensor in later})

    def source(self, *, stage: int = 0) -> str:
        """Return the source of one stage of the program: a module with a function `run`."""
        segment_numbers = self.stages[stage]
        links = self._links([], self._steps_of(segment_numbers))
        return self._joined([HEAD, *links, *self._functions([], segment_numbers, "run")])

    def _joined(self, parts: list[str]) -> str:
        """Return the source of a program, with time stamps if it is profiled."""
        if self.profiled:
            return with_stamps("".join(parts))
        return "".join(parts)

    def commit_source(self) -> str:
        """Return the source of a program that updates the running statistics after a batch."""
        return "".join([HEAD, *self._commit_links(), *self._commit_function("run")])

    def packing_source(self) -> str:
        """Return the source of a program that packs the weights of an inference program."""
        row = (self.dtype, 1)
        operations = [item.step for item in self.packings]
        lines = [HEAD, *dict.fromkeys(map(self._link, operations))]
        lines += [f"\n\ndeclare('run', {[row, row]!r}, [0])\n\n", "def run(parameters, packed, threads):\n"]
        for step, share, _ in self.packings:
            views, view_lines = self._whole_arrays([step])
            if share:
                call = self._call(step, views, "n", "0", range_of(("lowest", "highest")))
                loop = ["    for k in range(threads):", edges_of(share), f"        {call}"]
            else:
                loop = [f"    {self._call(step, views, 'n', '0')}"]
            lines += [f"{line}\n" for line in (*view_lines, *loop)]
        return "".join(lines)

    def step_source(self, update: str, *, single: bool) -> str:
        """Return the source of a program that runs training steps on consecutive batches.

        update  name of the optimizer's operation
        single  whether each batch is a single sample, so that the update computes the `deferred_gradients`
        """
        deferred = []
        if single:
            deferred = self.deferred_gradients
        row = (self.dtype, 1)
        total = ("float64", 1)
        table = ("float64", 2)
        links = self._links(deferred, self.steps)
        links += [*self._commit_links(), *update_links(update, self.dtype, self.parameter_parts(single=single))]
        if self.plan.deferred:
            links += [link_to("copied", self.dtype, [row, row], [])]
        links += [link_to("accepted", self.dtype, [row, row, total, table], [0, 1.0])]
        functions = self._functions(deferred, range(len(self.segments)), "derivatives")
        if self.plan.deferred:
            functions += self._commit_function("commit")
        return self._joined([HEAD, *dict.fromkeys(links), *functions, *self._steps_function(update, single=single)])

    def _functions(self, deferred: list[PlanStep], segment_numbers: range, name: str) -> list[str]:
        """Return the source of the functions for a range of segments, and of the function `name` that calls them."""
        parts = list[str]()
        for number in segment_numbers:
            if self.segments[number].scope == "sample":
                parts.append(self._samples_function(number, deferred))
        return [*parts, self._run_function(deferred, segment_numbers, name)]

    def _commit_links(self) -> list[str]:
        return [self._link(operation) for operation in self.plan.deferred]

    def _commit_function(self, name: str) -> list[str]:
        """Return the source of the function `name`, which updates the running statistics after a batch."""
        operations = list(self.plan.deferred)
        views = dict[Any, str]()
        row = (self.dtype, 1)
        lines = [f"\n\ndeclare({name!r}, {[row, row]!r}, [0])\n\n", f"def {name}(statistics, batch_work, n):\n"]
        for operation in operations:
            for tensor in tensors_of([operation]):
                views[tensor.storage, tensor.shape] = self._name(tensor, {})
                lines.append(f"    {self._name(tensor, {})} = {self._view(tensor, 'n')}\n")
            lines.append(f"    {self._call(operation, views, 'n', '0')}\n")
        return lines

    def _steps_function(self, update: str, *, single: bool) -> list[str]:
        """Return the source of `run` for training steps. Step i reads rates[i], and writes row i of `outcomes`.

        In outline:

            def run(all_x, all_t, parameters, …, count, …):
                for i in range(count):
                    x = all_x[slice(i * n, (i + 1) * n)]        the batch of step i
                    derivatives(x, t, …)
                    call('copied …'), commit(after, …)          running statistics after the step, not yet in force
                    call('accepted …', …)                       whether all results are finite; the factor of clipping
                    …                                           the update, with rate and scale
                    step = step + 1
        """
        arguments = self._arguments()
        batch_names = [name for name in self.data if name in BATCH_ARRAYS]
        moments = KERNELS[update].arrays[2:]
        constants = constants_of(update)
        arrays = list[str]()
        batches = list[str]()
        for name in arguments:
            if name in batch_names:
                arrays.append(f"all_{name}")
                batches.append(f"        {name} = all_{name}[slice(i * n, (i + 1) * n)]\n")
            else:
                arrays.append(name)
        arrays += [*moments, "rates", "outcomes", "after"]
        types = [self._argument_type(name, whole=True) for name in arguments] + [(self.dtype, 1)] * len(moments)
        types += [("float64", 1), ("float64", 2), (self.dtype, 1)]
        batch_scalars = ["shares", "batch_threads", "batch_parts"]
        scalars = [*batch_scalars, "threads", "parts", *SCALARS, "clip", "count", *constants]
        numbers = [0] * (5 + len(SCALARS)) + [1.0, 0, *constants.values()]
        lines = [
            f"\n\ndeclare('run', {types!r}, {numbers!r})\n\n",
            f"def run({', '.join([*arrays, *scalars])}):\n",
            "    for i in range(count):\n",
            *batches,
            f"        derivatives({', '.join([*arguments, *batch_scalars, *SCALARS])})\n",
        ]
        if self.plan.deferred:
            lines += [
                f"        call({symbol_of('copied', self.dtype)!r}, (statistics, after))\n",
                "        commit(after, batch_work, n)\n",
            ]
        lines += [
            f"        call({symbol_of('accepted', self.dtype)!r}, (after, statistics, sums, outcomes, i, clip))\n",
            "        rate, scale = number(rates, i), number(outcomes, i * 4 + 3)\n",
            "        p, g = parameters, gradients[0]\n",
            *update_lines(update, self.dtype, self.parameter_parts(single=single), self._flat_view, self.row),
            "        step = step + 1\n",
        ]
        return lines

    def _flat_view(self, tensor: Tensor) -> str:
        """Return the expression for a flat view of a tensor, for use after the segment that wrote the tensor.

        The batch must be a single sample.
        """
        workspace, begin = self._location(tensor, "0")
        if workspace == "work":  # offsets depend on the block size, which differs between segments
            segment = next(item for item in self.segments if tensor in tensors_of(item.operations))
            begin = f"{self.memory.offsets[tensor.storage][1]} * {self._block_size(segment)}"
        return f"view({workspace}, {begin}, ({tensor.size},))"

    def _links(self, deferred: list[PlanStep], operations: list[PlanStep]) -> list[str]:
        """Return the `link` lines of a program: one line per kernel, which declares the types of its arguments."""
        links = dict[str, None]()  # each once
        for operation in operations:
            if operation not in deferred:
                links[self._link(operation)] = None
        lines = list(links)
        total = ("float64", 1)
        if self.training:
            row = (self.dtype, 1)
            lines.append(link_to("clear", self.dtype, [(self.dtype, 2)], [0, 0, 0]))
            lines.append(link_to("ends", self.dtype, [row, row, total], []))
            lines.append(link_to("add_up", self.dtype, [(self.dtype, 2), total], [0, 0, 0]))
        if self.partial_sums:
            lines.append(link_to("add_parts", self.dtype, [(self.dtype, 2), (self.dtype, 1)], []))
        if deferred:
            lines.append(link_to("outer_squares", self.dtype, [(self.dtype, 2), (self.dtype, 2), total], []))
        return lines

    def _link(self, operation: PlanStep) -> str:
        arrays = [self._type(tensor) for tensor in (*operation.reads, *operation.writes)]
        numbers = operation.options | dict.fromkeys(operation.runtime, 0)
        rest = operation.entry.plain_arguments(len(arrays), numbers)
        kernel = f"{operation.entry.family}.{operation.kernel}"
        return f"link({self._symbol(operation)!r}, {kernel}, {arrays!r}, {rest!r})\n"

    def _samples_function(self, number: int, deferred: list[PlanStep]) -> str:
        lines = [
            self._declare(f"samples_{number}", ["first", "last", *self._scalars]),
            f"def samples_{number}({', '.join([*self._arguments(), 'first', 'last', *self._scalars])}):",
            "    for s in range(first, last, block):",
            "        m = min(block, last - s)",
        ]
        views: dict[tuple[str, tuple[int, ...]], str] = {}
        for operation in self.segments[number].operations:
            for tensor in tensors_of([operation]):
                key = (tensor.storage, tensor.shape)
                if key not in views:
                    views[key] = self._name(tensor, views)
                    lines.append(f"        {views[key]} = {self._view(tensor, 'm')}")
            if operation in deferred:
                arrays = ", ".join(views[t.storage, t.shape] for t in operation.reads if t is not None)
                lines.append(f"        call({symbol_of('outer_squares', self.dtype)!r}, ({arrays}, sums))")
            else:
                lines.append(f"        {self._call(operation, views, 'm', 's')}")
        return "\n".join(lines) + "\n"

    def _run_function(self, deferred: list[PlanStep], segment_numbers: range, name: str) -> str:
        """Return the source of the function `name`, which runs a range of segments.

        The first function of a training step clears the sums of metrics and the gradients, and the last one adds up the
        threads' parts. The gradients are cleared in the first parallel loop, by the threads that will use them: `zeros`
        contains these lines until they are written.
        """
        arguments = self._arguments()
        lines = [
            self._declare(name, ["shares", "threads", "parts", *self._scalars]),
            f"def {name}({', '.join([*arguments, 'shares', 'threads', 'parts', *self._scalars])}):",
        ]
        by_chunk = "    for k, thread in turns(shares, threads):"
        first = segment_numbers.start == 0
        last = segment_numbers.stop == len(self.segments)
        zeros = []
        if self.training and first:
            zeros = self._clear_gradients(deferred)
            lines += ["    for k in range(sums.size):", "        sums[k] = 0"]
        if self.intra_sample and zeros:
            lines = [*lines, "    for k in prange(parts):", *zeros]
            zeros = []
        for run in runs_of(segment_numbers, self.segments):
            segment = self.segments[run[0]]
            if segment.scope == "sample":
                samples = [self._samples_call(number) for number in run]
                if self.intra_sample:
                    lines += samples
                else:
                    lines += [by_chunk, *zeros, *(f"    {call}" for call in samples)]
            elif segment.operations[0] in deferred:
                lines += self._gradient_squares(segment.operations[0])
            elif segment.operations[0].sharing is not Sharing.ONCE_PER_BATCH:  # computed in `_reduction`
                if zeros:
                    lines += [by_chunk, *zeros]
                lines += self._whole_batch(segment.operations)
            zeros = []
        if self.training and last:
            lines += self._reduction(deferred)
        return "\n".join(lines) + "\n"

    def _samples_call(self, number: int) -> str:
        """Return the line of `run` that calls a segment's function on one chunk or on the single sample."""
        row_index = ROW_INDEX
        if self.intra_sample:
            row_index = dict.fromkeys(ROW_INDEX, "0")
        rows = list[str]()
        for name in self._arguments():
            if name in ROW_INDEX:
                name += f"[{row_index[name]}]"
            rows.append(name)
        edges = ["number(edges, k)", "number(edges, k + 1)"]
        if self.intra_sample:
            edges = ["0", "n"]
        scalars: list[str] = list(self._scalars)
        scalars[scalars.index("block")] = self._block_size(self.segments[number])
        return f"    samples_{number}({', '.join([*rows, *edges, *scalars])})"

    def _block_size(self, segment: Segment) -> str:
        """Return the expression for a segment's block size, in samples.

        A segment may need smaller blocks if it shares arrays with other segments, because these arrays also occupy
        cache space.
        """
        if segment.wide:
            return str(WIDE_BLOCK)
        outliving = dict[str, int]()  # sizes of arrays
        for tensor in tensors_of(segment.operations):
            if self._outlives_block(tensor):
                outliving[tensor.storage] = tensor.size
        if not outliving:
            return "block"
        sample_bytes = (self.memory.sizes["work"] + sum(outliving.values())) * np.dtype(self.dtype).itemsize
        return f"min(block, {block_size(sample_bytes, training=self.training)})"

    def _outlives_block(self, tensor: Tensor) -> bool:
        """Return whether a tensor is stored for more than one block of samples."""
        workspace, _ = self.memory.offsets.get(tensor.storage, ("", 0))
        return tensor.per_sample and workspace.startswith(("share_", "batch_"))
