"""C calls for inference, with parameters packed for vector instructions.

A convolution either computes tiles of outputs or uses Winograd's algorithm. The sums of a tile stay in registers. A
vector contains the sums for several filters or for several positions. Max pooling does not record the positions of the
maxima.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.arrays import Array, Floats, Shape
from chainrule.core.plan import Operation, Tensor
from chainrule.interop.c import calls
from chainrule.interop.c.calls import CCall, Offset, Sliding
from chainrule.interop.c.fusing import Values

MAX_UNROLLED_TAPS = 16  # largest number of window elements for which the C compiler unrolls the loop
LATENCY = 6  # number of independent sums needed to keep the multiply-add units busy
BLOCK_FILTERS = 16  # filters computed together; the remaining filters are computed in blocks of 8 and 4
DEPTHWISE_WIDTHS, MAX_DEPTHWISE_ROWS = (1, 4, 8, 16), 4  # columns and rows of depthwise tiles
STORE_CYCLES = 1.3  # cost of storing one sum of a tile


class RegisterSet(NamedTuple):
    """Vector registers of a class of processors.

    The order of `REGISTER_SETS` is that of the arguments of the macro PICK in prelude.c. Their largest tiles determine
    MAX_POSITIONS in convolution.c.

    lanes      floats per vector
    registers  number of sums that fit into registers
    """

    lanes: int
    registers: int


REGISTER_SETS = (RegisterSet(16, 24), RegisterSet(8, 12), RegisterSet(4, 24), RegisterSet(4, 12), RegisterSet(1, 16))


class RegisterTile(NamedTuple):
    """A tile of output positions whose sums are in registers at the same time: number of rows and columns.

    0 rows mean that the tile is one vector of neighboring positions in a row, which needs a register per filter.
    """

    rows: int
    columns: int


def inference(operations: Iterable[Operation], values: Values, *, compact: bool) -> list[CCall]:
    """Return the calls for the operations of a fused plan, and add their packed parameters to `values`.

    compact  do not use Winograd's algorithm even if it is faster: its transformed kernels need more memory
    """
    packed = list[CCall]()
    for operation in operations:
        packed += _convolution(operation, values, compact) if operation.name == "cross_correlate" else _call(operation)
    return packed


def unpacked(operations: Iterable[Operation]) -> list[CCall]:
    """Return the calls for the operations of an inference plan, without packing their parameters."""
    unchanged = list[CCall]()
    for operation in operations:
        unchanged += _call(operation)
    return unchanged


def _call(operation: Operation) -> list[CCall]:
    """Return the calls for an operation, with faster functions for poolings."""
    if operation.name == "max_pool":
        return [_max_pool(operation)]
    if operation.name == "average_pool":
        return [_average_pool(operation)]
    return calls.of_operation(operation)


def _max_pool(operation: Operation) -> CCall:
    x = operation.operand()
    y = operation.result
    window = Sliding.of_pooling(operation)
    if _is_unrolled(window):
        return CCall("max_pool_unpadded", (x, y, window.struct))
    return CCall("max_pool", (x, y, None, window.struct))


def _average_pool(operation: Operation) -> CCall:
    window = Sliding.of_pooling(operation)
    function = "average_pool"
    if window.covers_image and operation.attributes["divisor"] != "one":
        function = "average_plane"
    elif _is_unrolled(window):
        function = "average_pool_unpadded"
    return calls.by_signature(operation, function)


def _is_unrolled(window: Sliding) -> bool:
    """Return whether the windows are small enough to be unrolled, and never extend beyond the image."""
    return window.stays_inside and window.kernel_height * window.kernel_width <= MAX_UNROLLED_TAPS


def _convolution(operation: Operation, values: Values, compact: bool) -> list[CCall]:
    x = operation.operand()
    y = operation.result
    attributes = operation.attributes
    is_depthwise = attributes["groups"] == x.shape[0] == y.shape[0]
    if attributes["groups"] > 1 and not is_depthwise:
        return _grouped_convolution(operation)
    convolution = _PackedConvolution(operation, values)
    if not compact and _winograd_pays(x, operation.operand(1), y, attributes):
        convolution.add_winograd()
    elif is_depthwise:
        convolution.add_depthwise()
    else:
        convolution.add_blocks()
    return convolution.calls


def _grouped_convolution(operation: Operation) -> list[CCall]:
    """Return the calls for a grouped convolution, without packing its parameters."""
    *reads, plus = operation.reads
    y = operation.result
    group_calls = calls.of_operation(replace(operation, reads=tuple(reads)))
    if plus is not None:
        group_calls.append(CCall("add", (y, plus, y, y.size)))
    if operation.attributes["relu"]:
        group_calls.append(CCall("relu", (y, y, y.size)))
    return group_calls


def _winograd_pays(x: Tensor, w: Tensor, y: Tensor, attributes: Any) -> bool:
    """Return whether Winograd's algorithm is applicable and, by an estimate for AVX-512, faster."""
    is_plain = attributes["stride"] == (1, 1) == attributes["dilation"] and attributes["groups"] == 1
    if not is_plain or w.shape[2:] != (3, 3):
        return False
    window = Sliding.of(x, (3, 3), y, attributes)
    direct_cost = 0.0
    for _, size, blocks, _ in filter_runs(y.shape[0]):
        direct_cost += blocks * best_tile(window, size, REGISTER_SETS[0])[1]
    return winograd_cost(Tiling.of(*y.shape[1:]), x.shape[0], y.shape[0]) < direct_cost


class _PackedConvolution:
    """The calls for a convolution of one group, or with one filter per channel. Its parameters are packed.

    calls   the calls; each `add_…` method adds those of an algorithm
    """

    def __init__(self, operation: Operation, values: Values) -> None:
        self.calls = list[CCall]()
        self._values = values
        self._x = operation.operand()
        self._y = operation.result
        w = operation.operand(1)
        b, self._plus = operation.reads[2:]
        self._attributes = operation.attributes
        self._relu = int(operation.attributes["relu"])
        self._weight = values[w.storage].reshape(w.shape)
        self._bias = np.zeros(w.shape[0], np.float32)
        if self._attributes["flip"]:
            self._weight = self._weight[:, :, ::-1, ::-1]
        if b is not None and len(b.shape) == 1:
            self._bias = values[b.storage]
        elif b is not None and self._plus is not None:
            summed = self._new("plus", self._y.shape)
            self.calls.append(CCall("add", (self._plus, b, summed, summed.size)))
            self._plus = summed
        elif b is not None:
            self._plus = b

    def add_winograd(self) -> None:
        """Add Winograd's algorithm. In each row of the padded image, even columns are stored before odd ones."""
        tiling = Tiling.of(*self._y.shape[1:])
        filters = self._y.shape[0]
        channels = self._x.shape[0]
        source = self._padded(tiling.padded, 2)
        kernels = transform_kernels(self._weight)
        filler = -filters % BLOCK_FILTERS
        parameters = self._parameters("", kernels, np.pad(self._bias, (0, filler)))
        products = POINTS * GROUP * GROUP  # of 16 tiles, and 16 filters
        inputs = POINTS * GROUP * (channels + 1)
        workspace = self._new("tiles", (products + inputs,))
        sizes = (tiling.rows * tiling.columns, tiling.columns, len(kernels), BLOCK_FILTERS - filler)
        window = self._sliding(source).struct
        arguments = (source, *parameters, self._plus, workspace, self._y, window, *sizes, self._relu)
        self.calls.append(CCall("winograd", arguments))

    def add_depthwise(self) -> None:
        """Add a depthwise convolution, which pads one channel at a time."""
        x = self._x
        scratch = None
        placement = (0, 0, 0, 0)
        if self._is_pointwise():
            x, window = self._one_row()
        else:
            size = self._padded_size()
            if size:
                (top, _), (left, _) = self._attributes["padding"]
                scratch = self._new("padded", size)
                placement = (*x.shape[1:], top, left)
            window = self._sliding(Tensor("", (x.shape[0], *(size or x.shape[1:]))))
        parameters = self._parameters("", self._weight, self._bias)
        arguments = (x, *parameters, self._plus, scratch, self._y, window.struct, *placement)
        width = max(width for width in DEPTHWISE_WIDTHS if width <= window.columns)
        function = f"cross_correlate_depthwise_{width}"
        self.calls.append(CCall(function, (*arguments, min(window.rows, MAX_DEPTHWISE_ROWS), self._relu)))

    def add_blocks(self) -> None:
        """Add a call for each run of filter blocks of the same size (`filter_runs`).

        Kernels are packed as [block][c][u][v][o], where o is the filter within its block. If a block is larger than its
        `count` filters, zeros are added as its last ones.
        """
        size = self._padded_size()
        stride_x = self._attributes["stride"][1]
        if self._is_pointwise():
            source, window = self._one_row()
        else:
            source = self._padded(size, stride_x) if size else self._x
            window = self._sliding(source)
        plane = math.prod(self._y.shape[1:])
        for first, size, blocks, count in filter_runs(self._y.shape[0]):
            run = slice(first, first + blocks * count)
            filler = (0, size - count)
            kernels = np.pad(self._weight[run].reshape(blocks * count, -1), (filler, (0, 0)))
            packed = kernels.reshape(blocks, size, -1).transpose(0, 2, 1)
            parameters = self._parameters(str(first), packed, np.pad(self._bias[run], filler))
            tile_rows = list[str]()
            tile_columns = list[str]()
            for machine in REGISTER_SETS:
                tile = best_tile(window, size, machine)[0]
                tile_rows.append(str(tile.rows))
                tile_columns.append(str(tile.columns))
            picked = f"PICK({', '.join(tile_rows)})", f"PICK({', '.join(tile_columns)})"
            addend = self._plus and Offset(self._plus, first * plane)
            y = Offset(self._y, first * plane)
            arguments = (source, *parameters, addend, y, window.struct, blocks, *picked, count, self._relu)
            self.calls.append(CCall(f"cross_correlate_{size}", arguments))

    def _is_pointwise(self) -> bool:
        """Return whether the convolution has 1×1 kernels and no padding."""
        return self._weight.shape[2:] == (1, 1) and not any(map(any, self._attributes["padding"]))

    def _one_row(self) -> tuple[Tensor, Sliding]:
        """Return a pointwise convolution's input as a single row, and its sizes and options."""
        _, *size = self._y.shape
        stride = self._attributes["stride"]
        source = self._x
        if tuple(stride) != (1, 1):
            source = self._new("sampled", (self._x.shape[0], *size))
            plane, row, column = calls.steps(self._x.shape)
            steps = (plane, row * stride[0], column * stride[1])
            self.calls.append(calls.strided("copy_strided", self._x, source, source.shape, steps))
        row = (1, math.prod(size))
        source = source.viewed((source.shape[0], *row))
        result = self._y.viewed((self._y.shape[0], *row))
        return source, self._sliding(source, result, stride=(1, 1))

    def _padded_size(self) -> tuple[int, int] | None:
        """Return the rows and columns that the windows cover, with padding; None if no copy of the image is needed."""
        stride = self._attributes["stride"]
        dilation = self._attributes["dilation"]
        if stride[1] == 1 and not any(map(any, self._attributes["padding"])):
            return None
        covered = list[int]()
        for outputs, step, gap, taps in zip(self._y.shape[1:], stride, dilation, self._weight.shape[2:], strict=True):
            covered.append((outputs - 1) * step + gap * (taps - 1) + 1)
        return covered[0], _round_up(covered[1], stride[1])

    def _padded(self, size: tuple[int, int], stride: int) -> Tensor:
        """Return the padded image; neighboring windows at this stride read neighboring elements of its rows."""
        (top, _), (left, _) = self._attributes["padding"]
        result = self._new("padded", (self._x.shape[0], *size))
        self.calls.append(CCall("zero_pad", (self._x, result, *self._x.shape, top, left, *size, stride)))
        return result

    def _sliding(self, source: Tensor, result: Tensor | None = None, **changes: Any) -> Sliding:
        """Return the sizes and options for an image that already includes its padding."""
        attributes = {**self._attributes, "padding": ((0, 0), (0, 0)), **changes}
        return Sliding.of(source, self._weight.shape[2:], result or self._y, attributes)

    def _new(self, name: str, shape: Shape) -> Tensor:
        return Tensor(f"{self._y.name}.{name}", shape)

    def _parameters(self, suffix: str, w: Array, b: Array) -> list[Tensor]:
        """Return new parameters with these values."""
        parameters = list[Tensor]()
        for letter, array in (("w", w), ("b", b)):
            parameter = Tensor(f"{self._y.name}.{letter}{suffix}", array.shape, "parameter")
            self._values[parameter.storage] = array
            parameters.append(parameter)
        return parameters


def filter_runs(filters: int) -> list[tuple[int, int, int, int]]:
    """Return runs of filter blocks: (first filter, size of a block, number of blocks, filters in each)."""
    runs = list[tuple[int, int, int, int]]()
    first = 0
    for size in (BLOCK_FILTERS, 8, 4):
        rest = filters - first
        for blocks, count in ((rest // size, size), (1, rest % size)):
            if blocks and count > size - 4:  # up to 3 missing filters cost less than smaller blocks
                runs.append((first, size, blocks, count))
                first += blocks * count
    return runs


@cache
def best_tile(window: Sliding, filters: int, machine: RegisterSet) -> tuple[RegisterTile, float]:
    """Return the tile with the lowest estimated time for a convolution, and this time in half cycles.

    Vectors of filters must be transposed before they are stored; vectors of positions are stored as they are. The
    latter are tried first, as a tile of 0 rows, if a row of results fills a vector. Of tiles of filters with equal
    estimates, the widest is chosen.

    window    sizes and options of the convolution
    filters   filters per block
    """
    rows = window.rows
    columns = window.columns
    taps = window.channels * window.kernel_height * window.kernel_width
    lanes = min(machine.lanes, filters)
    vectors = filters // lanes
    cycles_per_vector = 1.0 if lanes == machine.lanes else 0.5  # a shorter vector takes half the time
    cheapest = RegisterTile(1, 1)
    least_cost = math.inf
    if 1 < machine.lanes <= columns and filters <= machine.registers:
        tiles = rows * math.ceil(columns / machine.lanes)
        cheapest = RegisterTile(0, machine.lanes)
        least_cost = tiles * (taps * (max(filters, LATENCY) + 1) + filters)
    max_positions = max(1, machine.registers // vectors)
    for tile_rows in range(1, min(rows, max_positions) + 1):
        for tile_columns in range(1, min(columns, max_positions // tile_rows) + 1):
            tiles = math.ceil(rows / tile_rows) * math.ceil(columns / tile_columns)
            positions = tile_rows * tile_columns
            cycles_per_tap = max(positions * vectors * cycles_per_vector, LATENCY) + 0.7
            cost = tiles * (taps * cycles_per_tap + STORE_CYCLES * positions * filters)
            if cost < least_cost or (cost == least_cost and cheapest.rows and tile_columns > cheapest.columns):
                cheapest = RegisterTile(tile_rows, tile_columns)
                least_cost = cost
    return cheapest, least_cost


GROUP, POINTS = 16, 16  # tiles computed together, and products per tile and channel
TRANSFORM_COST = 170  # half cycles to transform one channel of a group's input, or one filter of its result
PRODUCT_OVERHEAD = 1.1  # time of the products, relative to one half cycle per multiply-add
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])


class Tiling(NamedTuple):
    """The grid of Winograd tiles (2×2 outputs): rows and columns, increased to a number of tiles divisible by GROUP."""

    rows: int
    columns: int

    @staticmethod
    def of(rows: int, columns: int) -> "Tiling":
        """Return the grid of tiles for a result with these rows and columns."""
        tiles_per_row = _round_up(math.ceil(columns / 2), 4)
        return Tiling(_round_up(math.ceil(rows / 2), GROUP // math.gcd(GROUP, tiles_per_row)), tiles_per_row)

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the padded image."""
        return 2 * self.rows + 2, 2 * self.columns + 2


def winograd_cost(tiling: Tiling, channels: int, filters: int) -> float:
    """Return the estimated time in half cycles with AVX-512, at one half cycle per vector multiply-add."""
    filters = _round_up(filters, GROUP)
    products = POINTS * channels * filters * PRODUCT_OVERHEAD
    return tiling.rows * tiling.columns / GROUP * (products + TRANSFORM_COST * (channels + filters))


def transform_kernels(w: Array) -> Floats:
    """Return G w Gᵀ for kernels w (O, C, 3, 3) as [block][point][c][o], where o is one of 16 filters of a block."""
    filters, channels = w.shape[:2]
    padded = np.zeros((_round_up(filters, GROUP), channels, 3, 3))
    padded[:filters] = w
    points = np.einsum("ai,ocij,bj->aboc", G, padded, G).reshape(POINTS, -1, GROUP, channels)
    return points.transpose(1, 0, 3, 2)


def _round_up(count: int, unit: int) -> int:
    return math.ceil(count / unit) * unit
