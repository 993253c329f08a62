"""Lists of the pairs (input, output) that belong to each tap of a kernel; see `taps.py`."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import inlined, kernel
from chainrule.engines.compiled.kernels.filter_tiles import TILE_COLUMNS


class Grid(NamedTuple):
    """The elements of images, or the outputs, that pairs refer to.

    first   first row that is stored
    height  rows of the whole image
    width   elements of a row
    step    distance between neighboring elements
    sample  distance between images
    """

    first: int
    height: int
    width: int
    step: int
    sample: int


class TapPairs(NamedTuple):
    """Offsets of inputs and outputs. The output of a pair uses the pair's input under the tap.

    A tap has `counts[tap]` pairs, which start at index tap·spacing.
    """

    cells: Any
    outputs: Any
    counts: Any
    spacing: int


@inlined
def tap_offset(tap, shape, window):
    """Return (rows, columns) from the origin of an image to the input of its first output under a tap."""
    dilation, padding = window.dilation, window.padding
    index = shape[2] * shape[3] - 1 - tap if window.flip else tap
    return index // shape[3] * dilation[0] - padding[0][0], index % shape[3] * dilation[1] - padding[1][0]


@inlined
def new_pairs(taps, max_pairs):
    """Return lists for `max_pairs` pairs per tap, with space for a tile beyond the last."""
    spacing = max_pairs + TILE_COLUMNS
    offsets = np.zeros(taps * spacing, np.int64), np.zeros(taps * spacing, np.int64)
    return TapPairs(offsets[0], offsets[1], np.zeros(taps, np.int64), spacing)


@kernel
def list_pairs(pairs, tap, samples, tap_offset, stride, image, outputs):
    """List the pairs of a tap, and return their number.

    tap_offset  (rows, columns), see the function of this name
    """
    (down, along), (cells, results, counts, spacing) = tap_offset, pairs
    begin, p = tap * spacing, tap * spacing
    top = max(outputs.first, (stride[0] - 1 - down) // stride[0])
    bottom = min(outputs.height, (image.height - 1 - down) // stride[0] + 1)
    left = max(0, (stride[1] - 1 - along) // stride[1])
    right = min(outputs.width, (image.width - 1 - along) // stride[1] + 1)
    for s in range(samples):
        for i in range(top, bottom):
            cell = ((i * stride[0] + down) * image.width + left * stride[1] + along) * image.step + s * image.sample
            result = ((i - outputs.first) * outputs.width + left) * outputs.step + s * outputs.sample
            for j in range(right - left):
                cells[p], results[p] = cell + j * stride[1] * image.step, result + j * outputs.step
                p += 1
    counts[tap] = p - begin
    return p - begin


@inlined
def pad_tile(values, sums, end, unused):
    """Fill the rest of the last tile with pairs whose sums are never read."""
    for p in range(end, end + TILE_COLUMNS):
        values[p], sums[p] = 0, unused
