"""The register of kernels: each states beside itself what the generator of programs must know of it."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from chainrule.engines.compiled.compiler import COUNT, is_record, kernel

SPEED = COUNT // 16  # of sums, about: 1 with 16 registers (AVX2), 2 with 32 (AVX-512; NEON: untested)
SHARED_FROM = SPEED << 16  # fewest multiplications of a layer that threads share for one sample: 2 µs, twice a barrier
TALL_IMAGE = 16  # fewest rows of results that threads share: they then made most rows of the layer before
CELLS_OF_A_FILTER = 5  # cells of a tall image for each filter, at least: with rows, each thread reads all weights
UNEVEN = 0.6  # part of the work of one of two threads up to which going on with channels pays
CHEAP_FROM, COSTLY_FROM = SPEED << 14, SPEED << 12  # the same of entries: of a ReLU or a batch norm, of an exponential

Attributes = Mapping[str, Any]
Shapes = list[tuple[int, ...]]
Shaper = Callable[[Sequence[Any], Attributes], Shapes]


class Share(NamedTuple):
    """How threads share an operation on one sample.

    names    arguments that take the first entry of a thread, and the one after its last
    entries  number of entries to be shared, along an axis of the result for one sample
    size     entries of the parts that are given to threads; the last one may have fewer
    half     part of the work that is left to each of two threads: more than ½ where the tiles do not come out even
    axis     that axis; 0: filters, channels
    instead  for rows: how threads share filters where they go on with these channels; None: they do not fill tiles
    """

    names: tuple[str, str]
    entries: int
    size: int = 1
    half: float = 0.5
    axis: int = 0
    instead: "Share | None" = None

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-self.entries // self.size)


class Conditions(NamedTuple):
    """What decides between kernels, beside shapes and attributes.

    single   the operation computes one sample: what a batch shares, such as packed weights, is used once
    unread   nothing reads its results but the first
    precise  rounding errors must not spread (`Plan.precise`)
    """

    single: bool = False
    unread: bool = False
    precise: bool = False


UNCONDITIONAL = Conditions()


class Slide(NamedTuple):
    """The window of a convolution's kernel.

    finds  "y", "dx" or "dw": the result, which decides what the window slides over
    tiled  whether tiles of neighbouring outputs reach beyond the end of a row
    """

    finds: str
    tiled: bool


def always(_: Any) -> bool:
    """Return True, whatever is asked."""
    return True


def like(*positions: int) -> Shaper:
    """Return a function for results shaped like some of the arrays that are read."""
    return lambda arrays, attributes: [arrays[position].shape for position in positions]


def per_sample(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape of one value for each sample."""
    return [arrays[0].shape[:1]]


def by_first_axis(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Share the filters, channels or rows of a result."""
    return Share(("first", "last"), shape[0])


def rows_or_filters(
    shape: tuple[int, ...], size: int, half: float, row_half: float | None = None, tile_height: int = 1
) -> Share:
    """Share rows of a tall image of few filters; of any other rows or filters, whichever leaves less to each of two.

    shape         (filters, H', W') of the result
    size          filters of the parts that are given to threads
    half          part of the work that is left to each of two threads with filters
    half_of_rows  the same with rows; None: as many parts as it has
    tall          rows of the parts that are given to threads
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
    """A kernel and what is known of it. Parameters without a default are arrays: first those read, then those written.

    shapes         (arrays read, attributes) → a shape for each array written
    accumulates    results are added to what their arrays hold: the sums over the blocks of a batch
    flat           arrays that are passed flat: biases, tied and untied alike
    integers       arrays of int32
    in_place       arrays that are read and changed; nothing else is written then
    names          attribute → its possible values, of which kernels get the index
    defaults       attribute → the attribute whose value it has where it is not given
    share          (shape of the result for one sample, bytes of an element, attributes) → how threads share it
    piece          number of last axes that are treated alone, without weights: 0 of an activation, whose entries are
                   shared by threads, 2 of pooling, whose images are; None where the results need more than that
    increasing     an entry of the result grows with the one entry that it depends on, or stays the same
    picks          an entry of the result is the largest of those that it depends on
    by_channel     a channel of the result depends on the same channel of the first array read only (one group each):
                   the names of the arguments that take the first channel, and the one after the last
    by_row         the same of rows
    shared_from    least work for one sample that threads share (see passes/sharing.py); None: they never do
    fits           (arrays read, attributes, bytes of an element, conditions) → whether it computes the operation, if
                   that has several kernels (`selection.SPECIAL_KERNELS`)
    joins          two operations, one just after the other, that it computes together; it is no operation by itself
    part_of        the operation of which it computes a part, where `passes/batch_norm.py` divides that; it is no
                   operation by itself
    alone          so little work of the whole batch that one thread does it while the others wait
    epilogues      steps that it can take with its results before it writes them, in this order, each with a condition
                   on the arrays read; a step is the name of an attribute
    epilogue       the step that makes this operation part of the kernel before it: that attribute gets the value
                   epilogue_value(attributes), unless that is False or 0
    renames        the result is the first array read, unchanged: whatever reads it can read that
    outer_product  for one sample, the result is dy xᵀ of what it reads (x, dy), so that an update can do without it
    slide          the window of a convolution
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
    slide: Slide | None = None

    @property
    def _function(self) -> Callable[..., Any]:
        return getattr(self.kernel, "py_func", self.kernel)

    @property
    def name(self) -> str:
        """The name of the function."""
        return self._function.__name__

    @property
    def module(self) -> Any:
        """The module of the kernel."""
        return sys.modules[self._function.__module__]

    @property
    def family(self) -> str:
        """The name of the kernel's file."""
        return self._function.__module__.rpartition(".")[2]

    @cached_property
    def signature(self) -> inspect.Signature:
        """The signature of the function that was compiled."""
        return inspect.signature(self._function)

    @cached_property
    def arrays(self) -> list[str]:
        """The names of the arrays, read and written."""
        return [name for name, each in self.signature.parameters.items() if each.default is inspect.Parameter.empty]

    @cached_property
    def _defaults(self) -> list[tuple[str, Any]]:
        return [(name, each.default) for name, each in self.signature.parameters.items()]

    def arguments(self, arrays: int, attributes: Attributes) -> list[Any]:
        """Return the arguments after the arrays, in the order of the signature: attributes, or their defaults.

        A parameter whose default is a named tuple gets a record of the attributes with the names of its fields.
        """
        rest = self._defaults[arrays:]
        if not self._converts:  # five times as fast; the update of an optimizer comes here at every step
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

# (shapes of arrays with the batch axis, attributes) → for each array the attributes for a kernel of one array
Divide = Callable[[Sequence[tuple[int, ...]], Attributes], list[dict[str, Any]]]
PARTWISE: dict[str, tuple[str, Divide]] = {}  # operations of any number of arrays: see `partwise`


def operation(shapes: Shaper, **facts: Any) -> Callable[[Any], Any]:
    """Register a kernel under its name, with facts as in `KernelEntry`."""

    def register(function: Any) -> Any:
        entry = KernelEntry(function, shapes, **facts)
        if entry.name in KERNELS:
            raise ValueError(f"there are two kernels {entry.name}: in {KERNELS[entry.name].family} and {entry.family}")
        KERNELS[entry.name] = entry
        return function

    return register


def partwise(name: str) -> Callable[[Divide], Divide]:
    """Register an operation of any number of arrays; a kernel writes one after the other into the result."""

    def register(divide: Divide) -> Divide:
        PARTWISE[divide.__name__] = (name, divide)
        return divide

    return register


def pointwise(shared_from: int = COSTLY_FROM, **facts: Any) -> Callable[[Any], Any]:
    """Register a kernel that reads one array; each entry of the result depends on the entry at its place."""
    return operation(like(0), piece=0, shared_from=shared_from, **facts)


def slope(shared_from: int = COSTLY_FROM) -> Callable[[Any], Any]:
    """Register the gradient of an activation; each entry depends on the entries at its place."""
    return operation(like(0), piece=0, shared_from=shared_from)


def elementwise(function: Callable[..., Any]) -> Any:
    """Compile and register a kernel whose result has the shape of the first array that it reads."""
    return operation(like(0))(kernel(function))


def update(function: Callable[..., Any]) -> Any:
    """Compile and register an optimizer's update: p, the gradient g and the moments, all but g changed in place."""
    parameters = inspect.signature(function).parameters.items()
    changed = tuple(name for name, each in parameters if each.default is inspect.Parameter.empty and name != "g")
    return operation(like(), in_place=changed)(kernel(function))
