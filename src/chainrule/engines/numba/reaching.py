"""How far the kernels of convolutions read into the buffers that they lay images out in, from shapes alone.

The buffers are made by `layout.room_for`. Here the same is found another way: the walk of the tiles is followed vector
by vector, and where the last tap of the last channel lies is written as a formula.
"""

import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from chainrule.engines.numba import convolution, layout
from chainrule.engines.numba.tiles import lanes
from chainrule.plan import Operation
from chainrule.shapes import Pair, output_size


def _plain(function: Any) -> Any:
    """A function that kernels are made of, to be called from Python."""
    return getattr(function, "py_func", function)


frame, reach, room_for = _plain(layout.frame), _plain(layout.reach), _plain(layout.room_for)
forward_taps, backward_taps = _plain(layout.forward_taps), _plain(layout.backward_taps)
row_size = _plain(convolution._row_size)  # pyright: ignore[reportPrivateUsage]


def reaches(operation: Operation, itemsize: int) -> Iterator[tuple[int, int]]:
    """For each buffer of one sample that a kernel makes: the numbers it has, and how many of them may be read."""
    kind = operation.name.replace("correlate_filters", "cross_correlate")
    if not kind.startswith("cross_correlate"):
        return
    first, second = (tensor.shape for tensor in operation.reads[:2] if tensor is not None)
    given = operation.attributes
    stride, dilation = tuple(given.get("stride", (1, 1))), tuple(given.get("dilation", (1, 1)))
    padding, groups = given.get("padding", ((0, 0), (0, 0))), given.get("groups", 1)
    side_by_side = kind != operation.name  # filters: their walk reads no more than the cells under the taps
    if kind == "cross_correlate_dx":
        window = _Window(second, stride, padding, dilation, groups, 0 if side_by_side else itemsize)
        yield from window.backward(first, given["size"])
    else:
        shape = second if kind == "cross_correlate" else (second[0], first[0] // groups, *given["kernel"])
        window = _Window(shape, stride, padding, dilation, groups, 0 if side_by_side else itemsize)
        yield window.forward(first)


class _Window:
    """A kernel of a shape (filters, channels of a group, KH, KW) that slides; itemsize 0: no tiles along a row."""

    def __init__(
        self,
        shape: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[Pair, Pair],
        dilation: tuple[int, ...],
        groups: int,
        itemsize: int,
    ) -> None:
        self.shape, self.stride, self.padding, self.dilation = shape, stride, padding, dilation
        self.groups, self.itemsize = groups, itemsize
        self.u, self.v = (step * np.arange(cells) for step, cells in zip(dilation, shape[2:], strict=True))

    def forward(self, image: tuple[int, ...]) -> tuple[int, int]:
        """Of an image (C, H, W) in its frame of zeros."""
        width, plane = frame(SimpleNamespace(shape=(1, *image)), self.stride, self.padding)
        axes = zip(image[1:], self.shape[2:], self.stride, self.padding, self.dilation, strict=True)
        rows, cells = (output_size(*axis) for axis in axes)
        (down, i), (along, j) = np.divmod(self.u, self.stride[0]), np.divmod(self.v, self.stride[1])
        phase = i[:, None] * self.stride[1] + j
        phases = plane * self.stride[0] * self.stride[1]
        last = (image[0] - 1) * phases + int((phase * plane + down[:, None] * width + along).max())
        taps = forward_taps(self.shape, width, plane, self.stride, self.dilation, False)
        start = (self.groups - 1) * self.shape[1] * phases
        length = (rows - 1) * width + cells
        return room_for(image[0] * phases, start, taps, self._row(length)), last + self._walked(length)

    def backward(self, slopes: tuple[int, ...], size: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """Of slopes (C_out, H', W') for each phase of an input gradient of that size."""
        of_group = slopes[0] // self.groups
        for phase in itertools.product(range(self.stride[0]), range(self.stride[1])):
            (_, rows, above, down, below), (_, cells, before, along, after) = (
                reach(phase[a], self.stride[a], self.padding[a][0], self.dilation[a], self.shape[2 + a], given, wanted)
                for a, (given, wanted) in enumerate(zip(slopes[1:], size, strict=True))
            )
            met = (self.u % self.stride[0] == phase[0]).any() and (self.v % self.stride[1] == phase[1]).any()
            if rows <= 0 or cells <= 0 or not met:
                continue
            width = slopes[2] + max(before, after)
            plane = (above + slopes[1] + below) * width
            i, j = (self._furthest(a, phase[a]) for a in range(2))
            last = (slopes[0] - 1) * plane + (i + down) * width + j + along
            taps, _ = backward_taps(self.shape, phase, width, plane, of_group, self.stride, self.dilation, False)
            length = (rows - 1) * width + cells
            start = (self.groups - 1) * of_group * plane + down * width + along
            yield room_for(slopes[0] * plane, start, taps, self._row(length)), last + self._walked(length)

    def _furthest(self, axis: int, phase: int) -> int:
        """Return how far ahead of its output the first tap of a phase lies, counted from the last tap on."""
        taps, step = (self.u, self.v)[axis], self.stride[axis]
        return int(taps[-1] // step - taps[taps % step == phase][0] // step)

    def _row(self, length: int) -> int:
        """What the kernel takes for the numbers that are read from a tap on."""
        return row_size(length, self.itemsize) if self.itemsize else length

    def _walked(self, length: int) -> int:
        """The numbers that are read from a tap on, tile after tile."""
        if not self.itemsize:
            return length
        vector = lanes(self.itemsize)
        vectors = -(-length // vector)
        furthest = 0
        for tall, low, _ in (convolution.EIGHT, convolution.SIX):
            for tile in (tall, low):
                furthest = max(furthest, *(max(min(t, vectors - tile), 0) + tile for t in range(0, vectors, tile)))
        return furthest * vector
