"""Lines of a program for single steps: views of arrays, calls of kernels, and loops in which threads share a call."""

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

BUFFER = {"parameter": "parameters", "state": "statistics", "gradient": "gradients"}  # where a kind of tensor lies
FILTERS = 2  # of a part of the gradient of a convolution's weights that is given to a thread

Views: TypeAlias = dict[tuple[str, tuple[int, ...]], str]  # the names of arrays, by storage and shape


class OperationLines:
    """Writer of the lines of single steps, given where their tensors lie.

    dtype    float32 or float64
    _given   storages that are arguments of the program → their names
    _layout  name of a parameter or running statistic → its range in its flat buffer
    """

    plan: StepPlan
    dtype: str
    memory: MemoryPlan
    _given: dict[str, str]
    _layout: Mapping[str, tuple[int, int]]

    def gradient_range(self, gradient: Tensor) -> tuple[int, int]:
        """Return the range of a gradient in its flat buffer."""
        return self._layout[gradient.differentiated]

    def _symbol(self, operation: PlanStep) -> str:
        """Return the symbol of a kernel: its name and the types of its arrays."""
        axes = [self._type(tensor) for tensor in (*operation.reads, *operation.writes)]
        shown = ["-" if found is None else f"{found[1]}" for found in axes]
        return f"{operation.entry.family}.{operation.kernel} {self.dtype} {' '.join(shown)}"

    def _type(self, tensor: Tensor | None) -> tuple[str, int] | None:
        """Return (dtype, axes) of the array that a kernel is given for a tensor."""
        if tensor is None:
            return None
        return ("int32" if tensor.integer else self.dtype, len(tensor.shape) + tensor.per_sample)

    def _whole_batch(self, operations: list[PlanStep]) -> list[str]:
        """Return the lines of an operation on the whole batch, which the threads share.

        Others may follow to which each thread goes on with its own channels, or rows, of the result.
        """
        operation, *others = operations
        if operations[-1].sharing is Sharing.CONCURRENT:
            return self._side_by_side(operations)
        if operation.sharing is Sharing.BY_FILTERS:
            return self._by_filters(operation)
        if operation.sharing is Sharing.BY_OUTPUTS:
            return self._by_outputs(operation)
        shared = [each for each in operations if not _in_pieces(each)]
        views, lines = self._whole(shared)
        if operation.entry.alone:
            return [*lines, f"    {self._call(operation, views, 'n', '0')}"]
        if _in_pieces(operation):
            return self._pieces(operation)
        share = operation.share(np.dtype(self.dtype).itemsize)
        lines += ["    for k in prange(threads):", edges_of(share)]
        lines += [f"        {self._call(operation, views, 'n', '0', range_of(share.names))}"]
        for other in others:
            if share.axis == 1 and _in_pieces(other):
                lines += self._rows_of(other)
            elif share.axis == 1:
                lines += [f"        {self._call(other, views, 'n', '0', range_of(other.entry.by_row))}"]
            elif _in_pieces(other):
                lines += ["        for s in range(n):", *self._piece(other, "s", "            ")]
            else:
                lines += [f"        {self._call(other, views, 'n', '0', range_of(other.entry.by_channel))}"]
        return lines

    def _whole(self, operations: list[PlanStep]) -> tuple[Views, list[str]]:
        """Return the names of the arrays of the whole batch, and the lines that define them."""
        tensors = {(each.storage, each.shape): each for each in tensors_of(operations)}
        views = {key: self._name(tensor, {}) for key, tensor in tensors.items()}
        return views, [f"    {views[key]} = {self._view(tensor, 'n')}" for key, tensor in tensors.items()]

    def _side_by_side(self, operations: list[PlanStep]) -> list[str]:
        """Return the lines of steps on the whole batch that different threads do at the same time."""
        views, lines = self._whole(operations)
        lines += ["    for k in prange(threads):", edges_of(Share(("begin", "end"), len(operations)))]
        for number, operation in enumerate(operations):
            lines += [f"        for s in range(max(begin, {number}), min(end, {number + 1})):"]
            lines += [f"            {self._call(operation, views, 'n', '0')}"]
        return lines

    def _by_filters(self, operation: PlanStep) -> list[str]:
        """Return the lines of the gradient of a convolution's weights by one sample: threads share the filters."""
        (x, dy), dw = operation.reads, operation.writes[0]
        share, views = Share(("begin", "end"), dw.shape[0], FILTERS), Views()
        lines = ["    for k in prange(threads):", edges_of(share)]
        for tensor in (x, dy, dw):
            if tensor is None:
                continue
            views[tensor.storage, tensor.shape] = name = self._name(tensor, views)
            view = self._view(tensor, "n") if tensor is x else self._view_of_outputs(tensor)
            lines.append(f"        {name} = {view}")
        lines += [
            "        for s in range(min(end - begin, 1)):",
            f"            {self._call(operation, views, 'n', '0')}",
        ]
        return lines

    def _by_outputs(self, operation: PlanStep) -> list[str]:
        """Return the lines of the gradient of a layer's input by one sample: threads share the sum over outputs.

        Each part has its own sums, which are then added.
        """
        dx, given = operation.writes[0], [tensor for tensor in operation.reads if tensor is not None]
        outs = given[0].shape[0]
        lines = ["    for k in prange(threads):", f"        for part in range({_turns('k')}, {_turns('(k + 1)')}):"]
        lines += [f"            begin, end = part * {outs} // {OUTPUT_PARTS}, (part + 1) * {outs} // {OUTPUT_PARTS}"]
        views: Views = {(dx.storage, dx.shape): "sums_part"}
        for tensor in given:
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
        """Return the expression for what outputs from `begin` to `end`, the first axis of a tensor, have of it."""
        workspace, offset = self._location(tensor, "0")
        sizes = [*(["n"] if tensor.per_sample else []), "end - begin", *map(str, tensor.shape[1:])]
        return f"view({workspace}, {offset} + begin * {math.prod(tensor.shape[1:])}, ({', '.join(sizes)}))"

    def _rows_of(self, operation: PlanStep) -> list[str]:
        """Return the lines of an operation on the rows from `begin` to `end` of each channel."""
        channels, height, cells = operation.writes[0].shape
        lines, views = list[str](), Views()
        for tensor in tensors_of([operation]):
            workspace, offset = self._location(tensor, "s")
            views[tensor.storage, tensor.shape] = name = self._name(tensor, {}) + "_part"
            ahead = f"{offset} + c * {height * cells} + begin * {cells}"
            lines.append(f"                {name} = view({workspace}, {ahead}, (1, 1, end - begin, {cells}))")
        loops = ["        for s in range(n):", f"            for c in range({channels}):"]
        return [*loops, *lines, f"                {self._call(operation, views, 'n', '0')}"]

    def _pieces(self, operation: PlanStep) -> list[str]:
        """Return the lines of a step on the whole batch; each thread has a range of entries or images."""
        shape = operation.writes[0].shape
        pieces = f"(n * {math.prod(shape[: len(shape) - (operation.entry.piece or 0)])})"
        edges = f"k * {pieces} // threads, (k + 1) * {pieces} // threads"
        piece = self._piece(operation, "0", "        ")
        return ["    for k in prange(threads):", f"        begin, end = {edges}", *piece]

    def _piece(self, operation: PlanStep, sample: str, indent: str) -> list[str]:
        """Return the lines of an operation on the images or entries from `begin` to `end`, or on such channels of a
        sample.
        """
        lines, views = list[str](), Views()
        shape = operation.writes[0].shape
        alone = len(shape) - (operation.entry.piece or 0)
        first = alone if sample == "0" else 1
        for tensor in tensors_of([operation]):
            workspace, offset = self._location(tensor, sample)
            views[tensor.storage, tensor.shape] = name = self._name(tensor, {}) + "_part"
            # As many axes as the kernel expects; the last of those that are treated alone has them all.
            across = math.prod(tensor.shape[first:alone])
            count = "end - begin" + (f") * {across}" if across > 1 else "")
            sizes = ", ".join(["1"] * alone + [f"({count}" if across > 1 else count, *map(str, tensor.shape[alone:])])
            ahead = f"{offset} + begin * {math.prod(tensor.shape[first:])}"
            lines.append(f"{indent}{name} = view({workspace}, {ahead}, ({sizes}))")
        return [*lines, f"{indent}{self._call(operation, views, 'n', '0')}"]

    def _call(
        self,
        operation: PlanStep,
        views: Mapping[Any, str],
        count: str,
        start: str,
        share: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the line that calls the kernel of an operation."""
        kernel = operation.entry
        arrays = [*operation.reads, *operation.writes]
        given = ["None" if tensor is None else views[tensor.storage, tensor.shape] for tensor in arrays]
        runtime = {"batch": "n", "seed": "seed", "step": "step", "first": start}
        if self.plan.sharded:
            runtime |= {"batch": "batch", "first": f"(ahead + {start})"}
        known: dict[str, Any] = {**operation.options, **(share or {})}
        known |= {name: _SourceText(f"{times} * {runtime[what]}") for name, (what, times) in operation.runtime.items()}
        rest = [repr(value) for value in kernel.plain_arguments(len(arrays), known)]
        return f"call({self._symbol(operation)!r}, ({', '.join([*given, *rest])},))"

    def _view(self, tensor: Tensor, count: str) -> str:
        """Return the expression for a tensor: `m` samples from `s` on in a block, all `n` where the threads meet."""
        workspace, begin = self._location(tensor, "s" if count == "m" else "0")
        sizes = [*([count] if tensor.per_sample else []), *map(str, tensor.shape)]
        return f"view({workspace}, {begin}, ({', '.join(sizes)}{',' if len(sizes) == 1 else ''}))"

    def _location(self, tensor: Tensor, sample: str) -> tuple[str, str]:
        """Return the array that holds a tensor, and the offset of its sample with this number."""
        if tensor.kind in BUFFER:
            first, _ = self.gradient_range(tensor) if tensor.kind == "gradient" else self._layout[tensor.storage]
            return BUFFER[tensor.kind], str(first)
        ahead = f"{sample} * {tensor.size}" if tensor.per_sample and sample != "0" else ""
        if tensor.storage in self._given:
            return self._given[tensor.storage], ahead or "0"
        # A workspace holds its arrays one after the other, each for a whole block, a share, or the whole batch.
        workspace, offset = self.memory.offsets[tensor.storage]
        if workspace.startswith("batch_"):
            return workspace, f"{offset} * n" + (f" + {ahead}" if ahead else "")
        if workspace.startswith("share_"):
            return workspace, f"{offset} * share" + (f" + ({sample} - first) * {tensor.size}" if ahead else "")
        return workspace, f"{offset} * block"

    def _name(self, tensor: Tensor, taken: Mapping[Any, str]) -> str:
        given = self._given.get(tensor.storage)
        name = f"{given}_block" if given else tensor.storage.replace(".", "_")
        return name if name not in taken.values() else name + "_as_" + "_".join(str(size) for size in tensor.shape)


def _in_pieces(operation: PlanStep) -> bool:
    """Return whether entries or images of an operation's result are treated alone."""
    return operation.entry.piece is not None


def edges_of(share: Share, turns: str = "threads") -> str:
    """Return the line that computes the first entry of turn `k`, and the one after its last."""
    edges = [f"{k} * {share.parts} // {turns}" for k in ("k", "(k + 1)")]
    if share.size > 1:
        edges = [f"min({share.entries}, {edge} * {share.size})" for edge in edges]
    return f"        begin, end = {edges[0]}, {edges[1]}"


def _turns(edge: str) -> str:
    """Return the expression for the first of the parts of a sum that a thread has, or the one after its last."""
    return f"{edge} * {OUTPUT_PARTS} // threads"


def range_of(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the arguments for the entries of a thread, or of a turn."""
    return dict(zip(names, (_SourceText("begin"), _SourceText("end")), strict=True))


@dataclass(frozen=True)
class _SourceText:
    """Source text among attribute values."""

    text: str

    def __repr__(self) -> str:
        return self.text
