"""Registry of kernels: each kernel is registered with the facts that the choice of kernels and the passes need."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chainrule._io.locks import cached_property
from chainrule.engines.native.library import COUNT, WIDTH

SPEED = COUNT // 16  # approximate relative speed of sums: 1 with 16 registers (AVX2), 2 with 32 (AVX-512)
SHARED_FROM = SPEED << 16  # multiplications for one sample; fewer take less than 2 µs, the time of two barriers
TALL_IMAGE = 16  # rows of a result; with fewer, threads would read many rows computed by other threads
CELLS_OF_A_FILTER = 5  # outputs per filter; with fewer, reading all weights in every thread costs too much
# Elements for one sample; fewer do not justify a barrier. CHEAP: a ReLU or batch norm; COSTLY: an exponential.
CHEAP_FROM, COSTLY_FROM = SPEED << 14, SPEED << 12

Attributes = Mapping[str, Any]
Shapes = list[tuple[int, ...]]
Shaper = Callable[[Sequence[Any], Attributes], Shapes]


class Share(NamedTuple):
    """The division of an operation on one sample among threads, along one axis of its result.

    names    names of the kernel's arguments for the first index of a chunk, and for the index after the last
    entries  length of the axis
    size     the number of indices in a chunk is a multiple of this number, except in the last chunk
    half     fraction of the work that the busier of two threads does; more than ½ if the tiles do not divide evenly
    axis     0 for filters or channels, 1 for rows
    """

    names: tuple[str, str]
    entries: int
    size: int = 1
    half: float = 0.5
    axis: int = 0

    @property
    def parts(self) -> int:
        """Number of chunks of the minimum size."""
        return -(-self.entries // self.size)


class Conditions(NamedTuple):
    """Conditions for the choice of a kernel, besides shapes and attributes.

    single   whether the operation computes a single sample, so that packed weights are used only once
    unread   whether no operation reads the results after the first
    precise  whether the rounding error of a value must depend only on the value's own inputs (`Plan.precise`)
    pooled   whether a 2×2 max pooling follows that can be fused with the operation (`rewriting.fuse`)
    """

    single: bool = False
    unread: bool = False
    precise: bool = False
    pooled: bool = False


UNCONDITIONAL = Conditions()


def lanes(itemsize: int) -> int:
    """Return the number of elements of `itemsize` bytes in a vector."""
    return WIDTH // itemsize


def always(_: Any) -> bool:
    """Return True."""
    return True


def like(*indices: int) -> Shaper:
    """Return a function for `KernelEntry.shapes`. Result k has the shape of the array read with index indices[k]."""
    return lambda arrays, attributes: [arrays[index].shape for index in indices]


def per_sample(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N,): one value per sample."""
    return [arrays[0].shape[:1]]


def per_row(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape without the class axis, (N, …): one value per sample, or per position of a dense prediction."""
    return [(*arrays[0].shape[:1], *arrays[0].shape[2:])]


def by_first_axis(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of a result along its first axis: filters, channels or rows."""
    return Share(("first", "last"), shape[0])


def rows_or_filters(
    shape: tuple[int, ...], size: int, half: float, row_half: float | None = None, tile_height: int = 1
) -> Share:
    """Return the division of a result among threads.

    Tall results with few filters are divided by rows, all others by the axis that divides more evenly.
    """
    height = shape[-2]
    parts = -(-height // tile_height)
    filters = Share(("lowest", "highest"), shape[0], size, half)
    rows = Share(("first", "last"), height, tile_height, row_half or -(-parts // 2) / parts, axis=1)
    tall_enough = height >= TALL_IMAGE and height * shape[-1] >= CELLS_OF_A_FILTER * shape[0]
    return rows if tall_enough or rows.half < half else filters


def is_record(value: Any) -> bool:
    """Return whether a value is a named tuple."""
    return hasattr(value, "_fields")


Fit = Callable[[Sequence[Any], Attributes, int, Conditions], bool]  # see `KernelEntry.fits`


@dataclass(frozen=True, kw_only=True)
class ArgumentFacts:
    """Facts for calls of a kernel.

    Parameters of the kernel without a default are arrays: first those that it reads, then those that it writes.

    accumulates    whether the kernel adds to its results, which are then sums over the blocks of a batch
    flat           names of the arrays that are passed with a single axis, such as biases
    integers       names of the arrays of int32
    in_place       names of the arrays that are read and modified; the kernel then writes no other arrays
    names          attribute → its possible values; the kernel gets the index of the value
    defaults       attribute → attribute whose value is its default
    """

    accumulates: bool = False
    flat: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    defaults: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class DivisionFacts:
    """Facts for the division of the work among threads (`passes/sharing.py`).

    share          function: (shape of the result for one sample, bytes of an element, attributes) → `Share`
    piece          number of trailing axes of the result that are computed together: 0 for an activation, whose elements
                   are independent; 2 for pooling, where only the elements of an image depend on each other; None if
                   the result also depends on other axes or on weights
    shared_from    minimum multiplications or elements for one sample if a step is to be split across threads; None: it
                   is never split
    alone          whether a single thread computes the whole batch, because there is little work
    """

    share: Callable[[tuple[int, ...], int, Attributes], Share] = by_first_axis
    piece: int | None = None
    shared_from: int | None = None
    alone: bool = False


@dataclass(frozen=True, kw_only=True)
class FusionFacts:
    """Facts for the fusion of consecutive operations (`passes/rewriting.py`, `passes/batch_norm.py`).

    increasing     whether the kernel is element-wise, and its result never decreases if the element increases
    picks          whether each element of the result is the maximum of the elements that it depends on
    joins          names of two consecutive operations that the kernel computes together, or of the one operation whose
                   parts it computes; no operation has the name of the kernel
    epilogues      steps that the kernel can apply to its results before it writes them, in this order: attribute of the
                   kernel → condition on the arrays read
    epilogue       attribute of the preceding kernel that makes it apply this operation to its results; "" for none
    epilogue_value function: attributes of this operation → value of that attribute; False or 0: it cannot be fused
    """

    increasing: bool = False
    picks: bool = False
    joins: tuple[str, ...] = ()
    epilogues: Mapping[str, Callable[[Sequence[Any]], bool]] = field(
        default_factory=dict[str, Callable[[Sequence[Any]], bool]]
    )
    epilogue: str = ""
    epilogue_value: Callable[[Attributes], Any] = always


@dataclass(frozen=True)
class KernelEntry(ArgumentFacts, DivisionFacts, FusionFacts):
    """A kernel, and the facts about it that kernel selection and the passes use.

    shapes         function: (arrays read, attributes) → shapes of the arrays written
    fits           function: (arrays read, attributes, bytes of an element, conditions) → whether to use this kernel for
                   an operation that has several (`selection.SPECIAL_KERNELS`)
    part_of        name of an operation that `passes/batch_norm.py` or `passes/packing.py` splits into steps. The
                   kernel computes one of these steps; no operation has its name
    outer_product  whether the result for one sample is dy xᵀ, where (x, dy) are the arrays read. The optimizer's update
                   can then compute this gradient without storing it
    packing        name of the kernel that packs the weights for this kernel, once for many calls; "" if it reads them
                   as they are
    """

    kernel: Any
    shapes: Shaper
    fits: Fit = lambda arrays, attributes, itemsize, conditions: True
    part_of: str = ""
    outer_product: bool = False
    packing: str = ""

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.kernel.__name__

    @property
    def family(self) -> str:
        """Name of the kernel's file, without suffix."""
        return self.kernel.__module__.rpartition(".")[2]

    @cached_property
    def signature(self) -> inspect.Signature:
        """Signature of the declaration."""
        return inspect.signature(self.kernel)

    @cached_property
    def arrays(self) -> list[str]:
        """Names of the arrays: those that the kernel reads, then those that it writes."""
        return [name for name, default in self._defaults if default is inspect.Parameter.empty]

    @cached_property
    def _defaults(self) -> list[tuple[str, Any]]:
        return [(parameter.name, parameter.default) for parameter in self.signature.parameters.values()]

    def arguments(self, arrays: int, attributes: Attributes) -> list[Any]:
        """Return the arguments after the first `arrays` arguments, in the order of the signature.

        An argument is the attribute with the name of the parameter, or else the parameter's default. If this default is
        a named tuple, the argument is a named tuple of the attributes with the names of its fields.
        """
        rest = self._defaults[arrays:]
        if not self._converts:  # five times as fast, which matters for the optimizer's update at every step
            return [attributes.get(name, default) for name, default in rest]
        return [self._argument(name, default, attributes) for name, default in rest]

    def call(self, arrays: Sequence[Any], attributes: Attributes) -> None:
        """Run the kernel on arrays: first those that it reads, then those that it writes."""
        self.kernel(*arrays, *self.arguments(len(arrays), attributes))

    def plain_arguments(self, arrays: int, attributes: Attributes) -> list[Any]:
        """Return the `arguments` with records as plain tuples, as they are written in the tables of a program."""
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
    """Return a decorator that registers a kernel under its name. The facts are fields of `KernelEntry`."""

    def register(function: Any) -> Any:
        entry = KernelEntry(function, shapes, **facts)
        if entry.name in KERNELS:
            raise ValueError(f"two kernels are named {entry.name}: in {KERNELS[entry.name].family} and {entry.family}")
        KERNELS[entry.name] = entry
        return function

    return register


def partwise(name: str) -> Callable[[Divide], Divide]:
    """Return a decorator that registers an operation on any number of arrays.

    The kernel `name` is called once for each array, and writes one part of the result. The decorated function has the
    name of the operation, and returns the attributes of each call.
    """

    def register(divide: Divide) -> Divide:
        PARTWISE[divide.__name__] = (name, divide)
        return divide

    return register


def pointwise(shared_from: int = COSTLY_FROM, **facts: Any) -> Callable[[Any], Any]:
    """Return a decorator that registers an element-wise kernel. Elements with different indices are independent."""
    return operation(like(0), piece=0, shared_from=shared_from, **facts)


slope = pointwise  # the gradient of an activation is element-wise, too


def update(kernel: Any) -> Any:
    """Register a kernel as an optimizer's update of p, g and moments; it modifies all of them in place except g."""
    parameters = inspect.signature(kernel).parameters.values()
    changed = tuple(p.name for p in parameters if p.default is p.empty and p.name != "g")
    return operation(like(), in_place=changed)(kernel)
