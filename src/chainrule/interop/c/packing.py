"""C calls for inference, with parameters packed for vector instructions.

A convolution either computes tiles of outputs or uses Winograd's algorithm. The sums of a tile stay in registers. A
vector contains the sums for several filters or for several positions. Max pooling does not record the positions of the
maxima.
"""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Operation, Tensor
from chainrule.interop.c import calls
from chainrule.interop.c.calls import Argument, CCall, Offset, Struct
from chainrule.interop.c.fusing import Values

MAX_UNROLLED_TAPS = 16  # largest number of window elements for which the C compiler unrolls the loop
LATENCY = 6  # number of independent sums needed to keep the multiply-add units busy
BLOCK_FILTERS = 16  # filters computed together; the remaining filters are computed in blocks of 8 and 4
STORE_CYCLES = 1.3  # cost of storing one sum of a tile


class RegisterSet(NamedTuple):
    """Vector registers of a class of processors.

    The order of `REGISTER_SETS` is that of the arguments of the macro PICK in prelude.c.

    lanes      floats per vector
    registers  number of sums that fit into registers
    rows       whether a vector may contain positions of a row instead of filters; this needs a register per filter
    """

    lanes: int
    registers: int
    rows: bool


REGISTER_SETS = (
    RegisterSet(16, 24, True),
    RegisterSet(8, 12, True),
    RegisterSet(4, 24, True),
    RegisterSet(4, 12, True),
    RegisterSet(1, 16, False),
)


class RegisterTile(NamedTuple):
    """A tile of output positions whose sums are in registers at the same time: number of rows and columns.

    0 rows mean that the tile is one vector of neighboring positions in a row.
    """

    rows: int
    columns: int


def inference(operation: Operation, values: Values, *, compact: bool) -> list[CCall]:
    """Return the calls for an operation of a fused plan, and add its packed parameters to `values`.

    compact  do not use Winograd's algorithm even if it is faster: its transformed kernels need more memory
    """
    if operation.name == "cross_correlate":
        return _convolution(operation, values, compact)
    return unpacked(operation)


def unpacked(operation: Operation) -> list[CCall]:
    """Return the calls for an operation of an inference plan, without packing its parameters."""
    operation_calls = calls.of_operation(operation)
    if operation.name == "max_pool":
        return [_max_pool(operation_calls[0])]
    if operation.name == "average_pool":
        return [_average_pool(operation_calls[0])]
    return operation_calls


def _max_pool(call: CCall) -> CCall:
    x, y, _, window = call.arguments
    if _is_small_unpadded(window):
        return CCall("max_pool_unpadded", (x, y, window))
    return CCall("max_pool", (x, y, None, window))


def _average_pool(call: CCall) -> CCall:
    x, y, window, divisor = call.arguments
    if isinstance(window, Struct) and calls.stays_inside(window) and window.entries[1:3] == window.entries[5:7]:
        channels, plane = window.entries[0], math.prod(window.entries[1:3])
        if divisor in (0, plane):
            return CCall("average_plane", (x, y, channels, plane))
    return call._replace(function="average_pool_unpadded") if _is_small_unpadded(window) else call


def _is_small_unpadded(window: Argument) -> bool:
    """Return whether the windows are small and never extend beyond the image."""
    if not isinstance(window, Struct) or not calls.stays_inside(window):
        return False
    return math.prod(window.entries[5:7]) <= MAX_UNROLLED_TAPS


def _convolution(operation: Operation, values: Values, compact: bool) -> list[CCall]:
    x, w, (b, plus) = operation.operand(), operation.operand(1), operation.reads[2:]
    y, attributes = operation.writes[0], operation.attributes
    depthwise = attributes["groups"] == x.shape[0] == y.shape[0]
    if attributes["groups"] > 1 and not depthwise:
        return _grouped_convolution(operation)
    untied = b is not None and len(b.shape) > 1
    preparation = []
    if untied and plus is not None:
        summed = Tensor(f"{y.name}.plus", y.shape)
        preparation = [CCall("add", (plus, b, summed, y.size))]
        plus = summed
    weight = values[w.storage].reshape(w.shape)
    weight = weight[:, :, ::-1, ::-1] if attributes["flip"] else weight
    bias = np.zeros(y.shape[0], np.float32) if b is None or untied else values[b.storage]
    addend = plus if plus is not None else b if untied else None
    if not compact and _winograd_pays(x, w, y, attributes):
        return [*preparation, *_winograd(operation, (x, addend), weight, bias, values)]
    if depthwise:
        return [*preparation, *_depthwise(operation, (x, addend), weight, bias, values)]
    if _is_pointwise(weight, attributes):
        source, input_calls, window = _as_one_row(x, y, attributes)
    else:
        source, input_calls, window = _pad_input(x, w.shape[2:], y, attributes)
    convolution = _blocked_convolution(operation, (source, addend), window, weight, bias, values)
    return [*preparation, *input_calls, *convolution]


def _is_pointwise(weight: NDArray[Any], attributes: Any) -> bool:
    """Return whether a convolution has a 1×1 kernel and no padding."""
    return weight.shape[2:] == (1, 1) and not any(map(any, attributes["padding"]))


def _winograd_pays(x: Tensor, w: Tensor, y: Tensor, attributes: Any) -> bool:
    """Return whether Winograd's algorithm is applicable and, by an estimate for AVX-512, faster."""
    if not supports_winograd(w.shape[2:], attributes):
        return False
    window = calls.sliding(x, (3, 3), y, attributes)
    direct_cost = sum(
        blocks * best_tile(window, size, REGISTER_SETS[0])[1] for _, size, blocks, _ in filter_runs(y.shape[0])
    )
    return winograd_cost(Tiling.of(*y.shape[1:]), x.shape[0], y.shape[0]) < direct_cost


def _winograd(
    operation: Operation,
    reads: tuple[Tensor, Tensor | None],
    weight: NDArray[Any],
    bias: NDArray[Any],
    values: Values,
) -> list[CCall]:
    """Return the calls for a convolution by Winograd's algorithm.

    In each row of the padded image, the even columns are stored before the odd ones.
    """
    (x, plus), y, attributes = reads, operation.writes[0], operation.attributes
    (top, _), (left, _) = attributes["padding"]
    tiling, filters, channels = Tiling.of(*y.shape[1:]), y.shape[0], x.shape[0]
    source = Tensor(f"{y.name}.padded", (channels, *tiling.padded))
    pad_call = CCall("zero_pad", (x, source, *x.shape, top, left, *tiling.padded, 2))
    window = _unpadded_sliding(source, (3, 3), y, attributes)
    kernels = transform_kernels(weight)
    blocks = len(kernels)
    biases = np.zeros(blocks * BLOCK_FILTERS)
    biases[:filters] = bias
    parameters = _new_parameters(f"{y.name}.w", kernels, f"{y.name}.b", biases, values)
    workspace = Tensor(f"{y.name}.tiles", (winograd_workspace_size(channels),))
    sizes = (tiling.rows * tiling.columns, tiling.columns, blocks, filters - (blocks - 1) * BLOCK_FILTERS)
    arguments = (source, *parameters, plus, workspace, y, window, *sizes, _relu_flag(attributes))
    return [pad_call, CCall("winograd", arguments)]


def _as_one_row(x: Tensor, y: Tensor, attributes: Any) -> tuple[Tensor, list[CCall], Struct]:
    """Return a 1×1 convolution's input as a single row, the calls to compute it, and the struct `sliding`."""
    channels, rows, columns = x.shape[0], *y.shape[1:]
    source, preparation = x, list[CCall]()
    if tuple(attributes["stride"]) != (1, 1):
        source = Tensor(f"{y.name}.sampled", (channels, rows, columns))
        preparation = [CCall("subsample", (x, source, *x.shape, rows, columns, *attributes["stride"]))]
    source, result = source.viewed((channels, 1, rows * columns)), y.viewed((y.shape[0], 1, rows * columns))
    return source, preparation, calls.sliding(source, (1, 1), result, {**attributes, "stride": (1, 1)})


def _depthwise(
    operation: Operation,
    reads: tuple[Tensor, Tensor | None],
    weight: NDArray[Any],
    bias: NDArray[Any],
    values: Values,
) -> list[CCall]:
    """Return the calls for a depthwise convolution, which pads one channel at a time."""
    (x, plus), y, attributes = reads, operation.writes[0], operation.attributes
    parameters = _new_parameters(f"{y.name}.w", weight, f"{y.name}.b", bias, values)
    preparation, scratch, placement = list[CCall](), None, (0, 0, 0, 0)
    if _is_pointwise(weight, attributes):
        x, preparation, window = _as_one_row(x, y, attributes)
    else:
        size, (top, _), (left, _) = _padded_image_size(weight.shape[2:], y, attributes), *attributes["padding"]
        if size:
            scratch, placement = Tensor(f"{y.name}.padded", size), (*x.shape[1:], top, left)
        window = _unpadded_sliding(Tensor("", (x.shape[0], *(size or x.shape[1:]))), weight.shape[2:], y, attributes)
    rows, columns = window.entries[4:6]
    arguments, flag = (x, *parameters, plus, scratch, y, window, *placement), _relu_flag(attributes)
    for size in (16, 8, 4):
        if columns >= size:
            return [*preparation, CCall(f"cross_correlate_depthwise_{size}", (*arguments, min(rows, 4), flag))]
    return [*preparation, CCall("cross_correlate_depthwise", (*arguments, flag))]


def _relu_flag(attributes: Any) -> int:
    return int(attributes["relu"])


def _grouped_convolution(operation: Operation) -> list[CCall]:
    """Return the calls for a grouped convolution, without packing its parameters."""
    *reads, plus = operation.reads
    y = operation.writes[0]
    plain = Operation("cross_correlate", tuple(reads), (y,), operation.attributes)
    group_calls = calls.of_operation(plain)
    if plus is not None:
        group_calls.append(CCall("add", (y, plus, y, y.size)))
    if operation.attributes["relu"]:
        group_calls.append(CCall("relu", (y, y, y.size)))
    return group_calls


def _pad_input(x: Tensor, kernel: tuple[int, ...], y: Tensor, attributes: Any) -> tuple[Tensor, list[CCall], Struct]:
    """Return the padded image, the calls to compute it, and the struct `sliding`.

    The elements of each row are ordered so that neighboring windows read neighboring elements.
    """
    (top, _), (left, _) = attributes["padding"]
    size = _padded_image_size(kernel, y, attributes)
    source, preparation = x, list[CCall]()
    if size:
        source = Tensor(f"{y.name}.padded", (x.shape[0], *size))
        preparation = [CCall("zero_pad", (x, source, *x.shape, top, left, *size, attributes["stride"][1]))]
    return source, preparation, _unpadded_sliding(source, kernel, y, attributes)


def _padded_image_size(kernel: tuple[int, ...], y: Tensor, attributes: Any) -> tuple[int, int] | None:
    """Return the rows and columns that the windows cover, with padding; None if the image is read without a copy."""
    stride_x = attributes["stride"][1]
    if stride_x == 1 and not any(map(any, attributes["padding"])):
        return None
    axes = zip(y.shape[1:], attributes["stride"], attributes["dilation"], kernel, strict=True)
    reach = [(outputs - 1) * stride + dilation * (taps - 1) + 1 for outputs, stride, dilation, taps in axes]
    return reach[0], math.ceil(reach[1] / stride_x) * stride_x


def _unpadded_sliding(source: Tensor, kernel: tuple[int, ...], y: Tensor, attributes: Any) -> Struct:
    """Return the struct `sliding` for an image that already includes its padding."""
    return calls.sliding(source, kernel, y, {**attributes, "padding": ((0, 0), (0, 0))})


def _new_parameters(name: str, w: NDArray[Any], bias: str, b: NDArray[Any], values: Values) -> tuple[Tensor, Tensor]:
    """Return two new parameters with these values."""
    values |= {name: w, bias: b}
    return Tensor(name, w.shape, "parameter"), Tensor(bias, b.shape, "parameter")


def _blocked_convolution(
    operation: Operation,
    reads: tuple[Tensor, Tensor | None],
    window: Struct,
    weight: NDArray[Any],
    bias: NDArray[Any],
    values: Values,
) -> Iterator[CCall]:
    """Yield a call for each run of filter blocks of the same size (`filter_runs`).

    Kernels are packed as [block][c][u][v][o], where o is the filter within its block.
    """
    y, (source, plus) = operation.writes[0], reads
    plane = math.prod(y.shape[1:])
    for first, size, blocks, count in filter_runs(y.shape[0]):
        filters = np.zeros((blocks * size, *weight.shape[1:]), np.float64)
        filters[: (blocks - 1) * size + count] = weight[first : first + (blocks - 1) * size + count]
        packed = filters.reshape(blocks, size, -1).transpose(0, 2, 1)
        padded_bias = np.zeros(blocks * size)
        padded_bias[: (blocks - 1) * size + count] = bias[first : first + (blocks - 1) * size + count]
        w, b = _new_parameters(f"{y.name}.w{first}", packed, f"{y.name}.b{first}", padded_bias, values)
        tiles = [best_tile(window, size, machine)[0] for machine in REGISTER_SETS]
        tile_rows, tile_columns = (f"PICK({', '.join(map(str, sizes))})" for sizes in zip(*tiles, strict=True))
        addend = plus and Offset(plus, first * plane)
        arguments = (source, w, b, addend, Offset(y, first * plane), window, blocks, tile_rows, tile_columns, count)
        yield CCall(f"cross_correlate_{size}", (*arguments, _relu_flag(operation.attributes)))


def filter_runs(filters: int) -> list[tuple[int, int, int, int]]:
    """Return runs of filter blocks: (first filter, filters per block, number of blocks, filters in the last block)."""
    runs, first = list[tuple[int, int, int, int]](), filters // BLOCK_FILTERS * BLOCK_FILTERS
    if first:
        runs.append((0, BLOCK_FILTERS, first // BLOCK_FILTERS, BLOCK_FILTERS))
    for size in (8, 4):
        rest = filters - first
        if rest >= size or (rest and size == 4) or (size == 8 and rest > 4):
            runs.append((first, size, 1, min(rest, size)))
            first += min(rest, size)
    return runs


@cache
def best_tile(window: Struct, filters: int, machine: RegisterSet) -> tuple[RegisterTile, float]:
    """Return the tile with the lowest estimated time for a convolution, and this time in half cycles.

    Vectors of filters must be transposed before they are stored; vectors of positions are stored as they are.

    window    struct `sliding` of the convolution
    filters   filters per block
    """
    channels, _, _, _, rows, columns, *kernel = window.entries[:8]
    taps, lanes = channels * kernel[0] * kernel[1], min(machine.lanes, filters)
    vectors = filters // lanes
    cycles_per_vector = 1.0 if lanes == machine.lanes else 0.5  # a shorter vector takes half the time
    best, least_cost = RegisterTile(1, 1), math.inf
    if machine.rows and columns >= machine.lanes and filters <= machine.registers:
        tiles = rows * math.ceil(columns / machine.lanes)
        best, least_cost = RegisterTile(0, machine.lanes), tiles * (taps * (max(filters, LATENCY) + 1) + filters)
    max_positions = max(1, machine.registers // vectors)
    for tile_rows in range(1, min(rows, max_positions) + 1):
        for tile_columns in range(1, min(columns, max_positions // tile_rows) + 1):
            tiles = math.ceil(rows / tile_rows) * math.ceil(columns / tile_columns)
            positions = tile_rows * tile_columns
            cycles_per_tap = max(positions * vectors * cycles_per_vector, LATENCY) + 0.7
            cost = tiles * (taps * cycles_per_tap + STORE_CYCLES * positions * filters)
            if cost < least_cost or (cost == least_cost and best.rows and tile_columns > best.columns):
                best, least_cost = RegisterTile(tile_rows, tile_columns), cost
    return best, least_cost


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


def supports_winograd(kernel: tuple[int, ...], attributes: Mapping[str, Any]) -> bool:
    """Return whether a convolution has a 3×3 kernel, stride 1, dilation 1 and one group."""
    return kernel == (3, 3) and attributes["stride"] == (1, 1) == attributes["dilation"] and attributes["groups"] == 1


def winograd_cost(tiling: Tiling, channels: int, filters: int) -> float:
    """Return the estimated time in half cycles with AVX-512, at one half cycle per vector multiply-add."""
    filters = _round_up(filters, GROUP)
    products = POINTS * channels * filters * PRODUCT_OVERHEAD
    return tiling.rows * tiling.columns / GROUP * (products + TRANSFORM_COST * (channels + filters))


def transform_kernels(w: NDArray[Any]) -> NDArray[np.float64]:
    """Return G w Gᵀ for kernels w (O, C, 3, 3) as [block][point][c][o], where o is one of 16 filters of a block."""
    filters, channels = w.shape[:2]
    padded = np.zeros((_round_up(filters, GROUP), channels, 3, 3))
    padded[:filters] = w
    points = np.einsum("ai,ocij,bj->aboc", G, padded, G).reshape(POINTS, -1, GROUP, channels)
    return points.transpose(1, 0, 3, 2)


def winograd_workspace_size(channels: int) -> int:
    """Return the number of floats in the workspace: products of 16 filters and 16 tiles, then transformed inputs."""
    return POINTS * GROUP * GROUP + POINTS * GROUP * (channels + 1)


def _round_up(count: int, unit: int) -> int:
    return math.ceil(count / unit) * unit
