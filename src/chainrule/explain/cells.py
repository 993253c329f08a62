"""Names of the cells of a trace. Every cell has one canonical name and may have aliases.

A tensor has the shape in which its operation writes it; a gradient has the shape of its primal tensor. If the trace
has only one sample, indices omit the sample axis.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

from chainrule.core.plan import Operation, Tensor, gradient_name, gradient_part
from chainrule.core.shapes import text
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError
from chainrule.explain.notation import DIGITS, at, bracketed, format_number
from chainrule.explain.notation import Index as Symbol
from chainrule.explain.record import Factor
from chainrule.operations import definitions

Shape = tuple[int, ...]
Index = tuple[int, ...]

CELL = re.compile(r"\s*([^\[\]\s]+)\s*(?:\[([^\[\]]*)\]\s*)?")
UPDATE = ".update"


@dataclass(frozen=True)
class TensorEntry:
    """A tensor of a trace.

    shape       without the sample axis
    kind        that of `core.plan.Tensor`, except that "gradient" is any gradient; a trace also has "moment" (an
                optimizer's moment) and "update" (a parameter or statistic after the step)
    per_sample  whether the tensor has a sample axis
    """

    name: str
    shape: Shape
    kind: str
    per_sample: bool


@dataclass(frozen=True)
class Cell:
    """An element of a tensor: the tensor's canonical name, and an index into its canonical shape."""

    tensor: str
    index: Index

    def __str__(self) -> str:
        return cell_name(self.tensor, self.index)


class Denoted(NamedTuple):
    """A tensor that a name can denote, and the shape that the name's indices refer to."""

    tensor: str
    shape: Shape


class Writer(NamedTuple):
    """The operation that writes a tensor, and the tensor's position among its outputs."""

    operation: Operation
    place: int


@dataclass
class TensorCatalogue:
    """All tensors of a trace, in order of computation.

    aliases  alias → the tensors that it can denote, with shapes without the sample axis
    writers  tensor → the operation that writes it
    inputs   layer → its input tensor, if it has only one input
    """

    samples: int
    layers: tuple[str, ...]
    entries: dict[str, TensorEntry] = field(default_factory=dict[str, TensorEntry])
    aliases: dict[str, list[Denoted]] = field(default_factory=dict[str, list[Denoted]])
    writers: dict[str, Writer] = field(default_factory=dict[str, Writer])
    inputs: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, name: str, shape: Shape, kind: str, *, per_sample: bool) -> None:
        """Add a tensor unless it is already present."""
        self.entries.setdefault(name, TensorEntry(name, shape, kind, per_sample))

    def alias(self, name: str, target: str, shape: Shape) -> None:
        """Add an alias of a tensor, indexed with the given shape. Do nothing if the tensor does not exist."""
        if target in self.entries:
            self.aliases.setdefault(name, []).append(Denoted(target, shape))

    def full_shape(self, name: str, shape: Shape | None = None) -> Shape:
        """Return the shape that indices refer to, with a sample axis if the trace has several samples."""
        entry = self.entries[name]
        own = entry.shape if shape is None else shape
        if entry.per_sample and self.samples > 1:
            return (self.samples, *own)
        return own

    def cell(self, tensor: Tensor, at: Index) -> str:
        """Return the canonical name of the element that an operation indexes as ``at``, with the sample first."""
        entry = self.entries[tensor.storage]
        own = at[1:] if entry.per_sample else at
        if tensor.shape != entry.shape:
            own = cell_index(flat_index(own, tensor.shape), entry.shape)
        if entry.per_sample and self.samples > 1:
            own = (at[0], *own)
        return cell_name(entry.name, own)

    def read(self, cell: str) -> Cell:
        """Parse the name of a cell, such as conv2.dw[3,1,0,2]; raise OptionError if there is no such cell.

        Aliases are accepted.
        """
        match = CELL.fullmatch(str(cell))
        if not match:
            raise OptionError(f"cell {cell!r}: expected TENSOR[i,j,…], such as conv1.y[0,2,3]")
        name = match[1]
        inside = (match[2] or "").strip()
        if not inside:
            return self.find(name, ())
        index = list[int]()
        for part in inside.split(","):
            number = part.strip()
            if not re.fullmatch(r"-?[0-9]{1,9}", number):
                raise OptionError(f"cell {cell!r}: expected whole numbers in brackets, found [{inside}]")
            index.append(int(number))
        return self.find(name, tuple(index))

    def find(self, name: str, index: Index) -> Cell:
        """Return the cell with this tensor name (canonical or an alias) and index."""
        candidates = self.candidates(name, len(index))
        target, shape = candidates[0]
        for candidate in candidates:
            if len(candidate.shape) == len(index):
                target, shape = candidate
                break
        called = cell_name(name, index) if index else f"{name}[]"
        if len(shape) != len(index):
            size = text(shape) or "a single number"
            raise OptionError(f"{called}: expected {_indices(len(shape))} ({name} is {size}), found {len(index)}")
        for axis, (here, size) in enumerate(zip(index, shape, strict=True)):
            if not 0 <= here < size:
                raise OptionError(f"{called}: expected index {axis} from 0 to {size - 1} ({name} is {text(shape)})")
        return Cell(target, cell_index(flat_index(index, shape), self.full_shape(target)))

    def candidates(self, name: str, axes: int | None = None) -> list[Denoted]:
        """Return the tensors that a name may denote, the most likely first, with the shapes that indices refer to."""
        tensors = list[Denoted]()
        if name in self.entries:
            tensors.append(Denoted(name, self.full_shape(name)))
        aliases = self.aliases.get(name, [])
        for target, shape in aliases:
            tensors.append(Denoted(target, self.full_shape(target, shape)))
        for target, _ in aliases:
            if target != name:
                tensors.append(Denoted(target, self.full_shape(target)))
        if not tensors and name.endswith(UPDATE):
            tensors = self._updates(name, axes)
        if not tensors:
            raise self._unknown(name)
        return tensors

    def _updates(self, name: str, axes: int | None) -> list[Denoted]:
        """Resolve a name such as conv2.update: return the layer's parameters with this number of axes."""
        layer = name.removesuffix(UPDATE)
        updates = list[Denoted]()
        matching = list[Denoted]()
        for entry in self.entries.values():
            if entry.kind != "update" or not entry.name.startswith(f"{layer}."):
                continue
            update = Denoted(entry.name, entry.shape)
            updates.append(update)
            if axes is None or len(entry.shape) == axes:
                matching.append(update)
        if len(matching) > 1:
            raise OptionError(f"{name} is ambiguous; use one of {', '.join(update.tensor for update in matching)}")
        return matching or updates

    def _unknown(self, name: str) -> OptionError:
        layer, _, own = name.partition(".")
        names = list(dict.fromkeys([*self.entries, *self.aliases]))
        of_layer = [full_name.removeprefix(f"{layer}.") for full_name in names if full_name.startswith(f"{layer}.")]
        if own and of_layer:
            return OptionError(f"{layer} has no {own!r}; it has: {', '.join(of_layer)}")
        hint = ""
        close = get_close_matches(name, names, 3, 0.5)
        if close:
            hint = f"; did you mean {' or '.join(close)}?"
        layers = ", ".join((*self.layers, "loss"))
        return OptionError(f"there is no tensor {name!r} in this trace{hint} (layers: {layers}; others: x, t, dx)")


def flat_index(index: Index, shape: Shape) -> int:
    """Convert an index to a flat, row-major position."""
    place = 0
    for here, size in zip(index, shape, strict=True):
        place = place * size + here
    return place


def cell_index(place: int, shape: Shape) -> Index:
    """Convert a flat, row-major position to an index."""
    index = list[int]()
    for size in reversed(shape):
        place, here = divmod(place, size)
        index.append(here)
    return tuple(reversed(index))


def cell_name(name: str, index: Index) -> str:
    """Return a cell's name: conv2.dw[3,1,0,2], or loss.y for a tensor without axes."""
    if not index:
        return name
    return f"{name}[{','.join(map(str, index))}]"


def _indices(many: int) -> str:
    return {0: "no indices", 1: "1 index"}.get(many, f"{many} indices")


@dataclass(frozen=True)
class CellContext:
    """An element written by an operation, with all data needed to explain it.

    name       the tensor's canonical name
    place      the tensor's position among the operation's outputs
    index      the element's index in the operation's shape; if the tensor has a sample axis, the sample comes first
    arguments  the operation's attributes, including those known only at run time
    arrays     all tensors of the trace by canonical name, with the sample axis
    digits     significant digits of numbers in texts
    """

    name: str
    operation: Operation
    place: int
    index: Index
    arguments: Mapping[str, Any]
    arrays: Mapping[str, Array]
    catalogue: TensorCatalogue
    digits: int = DIGITS

    @classmethod
    def of(
        cls,
        cell: Cell,
        arrays: Mapping[str, Array],
        catalogue: TensorCatalogue,
        runtime: Mapping[str, int],
        digits: int = DIGITS,
    ) -> "CellContext":
        """Return the context of a cell written by an operation.

        runtime  the first sample, the seed and the step; some operations need them in addition to their attributes
        """
        operation, place = catalogue.writers[cell.tensor]
        written = operation.writes[place]
        entry = catalogue.entries[cell.tensor]
        sample = 0
        own = cell.index
        if entry.per_sample and catalogue.samples > 1:
            sample, *rest = cell.index
            own = tuple(rest)
        index = cell_index(flat_index(own, entry.shape), written.shape)
        if written.per_sample:
            index = (sample, *index)
        arguments = operation.arguments({**runtime, "batch": catalogue.samples})
        return cls(cell.tensor, operation, place, index, arguments, arrays, catalogue, digits)

    @property
    def layer(self) -> str:
        """The layer of the operation."""
        return self.operation.layer

    @property
    def written(self) -> Tensor:
        """The written tensor."""
        return self.operation.writes[self.place]

    @property
    def samples(self) -> int:
        """Number of samples in the batch."""
        return self.catalogue.samples

    @property
    def sample(self) -> int:
        """Sample of the element; 0 if the tensor has no sample axis."""
        if self.written.per_sample:
            return self.index[0]
        return 0

    @property
    def own_index(self) -> Index:
        """Index without the sample axis."""
        if self.written.per_sample:
            return self.index[1:]
        return self.index

    @property
    def shape(self) -> Index:
        """Shape of the written tensor, without the sample axis."""
        return self.written.shape

    @property
    def full_shape(self) -> Index:
        """Shape of the written tensor, with the sample axis if it has one."""
        if self.written.per_sample:
            return (self.samples, *self.shape)
        return self.shape

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the written tensor."""
        height, width = self.shape[-2:]
        return height, width

    def sentences(self, **facts: object) -> str:
        """Return the applicable sentences about the operation."""
        return self.sentences_of(self.operation.name, **facts)

    def sentences_of(self, entry: str, **facts: object) -> str:
        """Return the applicable sentences of another entry of the definitions."""
        return definitions.fill(definitions.entries()[entry]["words"], facts)

    @property
    def value(self) -> float:
        """Value of the element."""
        return float(self.shaped(self.written, self.name)[self.index])

    def tensor(self, read: int) -> Tensor:
        """Return the operation's input at a position."""
        return self.operation.operand(read)

    def reads(self, read: int) -> bool:
        """Return whether the operation has an input at a position; a bias may be missing."""
        return len(self.operation.reads) > read and self.operation.reads[read] is not None

    def array(self, read: int) -> Array:
        """Return the input array at a position, in the operation's shape and with the sample axis first."""
        tensor = self.tensor(read)
        return self.shaped(tensor, tensor.storage)

    def shaped(self, tensor: Tensor, name: str) -> Array:
        """Return an array of the trace in the shape of one of the operation's tensors, with the sample axis first."""
        shape = (self.samples, *tensor.shape) if tensor.per_sample else tensor.shape
        return self.arrays[name].reshape(shape)

    def cell(self, read: int, index: Index) -> str:
        """Return the canonical name of an element of an input."""
        return self.catalogue.cell(self.tensor(read), index)

    def factor(self, read: int, index: Index) -> Factor:
        """Return an element of an input as a factor of a product."""
        return Factor(self.symbol_of(read), self.cell(read, index), float(self.array(read)[index]))

    # ------------------------------------------------------------------ names in equations

    def symbol_of(self, read: int) -> str:
        """Return the name of an input in equations: x, w, dy."""
        return self._symbol(self.tensor(read))

    @property
    def result(self) -> str:
        """Name of the written tensor in equations."""
        return self._symbol(self.written)

    def _symbol(self, tensor: Tensor) -> str:
        source = self.catalogue.inputs.get(self.layer)
        is_layer = self.layer in self.catalogue.layers and self.layer != "loss"
        letter = "x" if is_layer else "p"
        if tensor.storage == source:
            return letter
        if source is not None and tensor.storage in (gradient_name(source), gradient_part(source, self.layer)):
            return f"d{letter}"
        layer, _, own = tensor.name.rpartition(".")
        if source is not None or layer == self.layer:
            return own
        return tensor.name  # the full name, because the layer has several inputs

    def bracket(self, name: str, *indices: Symbol, sample: Symbol | None = None) -> str:
        """Return x[c,i,j], or x[n,c,i,j] for a batch; ``sample`` replaces n."""
        if self.samples == 1:
            return at(name, *indices)
        return at(name, "n" if sample is None else sample, *indices)

    # ------------------------------------------------------------------ numbers in texts

    def number(self, value: float, *others: float) -> str:
        """Return a number as text, with enough digits to tell it from the other numbers."""
        return format_number(value, self.digits, others)

    def operand(self, value: float, *others: float) -> str:
        """Return a number as `number` does, in parentheses if it is negative."""
        return bracketed(value, self.digits, others)
