"""The context of an explained cell: its operation, its index, and what the operation reads, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.core.plan import Operation, Tensor, gradient_name, gradient_part
from chainrule.engines.protocol import Array
from chainrule.explain.cells import Cell, Index, TensorCatalogue, cell_index, flat_index
from chainrule.explain.notation import Index as Symbol
from chainrule.explain.notation import at, sum_over
from chainrule.explain.record import Factor
from chainrule.operations import definitions


@dataclass(frozen=True)
class CellContext:
    """An entry of a tensor that an operation writes.

    name       the tensor, canonical
    place      which of the tensors that it writes
    index      of the entry as the operation sees it: the sample first, where each sample has the tensor
    arguments  attributes of the operation, those known at run time included
    arrays     every tensor of the trace by canonical name, with the sample axis
    layer      whose operation it is
    """

    name: str
    operation: Operation
    place: int
    index: Index
    arguments: Mapping[str, Any]
    arrays: Mapping[str, Array]
    catalogue: TensorCatalogue
    layer: str

    @classmethod
    def of(
        cls, cell: Cell, arrays: Mapping[str, Array], catalogue: TensorCatalogue, runtime: Mapping[str, int]
    ) -> "CellContext":
        """Return the context of a cell that an operation writes.

        runtime  first sample, seed and step, by which an operation may be determined besides its attributes
        """
        operation, place, layer = catalogue.writers[cell.tensor]
        written, entry = operation.writes[place], catalogue.entries[cell.tensor]
        batch = entry.per_sample and catalogue.samples > 1
        sample, own = (cell.index[:1], cell.index[1:]) if batch else ((0,), cell.index)
        seen = cell_index(flat_index(own, entry.shape), written.shape)
        index = (*sample, *seen) if written.per_sample else seen
        arguments = operation.arguments({**runtime, "batch": catalogue.samples})
        return cls(cell.tensor, operation, place, index, arguments, arrays, catalogue, layer)

    @property
    def samples(self) -> int:
        """Samples of the batch."""
        return self.catalogue.samples

    @property
    def sample(self) -> int:
        """Sample that this entry belongs to; 0 if it belongs to the whole batch."""
        return self.index[0] if self.operation.writes[self.place].per_sample else 0

    @property
    def own_index(self) -> Index:
        """Index without the sample."""
        return self.index[1:] if self.operation.writes[self.place].per_sample else self.index

    @property
    def shape(self) -> Index:
        """Shape of the written tensor, without the samples."""
        return self.operation.writes[self.place].shape

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the written tensor."""
        height, width = self.operation.writes[self.place].shape[-2:]
        return height, width

    def sentences(self, name: str = "", **facts: Any) -> str:
        """Return the sentences about the operation, or those under another name, in which these facts hold."""
        return definitions.fill(definitions.entries()[name or self.operation.name]["words"], facts)

    @property
    def value(self) -> float:
        """Value of the entry."""
        return float(self._shaped(self.operation.writes[self.place], self.name)[self.index])

    def tensor(self, read: int) -> Tensor:
        """Return the tensor that the operation reads at a position."""
        found = self.operation.reads[read]
        assert found is not None, f"{self.operation.name} reads nothing at {read}"
        return found

    def reads(self, read: int) -> bool:
        """Return whether the operation reads a tensor at a position: a bias may be missing."""
        return len(self.operation.reads) > read and self.operation.reads[read] is not None

    def array(self, read: int) -> Array:
        """Return the array read at a position, in the operation's shape, with the sample axis first."""
        tensor = self.tensor(read)
        return self._shaped(tensor, tensor.storage)

    def _shaped(self, tensor: Tensor, name: str) -> Array:
        shape = (self.samples, *tensor.shape) if tensor.per_sample else tensor.shape
        return self.arrays[name].reshape(shape)

    def cell(self, read: int, index: Index) -> str:
        """Return the canonical name of an entry that is read."""
        return self.catalogue.cell(self.tensor(read), index)

    def factor(self, read: int, index: Index) -> Factor:
        """Return an entry that is read, as a factor of a product."""
        return Factor(self.symbol_of(read), self.cell(read, index), float(self.array(read)[index]))

    # ------------------------------------------------------------------ names in equations

    def symbol_of(self, read: int) -> str:
        """Return the name in equations of a tensor that is read: x, w, dy."""
        return self._symbol(self.tensor(read))

    @property
    def result(self) -> str:
        """Name in equations of the tensor that is written."""
        return self._symbol(self.operation.writes[self.place])

    def _symbol(self, tensor: Tensor) -> str:
        source = self.catalogue.inputs.get(self.layer)
        letter = "p" if self.layer == "loss" else "x"
        if tensor.storage == source:
            return letter
        if source is not None and tensor.storage in (gradient_name(source), gradient_part(source, self.layer)):
            return f"d{letter}"
        layer, _, own = tensor.name.rpartition(".")
        return own if source is not None or layer == self.layer else tensor.name  # one of several that a layer reads

    def bracket(self, name: str, *indices: Symbol, sample: Symbol | None = None) -> str:
        """Return x[c,i,j], or x[n,c,i,j] in a batch; ``sample``: the number to write for n."""
        if self.samples == 1:
            return at(name, *indices)
        return at(name, "n" if sample is None else sample, *indices)

    def over(self, *letters: str) -> str:
        """Return Σ over indices, and over the samples of a batch."""
        return sum_over(letters if self.samples == 1 else ("n", *letters))
