"""Programs as tables of steps, which C runs (program.c).

A table consists of loops, whose iterations the threads share. In each iteration, the segments of the loop run one after
another. A segment has a range of samples, rows or elements, which depends on the iteration, and runs its steps, which
are calls of kernels, for each block of the range.
"""

import ctypes
import inspect
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines import fallback
from chainrule.engines.native.calls import AXES, address_in_memory, checked
from chainrule.engines.native.library import LIBRARY, address_of
from chainrule.engines.options import processors, thread_count
from chainrule.engines.protocol import Array
from chainrule.errors import EngineError

LARGE = 1 << 62  # block of a segment without blocks
MOST_ARRAYS, MOST_NUMBERS = 16, 64  # of a step; as in program.c


class Rows(IntEnum):
    """What each row of a buffer belongs to."""

    ONE = 0
    THREAD = 1
    ITERATION = 2
    TRAINING_STEP = 3


class Room(IntEnum):
    """The number of samples in the arrays of a buffer: what offsets are multiplied by."""

    NONE = 0
    BATCH = 1
    CHUNK = 2


class Follows(IntEnum):
    """The range that an operand follows."""

    NOTHING = 0
    BLOCK = 1
    BATCH = 2
    ITERATION = 3
    CHUNKS = 4


class RunValue(IntEnum):
    """A number that changes from call to call."""

    SEED = 0
    STEP = 1
    BATCH = 2  # samples in the whole batch
    AHEAD = 3  # samples before this shard
    FIRST = 4  # first sample of the block, in the whole batch
    BEGIN = 5
    END = 6
    ITERATION = 7
    RATE = 8
    SCALE = 9  # factor of the gradient, from clipping
    OPTIONS = 10  # and the following: arguments of a run


class RangeKind(IntEnum):
    """The range of a segment."""

    ONCE = 0  # no range
    IN_ITERATION = 1  # no range, and only in iteration number `entries`
    SAMPLES = 2
    CHUNK = 3
    SHARE = 4  # of `entries`, in multiples of `size`
    SHARE_OF_SAMPLES = 5  # of `entries` for each sample


class Each(IntEnum):
    """How many iterations a loop has, if not a constant."""

    CHUNK = -1
    THREAD = -2
    PART = -3


class Place(NamedTuple):
    """A kind of buffer: what its rows belong to, and the number of samples in its arrays."""

    rows: Rows = Rows.ONE
    room: Room = Room.NONE


MOMENTS = ("moment_0", "moment_1", "moment_2")  # of an optimizer
PLACES = {
    **dict.fromkeys(("x", "t", "weights", "outcomes"), Place(Rows.TRAINING_STEP)),
    **dict.fromkeys(("y", "loss", "correct", "sums", "parameters", "statistics", "after", "packed"), Place()),
    **dict.fromkeys(("gradients", "spare", *MOMENTS), Place()),
    "chunk_gradients": Place(Rows.ITERATION),
    **dict.fromkeys(("work", "indices", "own_spare"), Place(Rows.THREAD)),
    **dict.fromkeys(("share_work", "share_indices"), Place(Rows.THREAD, Room.CHUNK)),
    **dict.fromkeys(("batch_work", "batch_indices"), Place(Rows.ONE, Room.BATCH)),
    "first_work": Place(),  # of the thread that computes a single sample
    "first_share_work": Place(Rows.ONE, Room.CHUNK),
    **dict.fromkeys(("rows", "origin", "rest", "gain"), Place()),  # of `batches`
}
NUMBER_OF = {name: number for number, name in enumerate(PLACES)}


class ArrayArgument(NamedTuple):
    """An array argument of a step.

    name     what it is, for readers
    offset   of its first element in the buffer, for the first index of the range that it follows
    shape    its shape; the size of `axis` is that of the range
    stride   elements from one index of the range to the next
    """

    name: str
    buffer: str
    offset: int
    shape: tuple[int, ...]
    stride: int = 0
    follows: Follows = Follows.NOTHING
    axis: int = -1

    @property
    def row(self) -> list[int]:
        """The operand in the table."""
        ones = [1] * (AXES - len(self.shape))
        place = NUMBER_OF[self.buffer], self.offset, self.stride, self.follows, self.axis
        return [*place, len(self.shape), *self.shape, *ones]

    @property
    def text(self) -> str:
        """The operand as a program's text shows it."""
        sizes = [str(size) for size in self.shape]
        if self.axis >= 0:
            sizes[self.axis] = {Follows.BLOCK: "m", Follows.BATCH: "n", Follows.CHUNKS: "chunks"}[self.follows]
        return f"{self.name} ({', '.join(sizes)}) in {self.buffer}[{self.offset}]"


ABSENT = [-1, *[0] * (5 + AXES)]


@dataclass(frozen=True)
class Variable:
    """A number argument that changes from call to call: factor · value + offset.

    From RATE on, values are passed as they are.
    """

    value: int
    factor: int = 1
    offset: int = 0

    @property
    def text(self) -> str:
        """The number as a program's text shows it."""
        name = f"option {self.value - RunValue.OPTIONS}"
        if self.value < RunValue.OPTIONS:
            name = RunValue(self.value).name.lower()
        if self.factor != 1:
            name = f"{self.factor}·{name}"
        if self.offset:
            name += f" + {self.offset}"
        return name


class KernelCall(NamedTuple):
    """A call of a kernel.

    numbers  its other arguments
    column   of the table of times
    dtype    "float32" or "float64", if not that of the table
    """

    kernel: Any
    operands: Sequence[ArrayArgument | None]
    numbers: Sequence[Any] = ()
    column: int = 2
    dtype: str = ""


class RangeSegment(NamedTuple):
    """Steps that run for each block of a range."""

    steps: Sequence[KernelCall]
    division: RangeKind = RangeKind.ONCE
    entries: int = 0
    size: int = 1
    block: int = LARGE


class Loop(NamedTuple):
    """Segments that run in each iteration.

    team  of threads: 0 computes the batch, 1 updates the parameters
    """

    segments: Sequence[RangeSegment]
    iterations: int = 1
    team: int = 0


class _Address(ctypes.Structure):
    _fields_ = [
        ("loops", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("loop", "segment", "step", "operand", "number", "variable")),
    ]


class Table:
    """A program, written as C reads it.

    dtype  "float32" or "float64"
    """

    def __init__(self, loops: Sequence[Loop], dtype: str) -> None:
        self._dtype = dtype
        self._rows: dict[str, list[Any]] = {
            name: [] for name in ("loop", "segment", "step", "operand", "number", "variable")
        }
        for loop in loops:
            self._rows["loop"].append([len(self._rows["segment"]), len(loop.segments), loop.iterations, loop.team])
            self._add_segments(loop.segments)
        self._arrays = {name: np.array(rows, np.int64) for name, rows in self._rows.items()}
        addresses = [array.ctypes.data for array in self._arrays.values()]
        self._address = _Address(len(loops), *addresses)
        self.address = ctypes.addressof(self._address)

    def _add_segments(self, segments: Sequence[RangeSegment]) -> None:
        first = len(self._rows["step"])
        for segment in segments:
            range_of = segment.division, segment.entries, segment.size, segment.block
            self._rows["segment"].append([first, len(segment.steps), *range_of])
            first += len(segment.steps)
        for segment in segments:
            for step in segment.steps:
                self._add_step(step)

    def _add_step(self, step: KernelCall) -> None:
        operands, numbers, variables = (self._rows[name] for name in ("operand", "number", "variable"))
        firsts = len(operands), len(numbers), len(variables)
        operands += [ABSENT if operand is None else operand.row for operand in step.operands]
        for index, (is_float, number) in enumerate(step.kernel.words(step.numbers)):
            if isinstance(number, Variable):
                variables.append([index, number.value, number.factor, number.offset])
                number = 0
            numbers.append(struct.unpack("q", struct.pack("d", number))[0] if is_float else int(number or 0))
        counts = [len(rows) - first for rows, first in zip((operands, numbers, variables), firsts, strict=True)]
        if counts[0] > MOST_ARRAYS or counts[1] > MOST_NUMBERS:
            raise EngineError(f"{step.kernel.__name__} has {counts[0]} arrays and {counts[1]} numbers")
        address = address_of(step.kernel.symbol(step.dtype or self._dtype))
        places = [number for pair in zip(firsts, counts, strict=True) for number in pair]
        self._rows["step"].append([address, *places, step.column])


class _Buffer(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), *((name, ctypes.c_int64) for name in ("row", "item", "rows", "room"))]


class TableRun(ctypes.Structure):
    """The arguments of a run of a table: buffers, sizes and numbers. The fields are explained in program.c."""

    _fields_ = [
        ("buffers", ctypes.c_void_p),
        ("edges", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("chunks", "samples", "chunk")),
        ("threads", ctypes.c_int64 * 2),
        ("parts", ctypes.c_int64 * 2),
        *((name, ctypes.c_int64) for name in ("seed", "step", "whole_batch", "ahead", "training_steps")),
        *((name, ctypes.c_void_p) for name in ("rates", "outcomes", "options", "times")),
        ("columns", ctypes.c_int64),
    ]

    def __init__(self, **values: Any) -> None:
        super().__init__(training_steps=1, **values)
        self._kept = dict[str, Any]()
        self._places = (_Buffer * len(PLACES))()
        for buffer, place in zip(self._places, PLACES.values(), strict=True):
            buffer.rows, buffer.room = place
        self.buffers = ctypes.addressof(self._places)
        self._address = ctypes.addressof(self)

    def set_buffer(self, name: str, array: Array, row: int = 0) -> None:
        """Use an array as a buffer.

        row  elements in a row of it

        Errors   TypeError if it is not contiguous
        """
        if not array.flags.c_contiguous:
            raise TypeError("kernels need contiguous arrays")
        buffer = self._places[NUMBER_OF[name]]
        buffer.at, buffer.item, buffer.row = address_in_memory(array), array.itemsize, row * array.itemsize
        self._kept[name] = array

    def set_array(self, field: str, array: Array) -> None:
        """Use an array as a field that is an address."""
        setattr(self, field, address_in_memory(array))
        self._kept[field] = array

    def set_options(self, packed: bytes) -> None:
        """Use packed numbers as the options, which are the values from OPTIONS on."""
        self.set_array("options", np.frombuffer(packed, np.int64))

    def set_threads(self, team: int, threads: int, parts: int) -> None:
        """Set the threads of a team, and the iterations of its loops over parts of the parameters."""
        self.threads[team], self.parts[team] = threads, parts

    def __call__(self, table: Table) -> None:
        """Run a table. Errors: MemoryError, FloatingPointError."""
        checked(LIBRARY.chainrule_run(table.address, self._address))


LIBRARY.chainrule_run.argtypes = [ctypes.c_void_p] * 2


@cache
def most_threads() -> int:
    """Return the maximum number of threads: the number of processors, or CHAINRULE_THREADS if larger."""
    return max(processors(), thread_count())


def start_threads(count: int) -> None:
    """Start threads until there are `count`, or `most_threads`.

    If this fails, programs run on fewer threads, with the same results.
    """
    count = min(count, most_threads())
    if LIBRARY.chainrule_start_threads(count) < count:
        fallback.say_once("chainrule: cannot start more threads; programs run on fewer threads, with the same results")


def text_of(loops: Sequence[Loop]) -> str:
    """Return a program as text: each loop, its segments, their steps, and the operands of these."""
    lines = list[str]()
    for loop in loops:
        iterations = "once"
        if loop.iterations < 0:
            iterations = f"for each {Each(loop.iterations).name.lower()}, shared by threads"
        elif loop.iterations > 1:
            iterations = f"{loop.iterations} times, shared by threads"
        lines.append(iterations)
        for segment in loop.segments:
            lines.append(f"    {_range_text(segment)}")
            for step in segment.steps:
                lines.append(f"        {step.kernel.__name__}({_number_text(step)})")
                lines += [f"            {operand.text}" for operand in step.operands if operand]
    return "\n".join(lines) + "\n"


def _range_text(segment: RangeSegment) -> str:
    each = "all"
    if segment.block != LARGE:
        each = f"blocks of {segment.block}"
    match segment.division:
        case RangeKind.ONCE:
            return "once"
        case RangeKind.IN_ITERATION:
            return f"in iteration {segment.entries}"
        case RangeKind.SAMPLES:
            return f"{each} samples"
        case RangeKind.CHUNK:
            return f"{each} samples of the chunk"
        case RangeKind.SHARE:
            return f"{each} of a share of {segment.entries}, in multiples of {segment.size}"
        case RangeKind.SHARE_OF_SAMPLES:
            return f"{each} of a share of {segment.entries} for each sample"


def _number_text(step: KernelCall) -> str:
    """Return the numbers of a step that are not the kernel's defaults."""
    parameters = list(inspect.signature(step.kernel).parameters.values())[len(step.operands) :]
    texts = list[str]()
    for parameter, value in zip(parameters, step.numbers, strict=True):
        if value != parameter.default:
            texts.append(f"{parameter.name}={value.text if isinstance(value, Variable) else value}")
    return ", ".join(texts)
