"""Registry of kernels: each kernel is registered with the facts that the program generator needs."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from chainrule.engines.compiled.compiler import COUNT, is_record, kernel

SPEED = COUNT // 16  # approximate relative speed of sums: 1 with 16 registers (AVX2), 2 with 32 (AVX-512)
SHARED_FROM = SPEED << 16  # multiplications for one sample; fewer take less than 2 µs, the time of two barriers
TALL_IMAGE = 16  # rows of a result; with fewer, threads would read many rows computed by other threads
CELLS_OF_A_FILTER = 5  # outputs per filter; with fewer, reading all weights in every thread costs too much
UNEVEN = 0.6  # of the work; dividing channels does not pay if one of two threads would have more than this
# Elements for one sample; fewer do not justify a barrier. CHEAP: a ReLU or batch norm; COSTLY: an exponential.
CHEAP_FROM, COSTLY_FROM = SPEED << 14, SPEED << 12

Attributes = Mapping[str, Any]
Shapes = list[tuple[int, ...]]
Shaper = Callable[[Sequence[Any], Attributes], Shapes]


class Share(NamedTuple):
    """The division of an operation on one sample among threads, along one axis of its result.

    names    kernel arguments for the first index of a thread's chunk and for the index after its last
    entries  length of the axis
    size     chunks are multiples of this many indices; the last one may have fewer
    half     fraction of the work of the busier of two threads; more than ½ if the tiles do not divide evenly
    axis     0 for filters or channels, 1 for rows
    instead  for rows: the division by filters, for threads that continue with these channels; None: not possible
    """

    names: tuple[str, str]
    entries: int
    size: int = 1
    half: float = 0.5
    axis: int = 0
    instead: "Share | None" = None

    @property
    def parts(self) -> int:
        """Number of chunks of the minimum size."""
        return -(-self.entries // self.size)


class Conditions(NamedTuple):
    """Conditions for the choice of a kernel, besides shapes and attributes.

    single   whether the operation computes one sample, so that packed weights are used only once
    unread   whether only the first result is read by other operations
    precise  whether rounding errors must not spread (`Plan.precise`)
    """

    single: bool = False
    unread: bool = False
    precise: bool = False


UNCONDITIONAL = Conditions()


class InputBuffer(NamedTuple):
    """The buffer for the input of a convolution kernel. `passes/verification.py` checks its length.

    result  result of the kernel: "y", "dx" or "dw"; for dx, the input is dy
    tiled   whether tiles of neighboring outputs may extend beyond the end of a row
    """

    result: str
    tiled: bool


def always(_: Any) -> bool:
    """Return True."""
    return True


def like(*indices: int) -> Shaper:
    """Return a function for `KernelEntry.shapes`: results have the shapes of the arrays read at these indices."""
    return lambda arrays, attributes: [arrays[index].shape for index in indices]


def per_row(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape without the class axis, (N, …): one value per sample, or per position of a dense prediction."""
    return [(*arrays[0].shape[:1], *arrays[0].shape[2:])]


def by_first_axis(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Divide the first axis of a result: filters, channels or rows."""
    return Share(("first", "last"), shape[0])


def rows_or_filters(
    shape: tuple[int, ...], size: int, half: float, row_half: float | None = None, tile_height: int = 1
) -> Share:
    """Divide a tall image with few filters by rows, and any other by rows or filters, whichever is more even.

    shape         (filters, H', W') of the result
    size          chunks have a multiple of this many filters
    half          fraction of the work of the busier of two threads if filters are divided
    row_half      this fraction if rows are divided; None: in proportion to the rows
    tile_height   chunks have a multiple of this many rows
    """
    height = shape[-2]
    parts = -(-height // tile_height)
    filters = Share(("lowest", "highest"), shape[0], size, half)
    instead = filters if half <= UNEVEN else None
    rows = Share(("first", "last"), height, tile_height, row_half or -(-parts // 2) / parts, axis=1, instead=instead)
    tall_enough = height >= TALL_IMAGE and height * shape[-1] >= CELLS_OF_A_FILTER * shape[0]
    return rows if tall_enough or rows.half < half else filters


Fit = Callable[[Sequence[Any], Attributes, int, Conditions], bool]  # see `KernelEntry.fits`


@dataclass(frozen=True)
class KernelEntry:
    """A kernel and its facts.

    Parameters of the kernel without a default are arrays: first those that it reads, then those that it writes.

    shapes         function: (arrays read, attributes) → shapes of the arrays written
    accumulates    whether the kernel adds to its results, which are then sums over the blocks of a batch
    flat           names of the arrays that are passed as vectors, such as biases
    integers       names of the arrays of int32
    in_place       names of the arrays that are read and modified; the kernel then writes no other arrays
    names          attribute → its possible values; the kernel gets the index of the value
    defaults       attribute → attribute whose value is its default
    share          function: (shape of the result for one sample, bytes of an element, attributes) → `Share`
    piece          number of trailing axes along which elements interact: 0 for an activation, which is element-wise,
                   2 for pooling, which is done within an image; None if they interact along more, or with weights
    increasing     whether the kernel is element-wise, and its result never decreases if the element increases
    picks          whether each element of the result is the maximum of the elements that it depends on
    by_channel     names of the arguments for the first channel of a chunk and the channel after its last, if channel c
                   of the result depends only on channel c of the first array read (with one group per channel)
    by_row         the same for rows
    shared_from    minimum multiplications or elements for one sample if a step is to be split across threads (see
                   `passes/sharing.py`); None: it is never split
    fits           function: (arrays read, attributes, bytes of an element, conditions) → whether to use this kernel for
                   an operation that has several (`selection.SPECIAL_KERNELS`)
    joins          names of two consecutive operations that the kernel computes together; it has no operation of its own
    part_of        name of an operation that `passes/batch_norm.py` splits into steps; the kernel computes one of them,
                   and has no operation of its own
    alone          whether a single thread computes the whole batch, because there is little work
    epilogues      steps that the kernel can apply to its results before it writes them, in this order: attribute of the
                   kernel → condition on the arrays read
    epilogue       attribute of the preceding kernel that makes it apply this operation to its results; "" for none
    epilogue_value function: attributes of this operation → value of that attribute; False or 0: it cannot be fused
    renames        whether the result equals the first array read, so that other operations can read that array instead
    outer_product  whether the result for one sample is dy xᵀ of the arrays read (x, dy), which an update need not store
    input_buffer   buffer for the input of a convolution; None if there is none
    """

    kernel: Any
    shapes: Shaper
    accumulates: bool = False
    flat: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    defaults: Mapping[str, str] = field(default_factory=dict[str, str])
    share: Callable[[tuple[int, ...], int, Attributes], Share] = by_first_axis
    piece: int | None = None
    increasing: bool = False
    picks: bool = False
    by_channel: tuple[str, ...] = ()
    by_row: tuple[str, ...] = ()
    shared_from: int | None = None
    fits: Fit = lambda arrays, attributes, itemsize, conditions: True
    joins: tuple[str, ...] = ()
    part_of: str = ""
    alone: bool = False
    epilogues: Mapping[str, Callable[[Sequence[Any]], bool]] = field(
        default_factory=dict[str, Callable[[Sequence[Any]], bool]]
    )
    epilogue: str = ""
    epilogue_value: Callable[[Attributes], Any] = always
    renames: bool = False
    outer_product: bool = False
    input_buffer: InputBuffer | None = None

    @property
    def _function(self) -> Callable[..., Any]:
        return getattr(self.kernel, "py_func", self.kernel)

    @property
    def name(self) -> str:
        """Name of the function."""
        return self._function.__name__

    @property
    def module(self) -> Any:
        """Module of the kernel."""
        return sys.modules[self._function.__module__]

    @property
    def family(self) -> str:
        """Name of the kernel's file, without suffix."""
        return self._function.__module__.rpartition(".")[2]

    @cached_property
    def signature(self) -> inspect.Signature:
        """Signature of the Python function."""
        return inspect.signature(self._function)

    @cached_property
    def arrays(self) -> list[str]:
        """Names of the arrays: those that the kernel reads, then those that it writes."""
        parameters = self.signature.parameters.values()
        return [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]

    @cached_property
    def _defaults(self) -> list[tuple[str, Any]]:
        return [(parameter.name, parameter.default) for parameter in self.signature.parameters.values()]

    def arguments(self, arrays: int, attributes: Attributes) -> list[Any]:
        """Return the arguments after the arrays, in the order of the signature: attributes, or their defaults.

        A parameter whose default is a named tuple gets a record of the attributes that are named like its fields.
        """
        rest = self._defaults[arrays:]
        if not self._converts:  # five times as fast, which matters for the optimizer's update at every step
            return [attributes.get(name, default) for name, default in rest]
        return [self._argument(name, default, attributes) for name, default in rest]

    def call(self, arrays: Sequence[Any], attributes: Attributes) -> None:
        """Run the kernel on arrays: first those that it reads, then those that it writes."""
        self.kernel(*arrays, *self.arguments(len(arrays), attributes))

    def plain_arguments(self, arrays: int, attributes: Attributes) -> list[Any]:
        """Return the `arguments` with records as plain tuples, as they are written in the text of a program."""
        return [tuple(value) if is_record(value) else value for value in self.arguments(arrays, attributes)]

    @cached_property
    def _converts(self) -> bool:
        """Whether an argument may differ from the attribute with its name."""
        return bool(self.names or self.defaults) or any(is_record(default) for _, default in self._defaults)

    def _argument(self, name: str, default: Any, attributes: Attributes) -> Any:
        if is_record(default):
            return default._replace(**{field: attributes[field] for field in default._fields if field in attributes})
        value = attributes.get(name, attributes.get(self.defaults.get(name, ""), default))
        return self.names[name].index(value) if name in self.names and isinstance(value, str) else value


KERNELS: dict[str, KernelEntry] = {}

# (shapes of the arrays with the batch axis, attributes) → attributes of the kernel call for each array
Divide = Callable[[Sequence[tuple[int, ...]], Attributes], list[dict[str, Any]]]
PARTWISE: dict[str, tuple[str, Divide]] = {}  # operations on any number of arrays; see `partwise`


def operation(shapes: Shaper, **facts: Any) -> Callable[[Any], Any]:
    """Register a kernel under its name. The facts are fields of `KernelEntry`."""

    def register(function: Any) -> Any:
        entry = KernelEntry(function, shapes, **facts)
        if entry.name in KERNELS:
            raise ValueError(f"two kernels are named {entry.name}: in {KERNELS[entry.name].family} and {entry.family}")
        KERNELS[entry.name] = entry
        return function

    return register


def partwise(name: str) -> Callable[[Divide], Divide]:
    """Register an operation on any number of arrays; the named kernel writes one part of the result per array."""

    def register(divide: Divide) -> Divide:
        PARTWISE[divide.__name__] = (name, divide)
        return divide

    return register


def pointwise(shared_from: int = COSTLY_FROM, **facts: Any) -> Callable[[Any], Any]:
    """Register an element-wise kernel: each element of the result depends on the element with the same index."""
    return operation(like(0), piece=0, shared_from=shared_from, **facts)


def slope(shared_from: int = COSTLY_FROM) -> Callable[[Any], Any]:
    """Register the gradient of an activation, which is element-wise."""
    return operation(like(0), piece=0, shared_from=shared_from)


def elementwise(function: Callable[..., Any]) -> Any:
    """Compile and register a kernel whose result has the shape of the first array read."""
    return operation(like(0))(kernel(function))


def update(function: Callable[..., Any]) -> Any:
    """Compile and register an optimizer update of p, g and moments. All arrays but the gradient g change in place."""
    parameters = inspect.signature(function).parameters.values()
    arrays = [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]
    changed = tuple(name for name in arrays if name != "g")
    return operation(like(), in_place=changed)(kernel(function))
