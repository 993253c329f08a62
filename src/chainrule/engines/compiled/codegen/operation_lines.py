"""Write the source lines of single steps: array views, kernel calls, and loops that divide a step among threads."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.plan import Tensor
from chainrule.engines.compiled.codegen.updates import symbol_of
from chainrule.engines.compiled.codegen.workspaces import MemoryPlan
from chainrule.engines.compiled.kernels.registry import Share
from chainrule.engines.compiled.passes.sharing import OUTPUT_PARTS
from chainrule.engines.compiled.passes.steps import PlanStep, Sharing, StepPlan, tensors_of

BUFFER = {"parameter": "parameters", "state": "statistics", "gradient": "gradients"}  # kind of tensor → flat buffer
FILTERS = 2  # the weight gradient of a convolution is divided among threads in multiples of this number of filters

Views: TypeAlias = dict[tuple[str, tuple[int, ...]], str]  # (storage, shape) → name of the view


class OperationLines:
    """Writes the source lines of single steps, based on a memory plan.

    dtype            "float32" or "float64"
    _argument_names  storage of a tensor that is passed to the program → name of the argument
    _layout          name of a parameter or running statistic → its range in its flat buffer
    _packed          storage of packed weights → index of their first element in the buffer of packed weights
    numbers          number of each step in a profiled program, by identity; empty for other programs
    """

    plan: StepPlan
    dtype: str
    memory: MemoryPlan
    _argument_names: dict[str, str]
    _layout: Mapping[str, tuple[int, int]]
    _packed: Mapping[str, int]
    numbers: Mapping[int, int]

    def gradient_range(self, gradient: Tensor) -> tuple[int, int]:
        """Return the range of a parameter's gradient in the flat buffer of gradients."""
        return self._layout[gradient.differentiated]

    def _symbol(self, operation: PlanStep) -> str:
        """Return the symbol of a step's kernel.

        It consists of the kernel's file and name, the dtype, and the number of axes of each array.
        """
        types = [self._type(tensor) for tensor in (*operation.reads, *operation.writes)]
        axis_counts = list[str]()
        for array_type in types:
            if array_type is None:
                axis_counts.append("-")
            else:
                _, axes = array_type
                axis_counts.append(str(axes))
        return f"{operation.entry.family}.{operation.kernel} {self.dtype} {' '.join(axis_counts)}"

    def _type(self, tensor: Tensor | None) -> tuple[str, int] | None:
        """Return (dtype, number of axes) of the array passed to a kernel for a tensor."""
        if tensor is None:
            return None
        return ("int32" if tensor.integer else self.dtype, len(tensor.shape) + tensor.per_sample)

    def _whole_batch(self, operations: list[PlanStep]) -> list[str]:
        """Return the lines for a segment of scope "batch": steps on the whole batch, divided among the threads."""
        operation = operations[0]
        if operations[-1].sharing is Sharing.CONCURRENT:
            return self._concurrent_steps(operations)
        if operation.sharing is Sharing.BY_FILTERS:
            return self._by_filters(operation)
        if operation.sharing is Sharing.BY_OUTPUTS:
            return self._by_outputs(operation)
        if operation.entry.piece is not None and not operation.entry.alone:
            return self._split_step(operation)
        views, lines = self._whole_arrays(operations)
        if operation.entry.alone:
            return [*lines, f"    {self._call(operation, views, 'n', '0')}"]
        share = operation.share(np.dtype(self.dtype).itemsize)
        call = self._call(operation, views, "n", "0", range_of(share.names))
        return [*lines, "    for k in prange(threads):", edges_of(share), f"        {call}"]

    def _whole_arrays(self, operations: list[PlanStep]) -> tuple[Views, list[str]]:
        """Return the names of views of the whole batch, and the lines that define them."""
        tensors = {(item.storage, item.shape): item for item in tensors_of(operations)}
        views = {key: self._name(tensor, {}) for key, tensor in tensors.items()}
        return views, [f"    {views[key]} = {self._view(tensor, 'n')}" for key, tensor in tensors.items()]

    def _concurrent_steps(self, operations: list[PlanStep]) -> list[str]:
        """Return the lines for independent steps on the whole batch, each run by a different thread.

        A thread runs the steps with the numbers `begin` to `end` − 1. Programs have no `if`, so that a step is the body
        of a loop with one iteration, or with none if the range does not contain the step's number.
        """
        views, lines = self._whole_arrays(operations)
        lines += ["    for k in prange(threads):", edges_of(Share(("begin", "end"), len(operations)))]
        for number, operation in enumerate(operations):
            lines += [f"        for s in range(max(begin, {number}), min(end, {number + 1})):"]
            lines += [f"            {self._call(operation, views, 'n', '0')}"]
        return lines

    def _by_filters(self, operation: PlanStep) -> list[str]:
        """Return the lines for a convolution's weight gradient for one sample. Each thread computes some filters.

        A filter's gradient needs all of x, but only this filter's part of dy. For 8 filters, in multiples of 2:

            for k in prange(threads):
                begin, end = min(8, k * 4 // threads * 2), min(8, (k + 1) * 4 // threads * 2)
                x_block = view(x, 0, (n, …))
                conv1_y_gradient = view(…, … + begin * …, (n, end - begin, …))
                conv1_w_gradient = view(…, … + begin * …, (end - begin, …))
                for s in range(min(end - begin, 1)):
                    call('….cross_correlate_dw …', (x_block, conv1_y_gradient, conv1_w_gradient, …))

        The loop over s calls the kernel once, or not at all if the thread has no filters: programs have no `if`.
        """
        x, dy = (operation.operand(number) for number in range(2))
        dw = operation.writes[0]
        views = Views()
        lines = ["    for k in prange(threads):", edges_of(Share(("begin", "end"), dw.shape[0], FILTERS))]
        for tensor in (x, dy, dw):
            views[tensor.storage, tensor.shape] = name = self._name(tensor, views)
            if tensor is x:
                view = self._view(tensor, "n")
            else:
                view = self._view_of_outputs(tensor)
            lines.append(f"        {name} = {view}")
        lines.append("        for s in range(min(end - begin, 1)):")
        lines.append(f"            {self._call(operation, views, 'n', '0')}")
        return lines

    def _by_outputs(self, operation: PlanStep) -> list[str]:
        """Return the lines for a layer's input gradient for one sample.

        The gradient is a sum over the outputs of the layer. Threads compute a partial sum for each part of the outputs.
        The partial sums are added at the end.
        """
        dx = operation.writes[0]
        inputs = [tensor for tensor in operation.reads if tensor is not None]
        outputs = inputs[0].shape[0]
        first = _output_part("k")
        last = _output_part("(k + 1)")
        lines = ["    for k in prange(threads):", f"        for part in range({first}, {last}):"]
        lines += [
            f"            begin, end = part * {outputs} // {OUTPUT_PARTS}, (part + 1) * {outputs} // {OUTPUT_PARTS}"
        ]
        views: Views = {(dx.storage, dx.shape): "sums_part"}
        for tensor in inputs:
            views[tensor.storage, tensor.shape] = name = self._name(tensor, {}) + "_part"
            lines.append(f"            {name} = {self._view_of_outputs(tensor)}")
        workspace, offset = self._location(dx, "0")
        return [
            *lines,
            f"            sums_part = view(spare, part * {dx.size}, (1, {', '.join(map(str, dx.shape))}))",
            f"            {self._call(operation, views, 'n', '0')}",
            f"    sums_parts = view(spare, 0, ({OUTPUT_PARTS}, {dx.size}))",
            f"    sums_whole = view({workspace}, {offset}, ({dx.size},))",
            f"    call({symbol_of('add_parts', self.dtype)!r}, (sums_parts, sums_whole))",
        ]

    def _view_of_outputs(self, tensor: Tensor) -> str:
        """Return the expression for the view of a tensor's outputs `begin` to `end` − 1, along the first axis."""
        workspace, offset = self._location(tensor, "0")
        sizes = [*(["n"] if tensor.per_sample else []), "end - begin", *map(str, tensor.shape[1:])]
        return f"view({workspace}, {offset} + begin * {math.prod(tensor.shape[1:])}, ({', '.join(sizes)}))"

    def _split_step(self, operation: PlanStep) -> list[str]:
        """Return the lines for a step on the whole batch. Each thread computes a range of elements or images."""
        shape = operation.writes[0].shape
        outer_axes = len(shape) - (operation.entry.piece or 0)
        pieces = f"(n * {math.prod(shape[:outer_axes])})"
        lines = ["    for k in prange(threads):"]
        lines.append(f"        begin, end = k * {pieces} // threads, (k + 1) * {pieces} // threads")
        views = Views()
        for tensor in tensors_of([operation]):
            workspace, offset = self._location(tensor, "0")
            views[tensor.storage, tensor.shape] = name = self._name(tensor, {}) + "_part"
            # The view has as many axes as the kernel expects. All outer elements are on the last of the outer axes.
            piece = tensor.shape[outer_axes:]
            sizes = ", ".join(map(str, [*["1"] * outer_axes, "end - begin", *piece]))
            lines.append(f"        {name} = view({workspace}, {offset} + begin * {math.prod(piece)}, ({sizes}))")
        return [*lines, f"        {self._call(operation, views, 'n', '0')}"]

    def _call(
        self,
        operation: PlanStep,
        views: Mapping[Any, str],
        count: str,
        start: str,
        share: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the line that calls an operation's kernel.

        count  expression for the number of samples
        start  expression for the first sample's index
        share  arguments for the part of the operation that this call computes; None: the whole operation
        """
        kernel = operation.entry
        arrays = [*operation.reads, *operation.writes]
        names = list[str]()
        for tensor in arrays:
            if tensor is None:
                names.append("None")
            else:
                names.append(views[tensor.storage, tensor.shape])
        runtime = {"batch": "n", "seed": "seed", "step": "step", "first": start}
        if self.plan.sharded:
            runtime |= {"batch": "batch", "first": f"(ahead + {start})"}
        values: dict[str, Any] = {**operation.options, **(share or {})}
        values |= {name: _SourceText(f"{times} * {runtime[what]}") for name, (what, times) in operation.runtime.items()}
        rest = map(repr, kernel.plain_arguments(len(arrays), values))
        number = ""
        if id(operation) in self.numbers:
            number = f"  # {self.numbers[id(operation)]}"
        return f"call({self._symbol(operation)!r}, ({', '.join([*names, *rest])},)){number}"

    def _view(self, tensor: Tensor, count: str) -> str:
        """Return the expression for a view of a tensor.

        count  "m" for the m samples of a block, starting with sample `s`; "n" for all n samples of the batch
        """
        workspace, begin = self._location(tensor, "s" if count == "m" else "0")
        sizes = [*([count] if tensor.per_sample else []), *map(str, tensor.shape)]
        return f"view({workspace}, {begin}, ({', '.join(sizes)}{',' if len(sizes) == 1 else ''}))"

    def _location(self, tensor: Tensor, sample: str) -> tuple[str, str]:
        """Return the name of the array where a tensor is stored, and the expression for the offset of a sample.

        For sample "s" of a tensor with 10 elements per sample:

            packed weights, parameters, gradients    "parameters", "250"        the same for all samples
            argument of the program                  "x", "s * 10"
            array for the whole batch                "batch_work", "32 * n + s * 10"
            array for the chunk of a thread          "share_work", "32 * share + (s - first) * 10"
            array for a block, which starts at s     "work", "32 * block"

        Workspaces store their arrays one after another. Here, those before this array have 32 elements per sample, for
        each of the n, `share` or `block` samples.

        sample  expression for the sample's index
        """
        if tensor.storage in self._packed:  # before the buffers: packed weights are also of the kind "parameter"
            return "packed", str(self._packed[tensor.storage])
        if tensor.kind in BUFFER:
            if tensor.kind == "gradient":
                first, _ = self.gradient_range(tensor)
            else:
                first, _ = self._layout[tensor.storage]
            return BUFFER[tensor.kind], str(first)
        is_offset = tensor.per_sample and sample != "0"
        sample_offset = "0"
        if is_offset:
            sample_offset = f"{sample} * {tensor.size}"
        if tensor.storage in self._argument_names:
            return self._argument_names[tensor.storage], sample_offset
        workspace, offset = self.memory.offsets[tensor.storage]
        if workspace.startswith("batch_"):
            return workspace, f"{offset} * n" + (f" + {sample_offset}" if is_offset else "")
        if workspace.startswith("share_"):
            return workspace, f"{offset} * share" + (f" + ({sample} - first) * {tensor.size}" if is_offset else "")
        return workspace, f"{offset} * block"

    def _name(self, tensor: Tensor, views: Mapping[Any, str]) -> str:
        argument = self._argument_names.get(tensor.storage)
        if argument:
            name = f"{argument}_block"
        else:
            name = tensor.storage.replace(".", "_")
        if name not in views.values():
            return name
        return name + "_as_" + "_".join(str(size) for size in tensor.shape)


def edges_of(share: Share, iterations: str = "threads") -> str:
    """Return the line that computes the range `begin`, `end` of iteration `k` of a parallel loop.

    iterations  expression for the number of iterations
    """
    edges = [f"{k} * {share.parts} // {iterations}" for k in ("k", "(k + 1)")]
    if share.size > 1:
        edges = [f"min({share.entries}, {edge} * {share.size})" for edge in edges]
    return f"        begin, end = {edges[0]}, {edges[1]}"


def _output_part(edge: str) -> str:
    """Return the expression for the index of the first part of the outputs that thread number `edge` sums."""
    return f"{edge} * {OUTPUT_PARTS} // threads"


def range_of(names: tuple[str, ...]) -> dict[str, Any]:
    """Return argument name → value for a call of a kernel on the range `begin`, `end`.

    names  names of the kernel's arguments for the two ends
    """
    return dict(zip(names, (_SourceText("begin"), _SourceText("end")), strict=True))


@dataclass(frozen=True)
class _SourceText:
    """Source text used as an attribute value. Its `repr` is the text itself."""

    text: str

    def __repr__(self) -> str:
        return self.text
