"""Lists of the pairs (input, output) that belong to each tap; see `taps.py`.

The output of a pair reads the input of the pair under the tap.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import inlined, kernel
from chainrule.engines.compiled.kernels.filter_tiles import TILE_COLUMNS


class Grid(NamedTuple):
    """How the inputs, or the outputs, of pairs are stored.

    first   first row that is stored
    height  for inputs: rows of the image; for outputs: index of the row after the last row that is stored
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
    """The pairs of all taps. A tap has `counts[tap]` pairs, which start at index tap·spacing.

    cells    offset of the input of each pair
    outputs  offset of the output of each pair
    """

    cells: Any
    outputs: Any
    counts: Any
    spacing: int


@inlined
def tap_offset(tap, shape, window):
    """Return (rows, columns) from element (0, 0) of an image to the input of output (0, 0) under a tap.

    shape  shape of the weights
    """
    dilation, padding = window.dilation, window.padding
    index = shape[2] * shape[3] - 1 - tap if window.flip else tap
    return index // shape[3] * dilation[0] - padding[0][0], index % shape[3] * dilation[1] - padding[1][0]


@inlined
def new_pairs(taps, max_pairs):
    """Return empty lists with space for `max_pairs` pairs per tap, and for one more tile of pairs."""
    spacing = max_pairs + TILE_COLUMNS
    offsets = np.zeros(taps * spacing, np.int64), np.zeros(taps * spacing, np.int64)
    return TapPairs(offsets[0], offsets[1], np.zeros(taps, np.int64), spacing)


@kernel
def list_pairs(pairs, tap, samples, tap_offset, stride, image, outputs):
    """List the pairs of a tap for `samples` images, and return the number of pairs.

    Output i reads input i · stride + down. The outputs whose input is inside the image have rows `top` to `bottom` − 1
    and columns `left` to `right` − 1.

    tap_offset      result of the function `tap_offset`
    image, outputs  `Grid` of the inputs, and of the outputs
    """
    (down, along), (cells, results, counts, spacing) = tap_offset, pairs
    begin, p = tap * spacing, tap * spacing
    top = max(outputs.first, (stride[0] - 1 - down) // stride[0])
    bottom = min(outputs.height, (image.height - 1 - down) // stride[0] + 1)
    left = max(0, (stride[1] - 1 - along) // stride[1])
    right = min(outputs.width, (image.width - 1 - along) // stride[1] + 1)
    for n in range(samples):
        for i in range(top, bottom):
            cell = ((i * stride[0] + down) * image.width + left * stride[1] + along) * image.step + n * image.sample
            result = ((i - outputs.first) * outputs.width + left) * outputs.step + n * outputs.sample
            for j in range(right - left):
                cells[p], results[p] = cell + j * stride[1] * image.step, result + j * outputs.step
                p += 1
    counts[tap] = p - begin
    return p - begin


@inlined
def pad_tile(values, sums, end, unused):
    """Fill the rest of the last tile, from pair `end` on, with pairs whose sums are never read.

    values, sums  lists of the offsets of values to read and of sums to increase
    unused        offset of a sum that is never read
    """
    for p in range(end, end + TILE_COLUMNS):
        values[p], sums[p] = 0, unused
