"""Streams: programs for networks of one dimension that read new samples only and keep what earlier ones left.

A convolution or pooling needs the last columns of its input again. They are kept in a *history*, to which new columns
are appended. There are two kinds of streams:

causal   every layer pads only before the first sample, as far as its windows reach back. The results are columns of the
         outputs for the whole signal, which begins with the first call
sliding  no layer pads. The first operation that is not computed column by column, such as a dense layer, reads the
         last columns of a whole window, so the outputs are those for the last samples of the length of the window
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from chainrule.core.arrays import Array, Floats
from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError
from chainrule.interop.c import fusing, packing, program
from chainrule.interop.c.calls import IN_PLACE
from chainrule.interop.c.fusing import CONVOLUTION, Values
from chainrule.interop.c.program import OUTPUTS, CProgram

if TYPE_CHECKING:
    from chainrule.models.model import Model

ACTIVATIONS = ("input", "activation")
WINDOWED = (CONVOLUTION, "max_pool", "average_pool")
COLUMNWISE = {"prelu", *(name for name in IN_PLACE if not name.endswith("_dx"))}


@dataclass(frozen=True)
class Stream:
    """A network as a stream.

    plan     the operations for one call, whose input has only new columns
    values   values of the parameters
    state    offset of each history in the arena; `size`: floats of all histories, at the start of the arena
    window   columns of a whole window
    causal   whether the stream is causal
    """

    plan: Plan
    values: Values
    state: Mapping[str, int]
    size: int
    window: int
    causal: bool

    @staticmethod
    def of(model: Model) -> Stream:
        """Return the stream of a model; OptionError for a network that cannot be computed exactly or not in parts."""
        if len(model.input_shape) != 2 or model.has_ports:
            raise OptionError("--stream applies to networks with one input of channels and samples, (C, W)")
        operations, values = fusing.fuse(model.plan(), model.weights)
        plan = replace(model.plan(), forward=tuple(operations))
        paddings = list[Operation]()
        for operation in operations:
            if any(map(any, operation.attributes.get("padding", ()))):
                paddings.append(operation)
        parts = _Parts(plan, causal=bool(paddings))
        for operation in operations:
            parts.add(operation)
        return Stream(parts.finished(), values, parts.state, parts.size, model.input_shape[-1], parts.causal)

    @property
    def columns(self) -> int:
        """Number of new samples of a call."""
        return self.plan.input.shape[-1]

    @property
    def calls(self) -> int:
        """Number of calls for a whole window; of a causal stream, without samples that are left over."""
        if self.causal:
            return self.window // self.columns
        return math.ceil(self.window / self.columns)

    def program(self, normalization: Normalization) -> CProgram:
        """Return the C program, whose arena begins with the histories."""
        calls = packing.inference(self.plan.forward, self.values, compact=True)
        histories = {storage: f"arena + {offset}" for storage, offset in self.state.items()}
        whole = program.assemble(self.plan, calls, self.values, normalization, histories)
        offsets = dict(self.state)
        for storage, offset in whole.arena.offsets.items():
            offsets[storage] = offset + self.size
        arena = replace(whole.arena, offsets=offsets, floats=whole.arena.floats + self.size, kept=self.size)
        return replace(whole, arena=arena)

    def signal(self, parts: Floats) -> Floats:
        """Return the samples of successive calls (numbers,) as one signal (C, samples)."""
        channels = self.plan.input.shape[0]
        return parts.reshape(-1, channels, self.columns).swapaxes(0, 1).reshape(channels, -1)

    def outputs(self, model: Model, signal: Array) -> Array:
        """Return the outputs of the last call for a normalized signal (C, samples), computed for a whole window."""
        if not self.causal:
            return model.apply(signal[None, :, signal.shape[-1] - self.window :])[0]
        window = np.zeros((1, len(signal), self.window))
        window[0, :, : signal.shape[-1]] = signal
        columns = self.plan.output.shape[-1]
        end = self.calls * columns
        return model.apply(window)[0, ..., end - columns : end]


class _Parts:
    """The operations of a stream, which are added one at a time.

    causal   whether the stream is causal
    state    offsets of the histories
    size     floats of the histories
    """

    def __init__(self, plan: Plan, *, causal: bool) -> None:
        self.causal = causal
        self.state = dict[str, int]()
        self.size = 0
        self._plan = plan
        self._operations = list[Operation]()
        columns = _columns_of_call(plan)
        self._input = plan.input.viewed((plan.input.shape[0], columns))
        self._columns = {plan.input.storage: columns}  # new columns of each result that is computed in parts
        self._shapes = {plan.input.storage: plan.input.shape}
        for operation in plan.forward:
            self._shapes[operation.result.storage] = operation.result.shape

    def add(self, operation: Operation) -> None:
        """Add an operation: for new columns, or for a whole window."""
        x = operation.operand()
        y = operation.result
        activations = [tensor for tensor in operation.reads if tensor is not None and tensor.kind in ACTIVATIONS]
        parts = [tensor for tensor in activations if tensor.storage in self._columns]
        is_divisible = all(map(self._has_columns, activations)) and not _varies_with_columns(operation)
        if not parts:
            self._operations.append(operation)
        elif is_divisible and operation.name in WINDOWED and y.shape[-1] > 1:
            self._add_windowed(operation, x, y)
        elif is_divisible and operation.name in COLUMNWISE and _have_same_columns([*activations, y]):
            self._columns[y.storage] = self._columns[x.storage]
            self._operations.append(self._for_new_columns(operation))
        else:
            self._require(not self.causal, operation, "reads a whole window, but the network pads its ends")
            reads = [tensor and self._whole(tensor) for tensor in operation.reads]
            self._operations.append(replace(operation, reads=tuple(reads)))

    def _add_windowed(self, operation: Operation, x: Tensor, y: Tensor) -> None:
        """Add a convolution or pooling of the history and the new columns."""
        attributes = dict(operation.attributes)
        stride = attributes["stride"][-1]
        before, after = attributes["padding"][-1]
        taps = attributes["window"][-1] if "window" in attributes else operation.operand(1).shape[-1]
        reach = (taps - 1) * attributes.get("dilation", (1, 1))[-1] + 1
        if self.causal and operation.name != CONVOLUTION:
            is_exact = reach <= stride and not before and not after
            self._require(is_exact, operation, "has padded or overlapping windows; use a stride of at least their size")
            kept = 0
        elif self.causal:
            is_exact = not after and max(0, reach - stride) <= before < max(reach, 1)
            padding = f"pads {before} columns before and {after} after; use padding=(({reach - 1}, 0),)"
            self._require(is_exact, operation, padding)
            kept = before
        else:
            is_exact = (x.shape[-1] - max(reach, stride)) % stride == 0
            self._require(is_exact, operation, "leaves out the last columns of its input")
            kept = max(0, reach - stride)
        attributes["padding"] = (attributes["padding"][0], (0, 0))
        self._columns[y.storage] = self._columns[x.storage] // stride
        read = self._appended(x, f"{y.storage}.history", kept) if kept else self._part(x)
        part = self._for_new_columns(operation)
        self._operations.append(replace(part, reads=(read, *part.reads[1:]), attributes=attributes))

    def _has_columns(self, tensor: Tensor) -> bool:
        """Return whether a tensor is computed in parts, and its last axis is that of columns, not of a flat view."""
        whole = self._shapes[tensor.storage]
        return tensor.storage in self._columns and tensor.shape[1:][-1:] == whole[-1:]

    def _for_new_columns(self, operation: Operation) -> Operation:
        reads = tuple(tensor and self._part(tensor) for tensor in operation.reads)
        return replace(operation, reads=reads, writes=tuple(map(self._part, operation.writes)))

    def _part(self, tensor: Tensor) -> Tensor:
        """Return the new columns of a tensor, or the tensor itself if it is not read in parts."""
        owner = tensor.storage.removesuffix(".winner")
        columns = self._columns.get(tensor.storage, self._columns.get(owner))
        return tensor if columns is None else tensor.viewed((*tensor.shape[:-1], columns))

    def _appended(self, x: Tensor, name: str, kept: int) -> Tensor:
        """Return the last `kept` columns of a tensor with the new ones, and add the operation that appends these."""
        columns = self._columns[x.storage]
        history = Tensor(name, (*x.shape[:-1], kept + columns))
        self.state[name] = self.size
        self.size += program.aligned_size(history.size)
        self._operations.append(Operation("append", (self._part(x),), (history,), {"kept": kept, "columns": columns}))
        return history

    def _whole(self, x: Tensor) -> Tensor:
        """Return the last columns of a tensor, as many as a whole window has."""
        if x.storage not in self._columns:
            return x
        name = f"{x.storage}.window"
        if name not in self.state:
            whole = self._shapes[x.storage]
            columns = self._columns[x.storage]
            if whole[-1] < columns:
                raise OptionError(
                    f"--stream: the window {whole[-1]} of {x.storage} is shorter than {columns} new columns"
                )
            self._appended(Tensor(x.name, whole, storage=x.storage), name, whole[-1] - columns)
        return Tensor(name, x.shape)

    def finished(self) -> Plan:
        """Return the plan for one call. The outputs of a sliding stream are those of a whole window."""
        output = self._plan.output
        if self.causal:
            last = self._plan.forward[-1]
            self._require(self._has_columns(output), last, "has a flattened result, but the network pads its ends")
        elif output.storage in self._columns:
            window = self._whole(output)
            output = Tensor(OUTPUTS, output.shape)
            self._operations.append(Operation("copy", (window,), (output,), {}))
        return replace(self._plan, input=self._input, output=self._part(output), forward=tuple(self._operations))

    def _require(self, is_possible: bool, operation: Operation, problem: str) -> None:
        if not is_possible:
            layer = f"layer {operation.layer!r}"
            raise OptionError(f"a stream cannot have the results of a whole window: {layer} {problem}")


def _columns_of_call(plan: Plan) -> int:
    """Return the smallest number of new columns of which every operation computes whole columns."""
    strides = {plan.input.storage: 1}  # columns of the input for each column of a result
    for operation in plan.forward:
        x = operation.operand()
        y = operation.result
        stride = 1
        if y.shape[-1] > 1:
            stride = operation.attributes.get("stride", (1, 1))[-1]
        strides[y.storage] = strides.get(x.storage, 1) * stride
    return math.lcm(*strides.values())


def _varies_with_columns(operation: Operation) -> bool:
    """Return whether a parameter has values for each column."""
    return any(x is not None and x.kind not in ACTIVATIONS and len(x.shape) in (2, 3) for x in operation.reads)


def _have_same_columns(tensors: Sequence[Tensor]) -> bool:
    return all(len(tensor.shape) > 1 and tensor.shape[-1] == tensors[0].shape[-1] for tensor in tensors)
