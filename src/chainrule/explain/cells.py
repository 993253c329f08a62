"""Names of the cells of a trace. Every cell has one canonical name and may have aliases.

A tensor has the shape in which its operation writes it; a gradient has the shape of its primal tensor. If the trace
has only one sample, indices omit the sample axis.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

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


@dataclass
class TensorCatalogue:
    """All tensors of a trace, in order of computation.

    aliases  alias → the tensors that it can denote, each with the shape that the alias's indices refer to (without
             the sample axis)
    writers  tensor → the operation that writes it, its position among the operation's outputs, and the layer
    inputs   layer → its input tensor, if it has only one input
    """

    samples: int
    layers: tuple[str, ...]
    entries: dict[str, TensorEntry] = field(default_factory=dict[str, TensorEntry])
    aliases: dict[str, list[tuple[str, Shape]]] = field(default_factory=dict[str, list[tuple[str, Shape]]])
    writers: dict[str, tuple[Operation, int, str]] = field(default_factory=dict[str, tuple[Operation, int, str]])
    inputs: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, name: str, shape: Shape, kind: str, *, per_sample: bool) -> None:
        """Add a tensor unless it is already present."""
        self.entries.setdefault(name, TensorEntry(name, shape, kind, per_sample))

    def alias(self, name: str, target: str, shape: Shape) -> None:
        """Add an alias of a tensor, indexed with the given shape. Do nothing if the tensor does not exist."""
        if target in self.entries:
            self.aliases.setdefault(name, []).append((target, shape))

    def full_shape(self, name: str, shape: Shape | None = None) -> Shape:
        """Return the shape that indices refer to, with a sample axis if the trace has several samples."""
        entry = self.entries[name]
        own = entry.shape if shape is None else shape
        return (self.samples, *own) if entry.per_sample and self.samples > 1 else own

    def cell(self, tensor: Tensor, at: Index) -> str:
        """Return the canonical name of the element that an operation indexes as ``at``, with the sample first."""
        entry = self.entries[tensor.storage]
        own = at[1:] if entry.per_sample else at
        if tensor.shape != entry.shape:
            own = cell_index(flat_index(own, tensor.shape), entry.shape)
        return cell_name(entry.name, (at[0], *own) if entry.per_sample and self.samples > 1 else own)

    def read(self, cell: str) -> Cell:
        """Parse the name of a cell, such as conv2.dw[3,1,0,2]; raise OptionError if there is no such cell.

        Aliases are accepted.
        """
        match = CELL.fullmatch(str(cell))
        if not match:
            raise OptionError(f"cell {cell!r}: expected TENSOR[i,j,…], such as conv1.y[0,2,3]")
        name, inside = match[1], (match[2] or "").strip()
        numbers = [part.strip() for part in inside.split(",")] if inside else []
        if not all(re.fullmatch(r"-?[0-9]{1,9}", number) for number in numbers):
            raise OptionError(f"cell {cell!r}: expected whole numbers in brackets, found [{inside}]")
        return self.find(name, tuple(map(int, numbers)))

    def find(self, name: str, index: Index) -> Cell:
        """Return the cell with this tensor name (canonical or an alias) and index."""
        seen = self.candidates(name, len(index))
        target, shape = next((candidate for candidate in seen if len(candidate[1]) == len(index)), seen[0])
        called = cell_name(name, index) if index else f"{name}[]"
        if len(shape) != len(index):
            size = text(shape) or "a single number"
            raise OptionError(f"{called}: expected {_indices(len(shape))} ({name} is {size}), found {len(index)}")
        for axis, (here, size) in enumerate(zip(index, shape, strict=True)):
            if not 0 <= here < size:
                raise OptionError(f"{called}: expected index {axis} from 0 to {size - 1} ({name} is {text(shape)})")
        return Cell(target, cell_index(flat_index(index, shape), self.full_shape(target)))

    def candidates(self, name: str, axes: int | None = None) -> list[tuple[str, Shape]]:
        """Return the tensors that a name may denote, the most likely first, with the shapes that indices refer to."""
        tensors = [(name, self.full_shape(name))] if name in self.entries else []
        tensors += [(target, self.full_shape(target, shape)) for target, shape in self.aliases.get(name, [])]
        tensors += [(target, self.full_shape(target)) for target, _ in self.aliases.get(name, []) if target != name]
        if not tensors and name.endswith(UPDATE):
            tensors = self._updates(name, axes)
        if not tensors:
            raise self._unknown(name)
        return tensors

    def _updates(self, name: str, axes: int | None) -> list[tuple[str, Shape]]:
        """Resolve a name such as conv2.update: return the layer's parameters with this number of axes."""
        layer = name.removesuffix(UPDATE)
        own = [
            entry for entry in self.entries.values() if entry.kind == "update" and entry.name.startswith(f"{layer}.")
        ]
        matching = [entry for entry in own if axes is None or len(entry.shape) == axes]
        if len(matching) > 1:
            raise OptionError(f"{name} is ambiguous; use one of {', '.join(entry.name for entry in matching)}")
        return [(entry.name, entry.shape) for entry in matching or own]

    def _unknown(self, name: str) -> OptionError:
        layer, _, own = name.partition(".")
        names = list(dict.fromkeys([*self.entries, *self.aliases]))
        of_layer = [full_name.removeprefix(f"{layer}.") for full_name in names if full_name.startswith(f"{layer}.")]
        if own and of_layer:
            return OptionError(f"{layer} has no {own!r}; it has: {', '.join(of_layer)}")
        close = get_close_matches(name, names, 3, 0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
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
    return f"{name}[{','.join(map(str, index))}]" if index else name


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
    layer      the layer of the operation
    digits     significant digits of numbers in texts
    """

    name: str
    operation: Operation
    place: int
    index: Index
    arguments: Mapping[str, Any]
    arrays: Mapping[str, Array]
    catalogue: TensorCatalogue
    layer: str
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
        operation, place, layer = catalogue.writers[cell.tensor]
        written, entry = operation.writes[place], catalogue.entries[cell.tensor]
        batch = entry.per_sample and catalogue.samples > 1
        sample, own = (cell.index[:1], cell.index[1:]) if batch else ((0,), cell.index)
        seen = cell_index(flat_index(own, entry.shape), written.shape)
        index = (*sample, *seen) if written.per_sample else seen
        arguments = operation.arguments({**runtime, "batch": catalogue.samples})
        return cls(cell.tensor, operation, place, index, arguments, arrays, catalogue, layer, digits)

    @property
    def samples(self) -> int:
        """Number of samples in the batch."""
        return self.catalogue.samples

    @property
    def sample(self) -> int:
        """Sample of the element; 0 if the tensor has no sample axis."""
        return self.index[0] if self.operation.writes[self.place].per_sample else 0

    @property
    def own_index(self) -> Index:
        """Index without the sample axis."""
        return self.index[1:] if self.operation.writes[self.place].per_sample else self.index

    @property
    def shape(self) -> Index:
        """Shape of the written tensor, without the sample axis."""
        return self.operation.writes[self.place].shape

    @property
    def full_shape(self) -> Index:
        """Shape of the written tensor, with the sample axis if it has one."""
        return (self.samples, *self.shape) if self.operation.writes[self.place].per_sample else self.shape

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the written tensor."""
        height, width = self.operation.writes[self.place].shape[-2:]
        return height, width

    def sentences(self, name: str = "", **facts: Any) -> str:
        """Return the applicable sentences about the operation, or those stored under another name."""
        return definitions.fill(definitions.entries()[name or self.operation.name]["words"], facts)

    @property
    def value(self) -> float:
        """Value of the element."""
        return float(self.shaped(self.operation.writes[self.place], self.name)[self.index])

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
        return self._symbol(self.operation.writes[self.place])

    def _symbol(self, tensor: Tensor) -> str:
        source = self.catalogue.inputs.get(self.layer)
        letter = "x" if self.layer in self.catalogue.layers and self.layer != "loss" else "p"
        if tensor.storage == source:
            return letter
        if source is not None and tensor.storage in (gradient_name(source), gradient_part(source, self.layer)):
            return f"d{letter}"
        layer, _, own = tensor.name.rpartition(".")
        return (
            own if source is not None or layer == self.layer else tensor.name
        )  # full name: the layer has several inputs

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
