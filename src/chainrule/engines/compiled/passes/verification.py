"""Checks of a rewritten plan before it becomes a program: compiled code checks nothing.

- Every tensor that is read was given or written before, and each kernel writes arrays of the shapes in the plan.
- The buffers that hold the images of convolutions are as long as their tiles reach, whatever padding and dilation.

The length of the buffers is computed by `layout.buffer_size`. This module derives the same length independently, from
shapes alone, by following the tiles vector by vector; the offset of the last tap of the last channel is written as a
formula.
"""

import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from chainrule.core.plan import Tensor
from chainrule.core.shapes import Pair, output_size, text
from chainrule.engines.compiled.kernels import layout, row_tiles
from chainrule.engines.compiled.kernels.tiles import lanes
from chainrule.engines.compiled.passes.sharing import part_by_outputs
from chainrule.engines.compiled.passes.steps import PlanStep, Sharing, StepPlan
from chainrule.errors import EngineError

GIVEN = ("input", "target", "parameter", "state")  # kinds of tensors that no operation has to write


def check_plan(plan: StepPlan, itemsize: int) -> None:
    """Refuse a plan that would read a tensor before it is written, or beyond an array.

    itemsize  bytes of an element
    Errors    EngineError, which names the operation and what it was expected to write or read
    """
    written: set[str] = set()
    for operation in plan.operations:
        for tensor in operation.reads:
            if tensor is not None and tensor.kind not in GIVEN and tensor.storage not in written:
                raise EngineError(f"{operation.kernel}: {tensor.name} is read before it is written")
        written.update(tensor.storage for tensor in operation.writes)
        called = part_by_outputs(operation) if operation.sharing is Sharing.BY_OUTPUTS else operation
        _check_shapes(called)
        _check_buffer_bounds(called, itemsize)
    ends = [plan.output] if plan.loss is None else [plan.loss]
    for tensor in ends:
        if tensor.storage not in written and tensor.storage != plan.input.storage:
            raise EngineError(f"no operation writes {tensor.name}, the end of the plan")


def _check_shapes(operation: PlanStep) -> None:
    """Refuse tensors of other shapes than the kernel writes: they would be garbage, or memory would be overrun."""
    expected = operation.entry.shapes([_sample(tensor) for tensor in operation.reads], operation.options)
    found = [_sample(tensor).shape for tensor in operation.writes]
    if found != [tuple(shape) for shape in expected]:
        names = ", ".join(tensor.name for tensor in operation.writes)
        shown = [", ".join(text(shape) for shape in shapes) for shapes in (found, expected)]
        raise EngineError(f"{operation.kernel} of {names}: the plan has {shown[0]}, the kernel writes {shown[1]}")


def _sample(tensor: Tensor | None) -> Any:
    """Return an object with the shape of the tensor's array for one sample."""
    if tensor is None:
        return None
    return SimpleNamespace(shape=(1, *tensor.shape) if tensor.per_sample else tensor.shape)


def _check_buffer_bounds(operation: PlanStep, itemsize: int) -> None:
    """Refuse a convolution whose tiles would read beyond its buffer."""
    for workspace, furthest in buffer_reads(operation, itemsize):
        if furthest > workspace:
            raise EngineError(
                f"{operation.kernel} of {operation.writes[0].name}: reads {furthest} entries of a buffer of {workspace}"
            )


def _plain(function: Any) -> Any:
    """Return a function of the kernels as a Python function."""
    return getattr(function, "py_func", function)


padded_layout, phase_extent, buffer_size = (
    _plain(layout.padded_layout),
    _plain(layout.phase_extent),
    _plain(layout.buffer_size),
)
forward_taps, backward_taps = _plain(layout.forward_taps), _plain(layout.backward_taps)
row_size = _plain(row_tiles.row_size)


def buffer_reads(operation: PlanStep, itemsize: int) -> Iterator[tuple[int, int]]:
    """Yield the entries of each buffer that a kernel makes for one sample, and how many of them it may read."""
    slide = operation.entry.slide
    if slide is None:
        return
    first, second = (tensor.shape for tensor in operation.reads[:2] if tensor is not None)
    given = operation.options
    stride, dilation = given.get("stride", (1, 1)), given.get("dilation", (1, 1))
    padding, groups = given.get("padding", ((0, 0), (0, 0))), given.get("groups", 1)
    shape = (second[0], first[0] // groups, *given["kernel"]) if slide.finds == "dw" else second
    window = _SlidingKernel(shape, stride, padding, dilation, groups, itemsize if slide.tiled else 0)
    if slide.finds == "dx":
        yield from window.backward(first, given["size"])
    else:
        yield window.forward(first)


class _SlidingKernel:
    """A kernel of a shape (filters, channels of a group, KH, KW) that slides; itemsize 0: no tiles along a row."""

    def __init__(
        self,
        shape: tuple[int, ...],
        stride: Pair,
        padding: tuple[Pair, Pair],
        dilation: Pair,
        groups: int,
        itemsize: int,
    ) -> None:
        self.shape, self.groups, self.itemsize = shape, groups, itemsize
        self.slide = layout.Window(stride, padding, dilation)
        self.u, self.v = (step * np.arange(cells) for step, cells in zip(dilation, shape[2:], strict=True))

    def forward(self, image: tuple[int, ...]) -> tuple[int, int]:
        """Return the entries of the buffer of an image (C, H, W) in its frame of zeros, and those read."""
        stride, padding, dilation, *_ = self.slide
        axes = zip(image[1:], self.shape[2:], stride, padding, dilation, strict=True)
        rows, cells = (output_size(*axis) for axis in axes)
        step = stride if self.itemsize else (1, 1)  # a row of outputs reads a phase
        slide = self.slide._replace(stride=step)
        padded = width, plane = padded_layout(SimpleNamespace(shape=(1, *image)), slide)
        (down, i), (along, j) = np.divmod(self.u, step[0]), np.divmod(self.v, step[1])
        phase = i[:, None] * step[1] + j
        phases = plane * step[0] * step[1]
        last = (image[0] - 1) * phases + int((phase * plane + down[:, None] * width + along).max())
        taps = forward_taps(self.shape, padded, slide)
        start = (self.groups - 1) * self.shape[1] * phases
        length = (rows - 1) * (stride[0] // step[0]) * width + (cells - 1) * (stride[1] // step[1]) + 1
        return buffer_size(image[0] * phases, start, taps, self._row(length)), last + self._cells_read(length)

    def backward(self, upstream: tuple[int, ...], size: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """Yield the same for upstream gradients (C_out, H', W') and each phase of an input gradient of that size."""
        stride = self.slide.stride
        of_group = upstream[0] // self.groups
        for phase in itertools.product(range(stride[0]), range(stride[1])):
            (_, rows, above, down, below), (_, cells, before, along, after) = (
                phase_extent(axis, phase, self.slide, self.shape, (1, *upstream), (1, 0, *size)) for axis in range(2)
            )
            met = (self.u % stride[0] == phase[0]).any() and (self.v % stride[1] == phase[1]).any()
            if rows <= 0 or cells <= 0 or not met:
                continue
            width = upstream[2] + max(before, after)
            plane = (above + upstream[1] + below) * width
            i, j = (self._max_offset(a, phase[a]) for a in range(2))
            last = (upstream[0] - 1) * plane + (i + down) * width + j + along
            taps, _ = backward_taps(self.shape, phase, layout.PaddedLayout(width, plane), of_group, self.slide)
            length = (rows - 1) * width + cells
            start = (self.groups - 1) * of_group * plane + down * width + along
            yield buffer_size(upstream[0] * plane, start, taps, self._row(length)), last + self._cells_read(length)

    def _max_offset(self, axis: int, phase: int) -> int:
        """Return how far ahead of its output the first tap of a phase lies, counted from the last tap on."""
        taps, step = (self.u, self.v)[axis], self.slide.stride[axis]
        return int(taps[-1] // step - taps[taps % step == phase][0] // step)

    def _row(self, length: int) -> int:
        """Return the entries that are read from a tap on by the kernel's own count."""
        return row_size(length, self.itemsize) if self.itemsize else length

    def _cells_read(self, length: int) -> int:
        """Return the entries that are read from a tap on, tile after tile."""
        if not self.itemsize:
            return length
        vector = lanes(self.itemsize)
        vectors = -(-length // vector)
        furthest = 0
        for tall, low, _ in (row_tiles.BASE_TILE, row_tiles.TILE_OF_6, row_tiles.TILE_OF_5):
            for tile in (tall, low):
                furthest = max(furthest, *(max(min(t, vectors - tile), 0) + tile for t in range(0, vectors, tile)))
        return furthest * vector
