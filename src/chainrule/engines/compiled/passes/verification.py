"""Checks of a rewritten plan before it becomes a program, because compiled code checks nothing.

- Every tensor is an input or written before it is read, and each kernel writes arrays of the shapes in the plan.
- The input buffers of convolutions are long enough for all tiles.

`layout.buffer_size` computes the length of a buffer. This module derives independently, from the shapes, how far the
kernels read: it follows the tiles vector by vector, and has a formula for the offset of the last channel's last tap.
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

GIVEN = ("input", "target", "parameter", "state")  # kinds of tensors that exist before the first operation


def check_plan(plan: StepPlan, itemsize: int) -> None:
    """Check that the steps of a plan read only what has been written, and stay within the bounds of their arrays.

    itemsize  bytes of an element
    Errors    EngineError, which states the kernel and what is wrong: a tensor that is read before it is written, an end
              of the plan that no operation writes, different shapes, or a buffer that is too short
    """
    written: set[str] = set()
    for operation in plan.operations:
        for tensor in operation.reads:
            if tensor is not None and tensor.kind not in GIVEN and tensor.storage not in written:
                raise EngineError(f"{operation.kernel}: {tensor.name} is read before it is written")
        written.update(tensor.storage for tensor in operation.writes)
        called = operation
        if operation.sharing is Sharing.BY_OUTPUTS:
            called = part_by_outputs(operation)
        _check_shapes(called)
        _check_buffer_bounds(called, itemsize)
    end = plan.loss or plan.output
    if end.storage not in written and end.storage != plan.input.storage:
        raise EngineError(f"no operation writes {end.name}, the end of the plan")


def _check_shapes(operation: PlanStep) -> None:
    """Raise an error if the shapes of the tensors written differ from those that the kernel writes.

    The kernel could otherwise write beyond the end of an array.
    """
    expected = operation.entry.shapes([_sample(tensor) for tensor in operation.reads], operation.options)
    planned = [_sample(tensor).shape for tensor in operation.writes]
    if planned != [tuple(shape) for shape in expected]:
        names = ", ".join(tensor.name for tensor in operation.writes)
        in_plan = ", ".join(map(text, planned))
        written = ", ".join(map(text, expected))
        raise EngineError(f"{operation.kernel} of {names}: the plan has {in_plan}, the kernel writes {written}")


def _sample(tensor: Tensor | None) -> Any:
    """Return an object whose `shape` is that of the tensor in a batch of one sample, or None for None."""
    if tensor is None:
        return None
    return SimpleNamespace(shape=(1, *tensor.shape) if tensor.per_sample else tensor.shape)


def _check_buffer_bounds(operation: PlanStep, itemsize: int) -> None:
    """Raise an error for a convolution whose tiles would read beyond its buffer."""
    for workspace, furthest in buffer_reads(operation, itemsize):
        if furthest > workspace:
            raise EngineError(
                f"{operation.kernel} of {operation.writes[0].name}: reads {furthest} entries of a buffer of {workspace}"
            )


def _plain(function: Any) -> Any:
    """Return the Python function of a compiled function."""
    return getattr(function, "py_func", function)


padded_layout, phase_extent, buffer_size = (
    _plain(layout.padded_layout),
    _plain(layout.phase_extent),
    _plain(layout.buffer_size),
)
forward_taps, backward_taps = _plain(layout.forward_taps), _plain(layout.backward_taps)
row_size = _plain(row_tiles.row_size)


def buffer_reads(operation: PlanStep, itemsize: int) -> Iterator[tuple[int, int]]:
    """Yield the size of each buffer that a kernel allocates for one sample, and how many elements the kernel reads."""
    buffer = operation.entry.input_buffer
    if buffer is None:
        return
    first, second = (tensor.shape for tensor in operation.reads[:2] if tensor is not None)
    attributes = operation.options
    stride = attributes.get("stride", (1, 1))
    dilation = attributes.get("dilation", (1, 1))
    padding = attributes.get("padding", ((0, 0), (0, 0)))
    groups = attributes.get("groups", 1)
    shape = second
    if buffer.result == "dw":
        shape = (second[0], first[0] // groups, *attributes["kernel"])
    kernel = _SlidingKernel(shape, stride, padding, dilation, groups, itemsize if buffer.tiled else 0)
    if buffer.result == "dx":
        yield from kernel.backward(first, attributes["size"])
    else:
        yield kernel.forward(first)


class _SlidingKernel:
    """The window of a convolution, with weights of shape (filters, channels per group, KH, KW).

    itemsize  bytes of an element; 0 if tiles do not extend along a row
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        stride: Pair,
        padding: tuple[Pair, Pair],
        dilation: Pair,
        groups: int,
        itemsize: int,
    ) -> None:
        self.shape = shape
        self.groups = groups
        self.itemsize = itemsize
        self.window = layout.ConvolutionWindow(stride, padding, dilation)
        self.u, self.v = (step * np.arange(cells) for step, cells in zip(dilation, shape[2:], strict=True))

    def forward(self, image: tuple[int, ...]) -> tuple[int, int]:
        """Return the size of the buffer for a padded image (C, H, W), and how many of its elements are read.

        The second number is computed here independently of the kernel: the offset of the last channel's farthest tap,
        plus the elements that tiles read from there. Only kernels with vectors along a row of outputs divide the image
        into phases.
        """
        stride, padding, dilation, *_ = self.window
        axes = zip(image[1:], self.shape[2:], stride, padding, dilation, strict=True)
        rows, cells = (output_size(*axis) for axis in axes)
        # then a row of outputs reads only one phase
        step = (1, 1)
        if self.itemsize:
            step = stride
        window = self.window._replace(stride=step)
        padded = width, plane = padded_layout(SimpleNamespace(shape=(1, *image)), window)
        down, i = np.divmod(self.u, step[0])
        along, j = np.divmod(self.v, step[1])
        phase = i[:, None] * step[1] + j
        phases = plane * step[0] * step[1]
        last = (image[0] - 1) * phases + int((phase * plane + down[:, None] * width + along).max())
        taps = forward_taps(self.shape, padded, window)
        start = (self.groups - 1) * self.shape[1] * phases
        length = (rows - 1) * (stride[0] // step[0]) * width + (cells - 1) * (stride[1] // step[1]) + 1
        return buffer_size(image[0] * phases, start, taps, self._row(length)), last + self._cells_read(length)

    def backward(self, upstream: tuple[int, ...], size: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """Yield the size of the buffer and how many of its elements are read, for each phase of an input gradient.

        upstream  shape (C_out, H', W') of the upstream gradient
        size      size (H, W) of the input gradient
        """
        stride = self.window.stride
        of_group = upstream[0] // self.groups
        for phase in itertools.product(range(stride[0]), range(stride[1])):
            (_, rows, above, down, below), (_, cells, before, along, after) = (
                phase_extent(axis, phase, self.window, self.shape, (1, *upstream), (1, 0, *size)) for axis in range(2)
            )
            has_tap = (self.u % stride[0] == phase[0]).any() and (self.v % stride[1] == phase[1]).any()
            if rows <= 0 or cells <= 0 or not has_tap:  # the kernel skips such a phase
                continue
            width = upstream[2] + max(before, after)
            plane = (above + upstream[1] + below) * width
            i, j = (self._max_offset(a, phase[a]) for a in range(2))
            last = (upstream[0] - 1) * plane + (i + down) * width + j + along
            taps, _ = backward_taps(self.shape, phase, layout.PaddedLayout(width, plane), of_group, self.window)
            length = (rows - 1) * width + cells
            start = (self.groups - 1) * of_group * plane + down * width + along
            yield buffer_size(upstream[0] * plane, start, taps, self._row(length)), last + self._cells_read(length)

    def _max_offset(self, axis: int, phase: int) -> int:
        """Return the distance from a phase's first tap to the kernel's last tap along an axis, in elements of dy."""
        taps = (self.u, self.v)[axis]
        step = self.window.stride[axis]
        return int(taps[-1] // step - taps[taps % step == phase][0] // step)

    def _row(self, length: int) -> int:
        """Return the number of elements read per tap, according to the function that the kernels use."""
        if self.itemsize:
            return row_size(length, self.itemsize)
        return length

    def _cells_read(self, length: int) -> int:
        """Return the number of elements read per tap, derived by following the tiles along the row."""
        if not self.itemsize:
            return length
        vector = lanes(self.itemsize)
        vectors = -(-length // vector)
        furthest = 0
        for tall, low, _ in (row_tiles.BASE_TILE, row_tiles.TILE_OF_6, row_tiles.TILE_OF_5):
            for tile in (tall, low):
                furthest = max(furthest, *(max(min(t, vectors - tile), 0) + tile for t in range(0, vectors, tile)))
        return furthest * vector
