"""Write the steps of a plan as the source of one compiled program.

Runs of steps that treat samples separately (scope "sample", see `segments`) become functions `samples_0`, `samples_1` …
In these a thread carries a share of the batch through the steps, in blocks of samples whose arrays stay in its cache.
There may be more shares than threads, so that slow threads leave some to others. Steps that need the whole batch stand
between these functions, in `run`, where the threads wait for each other.

An array that only one such function touches lies in the workspace of a thread, for one block. An array that passes from
one function to the next without a wait lies there too, for a share. Any other holds the whole batch.

The source has a line for every array and a line for every step. `chainrule models NAME --program` prints it.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.core.plan import Plan, Tensor
from chainrule.engines.compiled.codegen.operation_lines import OperationLines, edges_of, range_of
from chainrule.engines.compiled.codegen.updates import constants_of, link_to, symbol_of, update_lines, update_links
from chainrule.engines.compiled.codegen.workspaces import (
    WORKSPACES,
    MemoryPlan,
    ParameterPart,
    parameter_count,
    parts_of,
    plan_memory,
)
from chainrule.engines.compiled.kernels.selection import KERNELS
from chainrule.engines.compiled.passes.batch_norm import divide_norms
from chainrule.engines.compiled.passes.branches import ArrayPart, write_parts
from chainrule.engines.compiled.passes.rewriting import rewrite
from chainrule.engines.compiled.passes.segments import (
    WIDE_BLOCK,
    Segment,
    block_size,
    runs_of,
    segments,
    stages_of,
)
from chainrule.engines.compiled.passes.sharing import OUTPUT_PARTS, is_only_writer
from chainrule.engines.compiled.passes.steps import PlanStep, Sharing, flatten, tensors_of
from chainrule.engines.compiled.passes.verification import check_plan

HEAD = '"""A compiled program of chainrule, written from the plan of a model by codegen/generator.py."""\n\n'

# Arguments of the program, in order: the batch, the flat buffers, and the workspace.
GIVEN = ("x", "t", "weights")
DATA = (*GIVEN, "y", "loss", "correct", "sums")
BUFFERS = ("parameters", "statistics", "gradients")
EDGES = "edges"  # the first sample of each share, and the number of samples
SPARE = "spare"  # scratch memory: partial sums, and rows of deferred gradients
OF_THREAD = tuple(name for name in WORKSPACES if not name.startswith("batch_"))
ROW_OF = {"gradients": "k"} | dict.fromkeys(OF_THREAD, "thread")  # arrays with a row for each share, or thread
SCALARS = ("n", "block", "share", "seed", "step")
SHARD_SCALARS = ("batch", "ahead")  # of a sharded plan: samples of the whole batch, and those before this shard
ROWS = 1 << 12  # entries of a deferred gradient that are made at a time: they stay in the fastest cache
DEFERRED_WEIGHTS = 1 << 14  # fewest weights of a dense layer whose gradient for one sample is left to the update


class ProgramWriter(OperationLines):
    """Writer of the program of one plan.

    layout        name of a parameter or running statistic → its range in its flat buffer
    dtype         float32 or float64
    intra_sample  for one sample: the threads share its large layers, and one does the rest

    `parameters`: their number. `parts`: arrays of one sample that lie in a concatenation, and where.
    """

    def __init__(
        self, plan: Plan, layout: Mapping[str, tuple[int, int]], dtype: str, *, intra_sample: bool = False
    ) -> None:
        steps = rewrite(plan, np.dtype(dtype).itemsize, intra_sample=intra_sample)
        steps = steps if intra_sample and plan.loss else divide_norms(steps)
        self.parameters = parameter_count(steps, layout)
        check_plan(steps, np.dtype(dtype).itemsize)
        steps = flatten(steps)
        ends = zip(("t", "loss", "correct"), plan.loss_tensors, strict=True) if plan.loss else [("y", plan.output)]
        self._given = {plan.input.storage: "x"} | {tensor.storage: name for name, tensor in ends}
        if plan.weights is not None:
            self._given[plan.weights.storage] = "weights"
        inference = intra_sample and not plan.loss
        steps, self.parts = write_parts(steps, self._given.keys()) if inference else (steps, dict[str, ArrayPart]())
        self.plan = steps
        self.intra_sample = intra_sample
        self._scalars = SCALARS + (SHARD_SCALARS if plan.sharded else ())
        self.dtype = dtype
        self.segments = segments(steps.operations, np.dtype(dtype).itemsize)
        self.stages = stages_of(steps, self.segments)
        self._layout = layout
        self.memory = self._assign()

    def _assign(self) -> MemoryPlan:
        later = tensors_of(self.plan.deferred) + tensors_of(self.deferred_gradients)
        return plan_memory(self.segments, self._given, {tensor.storage for tensor in later}, self.parts)

    @property
    def data(self) -> tuple[str, ...]:
        """The arguments in `DATA` that this program has."""
        given = {*self._given.values(), *(["sums"] if self.training else [])}
        return tuple(name for name in DATA if name in given)

    @property
    def training(self) -> bool:
        """Whether the program computes losses and gradients."""
        return self.plan.loss is not None

    @cached_property
    def deferred_gradients(self) -> list[PlanStep]:
        """Steps that compute the gradients of large dense layers, in the order of the parameters.

        For one sample the update computes these gradients (`updates.MADE`).
        """
        large = [
            operation
            for operation in self.plan.operations
            if operation.entry.outer_product
            and math.prod(operation.writes[0].shape) >= DEFERRED_WEIGHTS
            and is_only_writer(operation, self.plan)
        ]
        return sorted(large, key=lambda operation: self.gradient_range(operation.writes[0]))

    def source(self, *, stage: int = 0) -> str:
        """Return the source of the program, or of one of its `stages`: a module with a function `run`."""
        own = self.stages[stage]
        operations = [each for k in own for each in self.segments[k].operations]
        return "".join([HEAD, *self._links([], operations), *self._functions([], own, "run")])

    def commit_source(self) -> str:
        """Return the source of a program that writes the running statistics of the last batch."""
        return "".join([HEAD, *self._commit_links(), *self._commit("run")])

    def step_source(self, update: str, *, single: bool) -> str:
        """Return the source of a program that takes training steps on consecutive batches.

        update  the name of an optimizer's operation
        single  for batches of one sample: the `deferred_gradients` are made as the parameters are updated
        """
        deferred = self.deferred_gradients if single else []
        row, total, table = (self.dtype, 1), ("float64", 1), ("float64", 2)
        links = self._links(deferred, [each for own in self.segments for each in own.operations])
        links += [*self._commit_links(), *update_links(update, self.dtype, self.parameter_parts(single=single))]
        links += [link_to("copied", self.dtype, [row, row], [])] if self.plan.deferred else []
        links += [link_to("accepted", self.dtype, [total, row, row, table], [0, 1.0])]
        functions = self._functions(deferred, range(len(self.segments)), "derivatives")
        functions += self._commit("commit") if self.plan.deferred else []
        return "".join([HEAD, *dict.fromkeys(links), *functions, *self._steps(update, single=single)])

    def _functions(self, deferred: list[PlanStep], own: range, name: str) -> list[str]:
        """Return the functions of some segments, and the one that runs them."""
        parts = [self._samples(number, deferred) for number in own if self.segments[number].scope == "sample"]
        return [*parts, self._run(deferred, own, name)]

    def _commit_links(self) -> list[str]:
        return [self._link(operation) for operation in self.plan.deferred]

    def _commit(self, name: str) -> list[str]:
        """Return the function that changes the running statistics."""
        operations, views = list(self.plan.deferred), dict[Any, str]()
        row = (self.dtype, 1)
        lines = [f"\n\ndeclare({name!r}, {[row, row]!r}, [0])\n\n", f"def {name}(statistics, batch_work, n):\n"]
        for operation in operations:
            for tensor in tensors_of([operation]):
                views[tensor.storage, tensor.shape] = self._name(tensor, {})
                lines.append(f"    {self._name(tensor, {})} = {self._view(tensor, 'n')}\n")
            lines.append(f"    {self._call(operation, views, 'n', '0')}\n")
        return lines

    def _steps(self, update: str, *, single: bool) -> list[str]:
        """Return the function `run` of a program of training steps: each has its row of `rates` and `outcomes`."""
        own, given = self._arguments(), [name for name in self.data if name in GIVEN]
        moments, constants = KERNELS[update].arrays[2:], constants_of(update)
        arrays = [*(f"all_{name}" if name in given else name for name in own), *moments, "rates", "outcomes", "after"]
        types = [self._argument_type(name, whole=True) for name in own] + [(self.dtype, 1)] * len(moments)
        types += [("float64", 1), ("float64", 2), (self.dtype, 1)]
        of_batch = ["shares", "batch_threads", "batch_parts"]
        scalars = [*of_batch, "threads", "parts", *SCALARS, "clip", "count", *constants]
        numbers = [0] * (5 + len(SCALARS)) + [1.0, 0, *constants.values()]
        lines = [
            f"\n\ndeclare('run', {types!r}, {numbers!r})\n\n",
            f"def run({', '.join([*arrays, *scalars])}):\n",
            "    for i in range(count):\n",
            *(f"        {name} = all_{name}[slice(i * n, (i + 1) * n)]\n" for name in given),
            f"        derivatives({', '.join([*own, *of_batch, *SCALARS])})\n",
        ]
        if self.plan.deferred:
            lines += [
                f"        call({symbol_of('copied', self.dtype)!r}, (statistics, after))\n",
                "        commit(after, batch_work, n)\n",
            ]
        lines += [
            f"        call({symbol_of('accepted', self.dtype)!r}, (sums, after, statistics, outcomes, i, clip))\n",
            "        rate, scale = number(rates, i), number(outcomes, i * 4 + 3)\n",
            "        p, g = parameters, gradients[0]\n",
            *update_lines(update, self.dtype, self.parameter_parts(single=single), self._flat, self.row),
            "        step = step + 1\n",
        ]
        return lines

    @cached_property
    def row(self) -> int:
        """Size of a thread's part of `spare`, for rows of a deferred gradient."""
        return max([ROWS, *(each.writes[0].shape[1] for each in self.deferred_gradients)])

    def parameter_parts(self, *, single: bool) -> list[ParameterPart]:
        """Return the parts of the parameters; `single`: for one sample, without `deferred_gradients`."""
        deferred = self.deferred_gradients if single else ()
        return parts_of(self.plan, self._layout, self.parameters, deferred, by_rows=self.intra_sample)

    def _flat(self, tensor: Tensor) -> str:
        """Return the expression for a tensor of one sample, flat, after the segment that wrote it."""
        workspace, begin = self._location(tensor, "0")
        if workspace == "work":  # of a thread, where the blocks of that segment may be smaller than others
            segment = next(each for each in self.segments if tensor in tensors_of(each.operations))
            begin = f"{self.memory.offsets[tensor.storage][1]} * {self._block(segment)}"
        return f"view({workspace}, {begin}, ({tensor.size},))"

    def _links(self, deferred: list[PlanStep], operations: list[PlanStep]) -> list[str]:
        """Return a line for every kernel that is called, with the types of its arguments."""
        lines = list(dict.fromkeys(self._link(operation) for operation in operations if operation not in deferred))
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

    def _arguments(self) -> list[str]:
        buffers = [*(BUFFERS if self.training else BUFFERS[:2]), EDGES]
        return [*self.data, *buffers, *self.workspaces]

    @property
    def workspaces(self) -> tuple[str, ...]:
        """Names of the arrays for intermediate results."""
        return (*WORKSPACES, SPARE) if self.training else WORKSPACES

    @property
    def partial_sums(self) -> int:
        """Entries of the partial sums of an operation that is shared BY_OUTPUTS."""
        sizes = [each.writes[0].size for each in self.plan.backward if each.sharing is Sharing.BY_OUTPUTS]
        return OUTPUT_PARTS * max(sizes, default=0)

    def _samples(self, number: int, deferred: list[PlanStep]) -> str:
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
                given = ", ".join(views[t.storage, t.shape] for t in operation.reads if t is not None)
                lines.append(f"        call({symbol_of('outer_squares', self.dtype)!r}, ({given}, sums))")
            else:
                lines.append(f"        {self._call(operation, views, 'm', 's')}")
        return "\n".join(lines) + "\n"

    def _declare(self, name: str, scalars: Sequence[str]) -> str:
        """Return the line that declares the arguments of a function."""
        arrays = [self._argument_type(each, whole=not name.startswith("samples")) for each in self._arguments()]
        return f"\n\ndeclare({name!r}, {arrays!r}, {[0] * len(scalars)!r})\n\n"

    def _argument_type(self, name: str, *, whole: bool) -> tuple[str, int]:
        """Return (dtype, axes) of one of the program's arguments, whole or the row of a share or thread."""
        if name in ("x", "t", "y"):
            tensor = {"x": self.plan.input, "t": self.plan.target, "y": self.plan.output}[name]
            return (self.dtype, 1 + len(tensor.shape if tensor else ()))
        dtype = "int32" if name == EDGES or name.endswith("indices") else "float64" if name == "sums" else self.dtype
        return (dtype, 2 if whole and name in ROW_OF else 1)

    def _run(self, deferred: list[PlanStep], own: range, name: str) -> str:
        """Return the function that runs some segments, of that name."""
        arguments = self._arguments()
        lines = [
            self._declare(name, ["shares", "threads", "parts", *self._scalars]),
            f"def {name}({', '.join([*arguments, 'shares', 'threads', 'parts', *self._scalars])}):",
        ]
        by_share = "    for k, thread in turns(shares, threads):"
        first, last = own.start == 0, own.stop == len(self.segments)
        zeros = self._zeros(deferred) if self.training and first else []
        lines += ["    for k in range(sums.size):", "        sums[k] = 0"] if self.training and first else []
        if self.intra_sample and zeros:
            lines, zeros = [*lines, "    for k in prange(parts):", *zeros], []
        for run in runs_of(own, self.segments):
            segment = self.segments[run[0]]
            if segment.scope == "sample":
                samples = [self._samples_call(number) for number in run]
                lines += samples if self.intra_sample else [by_share, *zeros, *(f"    {call}" for call in samples)]
            elif segment.operations[0] in deferred:
                lines += self._squares(segment.operations[0])
            elif segment.operations[0].sharing is not Sharing.ONCE_PER_BATCH:  # else it is made as the rest is added up
                lines += [by_share, *zeros] if zeros else []
                lines += self._whole_batch(segment.operations)
            zeros = []
        lines += self._added_up(deferred) if self.training and last else []
        return "\n".join(lines) + "\n"

    def _samples_call(self, number: int) -> str:
        """Return the line that calls the function of a segment, in `run`: for the samples of a share, or for one."""
        row_of = dict.fromkeys(ROW_OF, "0") if self.intra_sample else ROW_OF
        rows = [f"{name}[{row_of[name]}]" if name in ROW_OF else name for name in self._arguments()]
        edges = ["0", "n"] if self.intra_sample else ["number(edges, k)", "number(edges, k + 1)"]
        block = self._block(self.segments[number])
        scalars = [block if name == "block" else name for name in self._scalars]
        return f"    samples_{number}({', '.join([*rows, *edges, *scalars])})"

    def _zeros(self, deferred: list[PlanStep]) -> list[str]:
        """Return the lines that set row `k` of the gradients to 0, or a thread's part of it where there is only one."""
        symbol = symbol_of("clear", self.dtype)
        if self.intra_sample:
            parts = self.parameter_parts(single=bool(deferred))
            return [f"        call({symbol!r}, (gradients, 0, {part.share}))" for part in parts if not part.outer]
        whole = [step for step in self.plan.backward if step.sharing is Sharing.ONCE_PER_BATCH]
        once = {self.gradient_range(step.writes[0]) for step in whole}
        others = sorted(once | {self.gradient_range(each.writes[0]) for each in deferred})
        edges = [0, *(edge for each in others for edge in each), self.parameters]
        ranges = zip(edges[::2], edges[1::2], strict=True)
        return [f"        call({symbol!r}, (gradients, k, {first}, {last}))" for first, last in ranges]

    def _added_up(self, deferred: list[PlanStep]) -> list[str]:
        """Return the lines that add up losses, hits, the gradients of all shares, and Σ g².

        Threads take turns at parts of the parameters. A gradient that is made for the whole batch is made there, too.
        """
        parts = [each for each in self.parameter_parts(single=bool(deferred)) if not each.outer]
        lines = [f"    call({symbol_of('ends', self.dtype)!r}, (loss, correct, sums))"]
        lines += [f"    first_row = view(gradients, 0, (1, {self.parameters}))"] if any(p.whole for p in parts) else []
        each_does = list[str]()
        for part in parts:
            rows, edges = "gradients", part.share
            if part.whole:
                views, defined = self._whole([part.whole])
                share = part.whole.share(np.dtype(self.dtype).itemsize)
                call = self._call(part.whole, views, "n", "0", range_of(share.names))
                lines, each_does = lines + defined, [*each_does, edges_of(share, "parts"), f"        {call}"]
                rows, edges = "first_row", f"{part.first} + begin * {part.width}, {part.first} + end * {part.width}"
            each_does += [f"        call({symbol_of('add_up', self.dtype)!r}, ({rows}, sums, {edges}, k))"]
        return [*lines, "    for k, thread in turns(parts, threads):", *each_does] if parts else lines

    def _block(self, segment: Segment) -> str:
        """Return the samples of a block of a segment: fewer than in others where it passes through more arrays."""
        if segment.wide:
            return str(WIDE_BLOCK)
        passed = {t.storage: t.size for t in tensors_of(segment.operations) if self._is_passed_on(t)}
        size = np.dtype(self.dtype).itemsize
        own, common = (
            block_size(entries * size)
            for entries in (self.memory.sizes["work"] + sum(passed.values()), self.memory.sizes["work"])
        )
        return "block" if own == common else f"min(block, {own})"

    def _is_passed_on(self, tensor: Tensor) -> bool:
        """Return whether a tensor lies in a workspace that holds it for more samples than those of a block."""
        workspace, _ = self.memory.offsets.get(tensor.storage, ("", 0))
        return tensor.per_sample and workspace.startswith(("share_", "batch_"))

    def _squares(self, operation: PlanStep) -> list[str]:
        """Return the lines for Σ g² of a gradient that is deferred."""
        given = [f"view({', '.join(self._location(t, '0'))}, (1, {t.size}))" for t in operation.reads if t is not None]
        return [f"    call({symbol_of('outer_squares', self.dtype)!r}, ({', '.join(given)}, sums))"]
