"""Registry of kernels: each kernel is registered with the facts that the program generator needs."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from chainrule.engines.compiled.compiler import COUNT, is_record, kernel

SPEED = COUNT // 16  # approximate relative speed of sums: 1 with 16 registers (AVX2), 2 with 32 (AVX-512)
SHARED_FROM = SPEED << 16  # multiplications of a layer for one sample; fewer take under 2 µs, which is two barriers
TALL_IMAGE = 16  # rows of a result; threads that share fewer rows would read many rows computed by other threads
CELLS_OF_A_FILTER = 5  # outputs per filter; with fewer, it costs too much that every thread reads all weights
UNEVEN = 0.6  # of the work; if one of two threads would have more, dividing channels does not pay
# Elements for one sample; fewer are not worth a barrier. CHEAP: a ReLU or batch norm; COSTLY: an exponential.
CHEAP_FROM, COSTLY_FROM = SPEED << 14, SPEED << 12

Attributes = Mapping[str, Any]
Shapes = list[tuple[int, ...]]
Shaper = Callable[[Sequence[Any], Attributes], Shapes]


class Share(NamedTuple):
    """How an operation on one sample is divided among threads, along one axis of its result.

    names    kernel arguments for the first index of a thread's chunk and for the index after its last
    entries  length of the axis
    size     chunks are multiples of this many indices; the last one may have fewer
    half     fraction of the work that the busier of two threads has; above ½ if the tiles do not divide evenly
    axis     the axis; 0: filters or channels, 1: rows
    instead  for rows: the division by filters, used if threads continue with these channels; None: not possible
    """

    names: tuple[str, str]
    entries: int
    size: int = 1
    half: float = 0.5
    axis: int = 0
    instead: "Share | None" = None

    @property
    def parts(self) -> int:
        """Number of smallest chunks."""
        return -(-self.entries // self.size)


class Conditions(NamedTuple):
    """Conditions besides shapes and attributes that decide between kernels.

    single   whether the operation computes one sample, so that packed weights are used only once
    unread   whether only the first result is read by other operations
    precise  whether rounding errors must not spread (`Plan.precise`)
    """

    single: bool = False
    unread: bool = False
    precise: bool = False


UNCONDITIONAL = Conditions()


class InputBuffer(NamedTuple):
    """The buffer for the input of a convolution kernel; `passes/verification.py` checks its length.

    result  "y", "dx" or "dw": what the kernel computes; for dx the input is dy
    tiled   whether tiles of neighboring outputs may reach beyond the end of a row
    """

    result: str
    tiled: bool


def always(_: Any) -> bool:
    """Return True."""
    return True


def like(*indices: int) -> Shaper:
    """Return a shape function: results have the shapes of the arrays read at these indices."""
    return lambda arrays, attributes: [arrays[index].shape for index in indices]


def per_sample(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N,): one value per sample."""
    return [arrays[0].shape[:1]]


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
    row_half      the same if rows are divided; None: in proportion to the rows
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
    """A kernel and its facts. Parameters without a default are arrays: first those it reads, then those it writes.

    shapes         (arrays read, attributes) → shapes of the arrays written
    accumulates    the kernel adds to its results: they are sums over the blocks of a batch
    flat           arrays passed as vectors, such as biases
    integers       arrays of int32
    in_place       arrays that are read and changed; the kernel then writes no others
    names          attribute → possible values; the kernel gets the index of the value
    defaults       attribute → attribute whose value is the default
    share          (shape of the result for one sample, bytes of an element, attributes) → division among threads
    piece          number of trailing axes that belong together: 0 for an activation, whose elements are independent,
                   2 for pooling, whose images are; None if a result depends on more, or on weights
    increasing     an element of the result grows, or stays the same, with the one element it depends on
    picks          an element of the result is the largest of those it depends on
    by_channel     names of the arguments for the first channel of a chunk and the channel after its last, if channel c
                   of the result depends only on channel c of the first array read (with one group per channel)
    by_row         the same for rows
    shared_from    smallest work for one sample that threads share (see passes/sharing.py); None: they never share it
    fits           (arrays read, attributes, bytes of an element, conditions) → whether this kernel is the one for an
                   operation that has several (`selection.SPECIAL_KERNELS`)
    joins          two consecutive operations that the kernel computes together; it has no operation of its own
    part_of        the kernel computes a step of this operation after `passes/batch_norm.py` has divided it; the kernel
                   has no operation of its own
    alone          one thread computes the whole batch, because the work is so small
    epilogues      attributes for steps that the kernel can apply to its results before it writes them, in this order,
                   each with a condition on the arrays read
    epilogue       attribute of the preceding kernel that makes this operation part of it. The attribute is set to
                   epilogue_value(attributes), unless that is False or 0
    renames        the result equals the first array read, so that readers can read that array
    outer_product  for one sample the result is dy xᵀ of the arrays read (x, dy), so that an update need not store it
    input_buffer   the buffer for the input of a convolution
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
        """Name of the file of the kernel, without suffix."""
        return self._function.__module__.rpartition(".")[2]

    @cached_property
    def signature(self) -> inspect.Signature:
        """Signature of the Python function."""
        return inspect.signature(self._function)

    @cached_property
    def arrays(self) -> list[str]:
        """Names of the arrays, read and written."""
        parameters = self.signature.parameters.values()
        return [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]

    @cached_property
    def _defaults(self) -> list[tuple[str, Any]]:
        return [(parameter.name, parameter.default) for parameter in self.signature.parameters.values()]

    def arguments(self, arrays: int, attributes: Attributes) -> list[Any]:
        """Return the arguments after the arrays, in the order of the signature: attributes, or their defaults.

        A parameter whose default is a named tuple gets a record of the attributes with the names of its fields.
        """
        rest = self._defaults[arrays:]
        if not self._converts:  # five times as fast, which matters for the optimizer's update at every step
            return [attributes.get(name, default) for name, default in rest]
        return [self._argument(name, default, attributes) for name, default in rest]

    def call(self, arrays: Sequence[Any], attributes: Attributes) -> None:
        """Run the kernel on arrays: first those that it reads, then those that it writes."""
        self.kernel(*arrays, *self.arguments(len(arrays), attributes))

    def plain_arguments(self, arrays: int, attributes: Attributes) -> list[Any]:
        """Return the `arguments` with records as plain tuples, as the text of a program states them."""
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
PARTWISE: dict[str, tuple[str, Divide]] = {}  # operations on any number of arrays, see `partwise`


def operation(shapes: Shaper, **facts: Any) -> Callable[[Any], Any]:
    """Register a kernel under its name, with facts as in `KernelEntry`."""

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
    """Compile and register an optimizer update of p, g and moments; all but the gradient g change in place."""
    parameters = inspect.signature(function).parameters.values()
    arrays = [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]
    changed = tuple(name for name in arrays if name != "g")
    return operation(like(), in_place=changed)(kernel(function))
