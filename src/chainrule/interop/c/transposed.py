"""Transposed convolutions as convolutions with stride 1, so that int8 programs need no further kernel.

The result is divided into cells of the size of the stride. Each position in a cell has its own filter, which contains
the weights that act on this position. The convolution computes the positions of a cell as channels, and a permutation
moves them to their places.
"""

import math
from itertools import starmap

import numpy as np

from chainrule.core.arrays import Array, Ints
from chainrule.core.plan import Operation, Tensor


def convolution(operation: Operation, values: dict[str, Array]) -> Operation:
    """Return the convolution that computes the cells of a transposed convolution, and add its parameters to the values.

    The result has the shape (filters · SH · SW, rows of cells, columns of cells).

    operation   transposed convolution with kernels (filters, C_in/groups, KH, KW), as `fusing.fuse` returns it
    values      values of the parameters by storage
    """
    x = operation.operand()
    w = operation.operand(1)
    b = operation.reads[2]
    y = operation.result
    stride, dilation, crop = (operation.attributes[name] for name in ("stride", "dilation", "padding"))
    axes = zip(x.shape[1:], y.shape[1:], w.shape[2:], stride, dilation, crop, strict=True)
    (rows, vertical, height), (columns, horizontal, width) = starmap(_cells, axes)
    # The appended row and column are the zeros that `_cells` refers to as index KH or KW.
    cell_kernels = np.pad(values[w.storage].reshape(w.shape), ((0, 0), (0, 0), (0, 1), (0, 1)))
    cell_kernels = np.moveaxis(cell_kernels[:, :, rows[:, None, :, None], columns[:, None, :]], 1, 3)
    cell_kernels = cell_kernels.reshape(-1, *cell_kernels.shape[3:])
    bias = np.zeros(w.shape[0])
    if b is not None:
        bias = values[b.storage]
    parameters = list[Tensor]()
    for name, array in (("w", cell_kernels), ("b", np.repeat(bias, math.prod(stride)))):
        parameters.append(Tensor(f"{y.name}.{name}", array.shape, "parameter"))
        values[parameters[-1].storage] = array
    attributes = {"stride": (1, 1), "padding": (vertical, horizontal), "dilation": (1, 1), "flip": False}
    cells = Tensor(f"{y.name}.cells", (len(cell_kernels), height, width))
    return Operation("cross_correlate", (x, *parameters, None), (cells,), {**operation.attributes, **attributes})


def _cells(
    size: int, result: int, kernel: int, step: int, dilation: int, crop: tuple[int, int]
) -> tuple[Ints, tuple[int, int], int]:
    """Return taps, padding and number of cells for an axis with sizes of input, result and kernel.

    With step 2 and 3 weights w, without dilation and crop, cell i contains two positions:

        y[2·i]     = w[0] · x[i] + w[2] · x[i − 1]        taps[0] = (2, 0), for x[i − 1] and x[i]
        y[2·i + 1] = w[1] · x[i]                          taps[1] = (3, 1), where 3 is no weight

    taps[a, t] is the kernel's index at tap t for position a in a cell, or the kernel's size for no weight. The weight
    u acts on x[i] and y[step · i + dilation · u − crop].
    """
    offsets = np.arange(step)[:, None] + crop[0] - dilation * np.arange(kernel)
    positions, indices = np.nonzero(offsets % step == 0)
    shifts = offsets[positions, indices] // step
    before, after = (max(0, int(shift)) for shift in (-shifts.min(), shifts.max()))
    taps = np.full((step, before + 1 + after), kernel)
    taps[positions, shifts + before] = indices
    count = max(math.ceil(result / step), size - after)
    return taps, (before, count + after - size), count


def interleaving(x: Tensor, y: Tensor, stride: tuple[int, int]) -> Operation:
    """Return the operation that moves cells x (filters · SH · SW, rows, columns) to y (filters, height, width).

    It does the same as `interleaved`, but its tensors have the axes of memory, where the channels are last.
    """
    _, rows, columns = x.shape
    memory = x.viewed((rows, columns, y.shape[0], *stride)), y.viewed((rows, stride[0], columns, stride[1], y.shape[0]))
    return Operation("permute", memory[:1], memory[1:], {"axes": (0, 3, 1, 4, 2)})


def interleaved(values: Array, x: Tensor, stride: tuple[int, int]) -> Array:
    """Return the elements of cells x (filters · SH · SW, rows, columns) at their places, for all samples.

    For one filter and stride (1, 2), the two channels are the even and the odd columns of the result:

        (a c e), (b d f)  →  (a b c d e f)
    """
    _, rows, columns = x.shape
    cells = values.reshape(len(values), -1, *stride, rows, columns)  # (N, filters, SH, SW, rows, columns)
    return cells.transpose(0, 1, 4, 2, 5, 3).reshape(len(values), -1, rows * stride[0], columns * stride[1])
