"""Inference in C: convolutions in register tiles, with their filters side by side, or by Winograd's algorithm, and
pooling without winners."""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Operation, Tensor
from chainrule.interop.c import calls
from chainrule.interop.c.calls import Argument, CCall, Shifted, Struct
from chainrule.interop.c.fusing import Values

MOST_TAPS = 16  # of a window whose cells are compared without a loop
LATENCY = 6  # sums that must be under way for the arithmetic to be always busy
BLOCK = 16  # filters that are computed together, where there are so many
STORING = 1.3  # cycles to write a sum of a tile in its place


class Registers(NamedTuple):
    """What PICK in kernels/prelude.c tells apart.

    lanes      floats of a vector
    registers  sums that fit into the registers
    rows       whether a vector may hold positions of a row; needs a register for each filter
    """

    lanes: int
    registers: int
    rows: bool


MACHINES = (
    Registers(16, 24, True),
    Registers(8, 12, True),
    Registers(4, 24, True),
    Registers(4, 12, True),
    Registers(1, 16, False),
)


class RegisterTile(NamedTuple):
    """Positions whose sums are in registers at the same time; tall 0: a vector of positions of a row."""

    tall: int
    broad: int


def inference(operation: Operation, values: Values, *, compact: bool) -> list[CCall]:
    """Return the calls of an operation of a fused plan; packed parameters are added to `values`.

    compact  whether convolutions keep their kernels as they are, even where more memory would make them faster
    """
    if operation.name == "cross_correlate":
        return _convolution(operation, values, compact)
    return unpacked(operation)


def unpacked(operation: Operation) -> list[CCall]:
    """Return the calls of an operation of an inference plan whose parameters stay as they are."""
    found = calls.of_operation(operation)
    if operation.name == "max_pool":
        return [_max_pool(found[0])]
    if operation.name == "average_pool":
        return [_average_pool(found[0])]
    return found


def _max_pool(call: CCall) -> CCall:
    x, y, _, window = call.arguments
    if _plain(window):
        return CCall("max_pool_inside", (x, y, window))
    return CCall("max_pool", (x, y, None, window))


def _average_pool(call: CCall) -> CCall:
    x, y, window, divisor = call.arguments
    if isinstance(window, Struct) and calls.inside(window) and window.entries[1:3] == window.entries[5:7]:
        channels, plane = window.entries[0], math.prod(window.entries[1:3])
        if divisor in (0, plane):
            return CCall("average_plane", (x, y, channels, plane))
    return call._replace(function="average_pool_inside") if _plain(window) else call


def _plain(window: Argument) -> bool:
    """Return whether windows are small and never reach beyond the image."""
    return isinstance(window, Struct) and calls.inside(window) and math.prod(window.entries[5:7]) <= MOST_TAPS


def _convolution(operation: Operation, values: Values, compact: bool) -> list[CCall]:
    x, w, b, plus = operation.reads
    y, known = operation.writes[0], operation.attributes
    if x is None or w is None:
        raise calls.refused(operation)
    depthwise = known["groups"] == x.shape[0] == y.shape[0]
    if known["groups"] > 1 and not depthwise:
        return _grouped(operation)
    untied = b is not None and len(b.shape) > 1
    begun = []
    if untied and plus is not None:
        summed = Tensor(f"{y.name}.plus", y.shape)
        begun = [CCall("add", (plus, b, summed, y.size))]
        plus = summed
    weight = values[w.storage].reshape(w.shape)
    weight = weight[:, :, ::-1, ::-1] if known["flip"] else weight
    tied = np.zeros(y.shape[0], np.float32) if b is None or untied else values[b.storage]
    added = plus if plus is not None else b if untied else None
    if not compact and _winograd_pays(x, w, y, known):
        return [*begun, *_winograd(operation, (x, added), weight, tied, values)]
    if depthwise:
        return [*begun, *_depthwise(operation, (x, added), weight, tied, values)]
    source, before, window = _in_one_row(x, y, known) if _alone(weight, known) else _padded(x, w.shape[2:], y, known)
    return [*begun, *before, *_blocks(operation, (source, added), window, weight, tied, values)]


def _alone(weight: NDArray[Any], known: Any) -> bool:
    """Return whether each position is read alone."""
    return weight.shape[2:] == (1, 1) and not any(map(any, known["padding"]))


def _winograd_pays(x: Tensor, w: Tensor, y: Tensor, known: Any) -> bool:
    """Return whether Winograd's algorithm is estimated to be faster on the machine that multiplies and adds fastest."""
    if not is_possible(w.shape[2:], known):
        return False
    window = calls.sliding(x, (3, 3), y, known)
    plain = sum(blocks * estimated(window, size, MACHINES[0])[1] for _, size, blocks, _ in divided(y.shape[0]))
    return cost(Tiling.of(*y.shape[1:]), x.shape[0], y.shape[0]) < plain


def _winograd(
    operation: Operation,
    reads: tuple[Tensor, Tensor | None],
    weight: NDArray[Any],
    bias: NDArray[Any],
    values: Values,
) -> list[CCall]:
    """Return the calls of a convolution by Winograd's algorithm, which finds the even columns before the odd ones."""
    (x, plus), y, known = reads, operation.writes[0], operation.attributes
    (top, _), (left, _) = known["padding"]
    tiling, filters, channels = Tiling.of(*y.shape[1:]), y.shape[0], x.shape[0]
    source = Tensor(f"{y.name}.padded", (channels, *tiling.padded))
    padded = CCall("zero_padded", (x, source, *x.shape, top, left, *tiling.padded, 2))
    window = _without_padding(source, (3, 3), y, known)
    kernels = transformed(weight)
    blocks = len(kernels)
    biases = np.zeros(blocks * BLOCK)
    biases[:filters] = bias
    made = _constants(f"{y.name}.w", kernels, f"{y.name}.b", biases, values)
    work = Tensor(f"{y.name}.tiles", (work_entries(channels),))
    sizes = (tiling.down * tiling.across, tiling.across, blocks, filters - (blocks - 1) * BLOCK)
    return [padded, CCall("winograd", (source, *made, plus, work, y, window, *sizes, _flag(known)))]


def _in_one_row(x: Tensor, y: Tensor, known: Any) -> tuple[Tensor, list[CCall], Struct]:
    """Return what `_padded` does where each position is read alone, by a kernel of 1×1: all of them in one row."""
    channels, rows, columns = x.shape[0], *y.shape[1:]
    source, before = x, list[CCall]()
    if tuple(known["stride"]) != (1, 1):
        source = Tensor(f"{y.name}.sampled", (channels, rows, columns))
        before = [CCall("sampled", (x, source, *x.shape, rows, columns, *known["stride"]))]
    source, result = source.viewed((channels, 1, rows * columns)), y.viewed((y.shape[0], 1, rows * columns))
    return source, before, calls.sliding(source, (1, 1), result, {**known, "stride": (1, 1)})


def _depthwise(
    operation: Operation,
    reads: tuple[Tensor, Tensor | None],
    weight: NDArray[Any],
    bias: NDArray[Any],
    values: Values,
) -> list[CCall]:
    """Return the calls of a convolution with a kernel for each channel, which pads one channel at a time."""
    (x, plus), y, known = reads, operation.writes[0], operation.attributes
    made = _constants(f"{y.name}.w", weight, f"{y.name}.b", bias, values)
    before, space, places = list[CCall](), None, (0, 0, 0, 0)
    if _alone(weight, known):
        x, before, window = _in_one_row(x, y, known)
    else:
        size, (top, _), (left, _) = _padded_size(weight.shape[2:], y, known), *known["padding"]
        if size:
            space, places = Tensor(f"{y.name}.padded", size), (*x.shape[1:], top, left)
        window = _without_padding(Tensor("", (x.shape[0], *(size or x.shape[1:]))), weight.shape[2:], y, known)
    rows, columns = window.entries[4:6]
    arguments, flag = (x, *made, plus, space, y, window, *places), _flag(known)
    for size in (16, 8, 4):
        if columns >= size:
            return [*before, CCall(f"cross_correlate_depthwise_{size}", (*arguments, min(rows, 4), flag))]
    return [*before, CCall("cross_correlate_depthwise", (*arguments, flag))]


def _flag(attributes: Any) -> int:
    return int(attributes["relu"])


def _grouped(operation: Operation) -> list[CCall]:
    """Return the calls of a convolution in groups, from the parameters as they are."""
    *reads, plus = operation.reads
    y = operation.writes[0]
    plain = Operation("cross_correlate", tuple(reads), (y,), operation.attributes)
    found = calls.of_operation(plain)
    if plus is not None:
        found.append(CCall("add", (y, plus, y, y.size)))
    if operation.attributes["relu"]:
        found.append(CCall("relu", (y, y, y.size)))
    return found


def _padded(x: Tensor, kernel: tuple[int, ...], y: Tensor, known: Any) -> tuple[Tensor, list[CCall], Struct]:
    """Return the image whose cells all windows find side by side, the calls that make it, and how the kernel slides."""
    (top, _), (left, _) = known["padding"]
    size = _padded_size(kernel, y, known)
    source, before = x, list[CCall]()
    if size:
        source = Tensor(f"{y.name}.padded", (x.shape[0], *size))
        before = [CCall("zero_padded", (x, source, *x.shape, top, left, *size, known["stride"][1]))]
    return source, before, _without_padding(source, kernel, y, known)


def _padded_size(kernel: tuple[int, ...], y: Tensor, known: Any) -> tuple[int, int] | None:
    """Return the rows and columns that windows see, zeros and all; None where they can read the image as it is."""
    along = known["stride"][1]
    if along == 1 and not any(map(any, known["padding"])):
        return None
    axes = zip(y.shape[1:], known["stride"], known["dilation"], kernel, strict=True)
    reach = [(outputs - 1) * stride + dilation * (taps - 1) + 1 for outputs, stride, dilation, taps in axes]
    return reach[0], math.ceil(reach[1] / along) * along


def _without_padding(source: Tensor, kernel: tuple[int, ...], y: Tensor, known: Any) -> Struct:
    """Return how the kernel slides over an image that has all cells of its windows."""
    return calls.sliding(source, kernel, y, {**known, "padding": ((0, 0), (0, 0))})


def _constants(name: str, w: NDArray[Any], bias: str, b: NDArray[Any], values: Values) -> tuple[Tensor, Tensor]:
    """Return two new parameters with those values."""
    values |= {name: w, bias: b}
    return Tensor(name, w.shape, "parameter"), Tensor(bias, b.shape, "parameter")


def _blocks(
    operation: Operation,
    reads: tuple[Tensor, Tensor | None],
    window: Struct,
    weight: NDArray[Any],
    bias: NDArray[Any],
    values: Values,
) -> Iterator[CCall]:
    """Yield a call for each run of blocks of as many filters: w [block][c][u][v][o]."""
    y, (source, plus) = operation.writes[0], reads
    plane = math.prod(y.shape[1:])
    for first, size, blocks, count in divided(y.shape[0]):
        chosen = np.zeros((blocks * size, *weight.shape[1:]), np.float64)
        chosen[: (blocks - 1) * size + count] = weight[first : first + (blocks - 1) * size + count]
        packed = chosen.reshape(blocks, size, -1).transpose(0, 2, 1)
        padded_bias = np.zeros(blocks * size)
        padded_bias[: (blocks - 1) * size + count] = bias[first : first + (blocks - 1) * size + count]
        w, b = _constants(f"{y.name}.w{first}", packed, f"{y.name}.b{first}", padded_bias, values)
        found = [estimated(window, size, machine)[0] for machine in MACHINES]
        tall, broad = (f"PICK({', '.join(map(str, each))})" for each in zip(*found, strict=True))
        moved = plus and Shifted(plus, first * plane)
        arguments = (source, w, b, moved, Shifted(y, first * plane), window, blocks, tall, broad, count)
        yield CCall(f"cross_correlate_{size}", (*arguments, _flag(operation.attributes)))


def divided(filters: int) -> list[tuple[int, int, int, int]]:
    """Return runs of filters: the first, the filters of a block, the blocks, and the filters of the last block."""
    runs, first = list[tuple[int, int, int, int]](), filters // BLOCK * BLOCK
    if first:
        runs.append((0, BLOCK, first // BLOCK, BLOCK))
    for size in (8, 4):
        rest = filters - first
        if rest >= size or (rest and size == 4) or (size == 8 and rest > 4):
            runs.append((first, size, 1, min(rest, size)))
            first += min(rest, size)
    return runs


@cache
def estimated(window: Struct, filters: int, machine: Registers) -> tuple[RegisterTile, float]:
    """Return the tile with which a machine computes a convolution fastest, and an estimate of its half cycles.

    Filters side by side in vectors are transposed as they are written; positions of a row side by side are not.
    """
    channels, _, _, _, rows, columns, *kernel = window.entries[:8]
    taps, lanes = channels * kernel[0] * kernel[1], min(machine.lanes, filters)
    vectors = filters // lanes
    cycle = 1.0 if lanes == machine.lanes else 0.5  # two short vectors, or one long one
    best, least = RegisterTile(1, 1), math.inf
    if machine.rows and columns >= machine.lanes and filters <= machine.registers:
        tiles = rows * math.ceil(columns / machine.lanes)
        best, least = RegisterTile(0, machine.lanes), tiles * (taps * (max(filters, LATENCY) + 1) + filters)
    most = max(1, machine.registers // vectors)
    for tall in range(1, min(rows, most) + 1):
        for broad in range(1, min(columns, most // tall) + 1):
            tiles, positions = math.ceil(rows / tall) * math.ceil(columns / broad), tall * broad
            busy = max(positions * vectors * cycle, LATENCY) + 0.7
            cost = tiles * (taps * busy + STORING * positions * filters)
            if cost < least or (cost == least and best.tall and broad > best.broad):
                best, least = RegisterTile(tall, broad), cost
    return best, least


GROUP, POINTS = 16, 16  # tiles computed together, and products of each
TRANSFORM = 170  # half cycles to transform the cells of a group in a channel, or its results of a filter
SLOWER = 1.1  # the products need as much more time than their number says
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])


class Tiling(NamedTuple):
    """Tiles of 2×2 results in rows, both filled up to groups."""

    down: int
    across: int

    @staticmethod
    def of(rows: int, columns: int) -> "Tiling":
        """Return the tiles of an image of results."""
        across = _up(math.ceil(columns / 2), 4)
        return Tiling(_up(math.ceil(rows / 2), GROUP // math.gcd(GROUP, across)), across)

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the padded image that all tiles read."""
        return 2 * self.down + 2, 2 * self.across + 2


def is_possible(kernel: tuple[int, ...], attributes: Mapping[str, Any]) -> bool:
    """Return whether a convolution is one of 3×3 at stride 1."""
    return kernel == (3, 3) and attributes["stride"] == (1, 1) == attributes["dilation"] and attributes["groups"] == 1


def cost(tiling: Tiling, channels: int, filters: int) -> float:
    """Estimate half cycles of a processor with vectors of 16 floats: one for each of its multiply-adds."""
    filters = _up(filters, GROUP)
    products = POINTS * channels * filters * SLOWER
    return tiling.down * tiling.across / GROUP * (products + TRANSFORM * (channels + filters))


def transformed(w: NDArray[Any]) -> NDArray[np.float64]:
    """Return G w Gᵀ of kernels (O, C, 3, 3), in blocks of 16 filters side by side: [block][point][c][o]."""
    filters, channels = w.shape[:2]
    whole = np.zeros((_up(filters, GROUP), channels, 3, 3))
    whole[:filters] = w
    points = np.einsum("ai,ocij,bj->aboc", G, whole, G).reshape(POINTS, -1, GROUP, channels)
    return points.transpose(1, 0, 3, 2)


def work_entries(channels: int) -> int:
    """Return the entries of the workspace: products of 16 tiles and filters, and cells of 16 tiles."""
    return POINTS * GROUP * GROUP + POINTS * GROUP * (channels + 1)


def _up(count: int, unit: int) -> int:
    return math.ceil(count / unit) * unit
