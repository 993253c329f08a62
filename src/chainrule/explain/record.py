"""Data classes for the explanation of one cell: title, sentences, equation, and terms with their sources."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Literal

from chainrule.explain.code import CodeLocation
from chainrule.explain.notation import DIGITS, format_number

MAX_SOURCES = 4096
OPTIONAL = ("scale", "pick", "curve", "steps", "jacobian")


@dataclass(frozen=True)
class Factor:
    """A factor of a product.

    cell   name of the cell with the value, or None if the value is not in a tensor
    gap    why there is a 0 without a cell: a position in the padding, or between elements of a strided gradient
    """

    name: str
    cell: str | None
    value: float
    gap: Literal["padding", "stride"] | None = None


@dataclass(frozen=True)
class Term:
    """One term of a sum: a product of factors."""

    factors: tuple[Factor, ...]
    value: float

    @staticmethod
    def of(*factors: Factor) -> "Term":
        """Return the product of factors. It is 0 if a factor is a 0 without a cell, even if another factor is NaN."""
        value = 1.0
        for factor in factors:
            value *= factor.value
        if any(factor.gap for factor in factors):
            value = 0.0
        return Term(factors, value)


@dataclass(frozen=True)
class Scale:
    """A factor that multiplies the whole sum."""

    symbols: str
    value: float


@dataclass(frozen=True)
class Candidate:
    """A cell in a max-pooling window."""

    cell: str
    value: float


@dataclass(frozen=True)
class Pick:
    """The cells of a max-pooling window, row by row, and the index of the maximum among them."""

    candidates: tuple[Candidate, ...]
    winner: int


@dataclass(frozen=True)
class Curve:
    """A point on an activation's curve, and the slope at this point."""

    function: str
    x: float
    y: float
    slope: float


@dataclass(frozen=True)
class CalculationStep:
    """One line of a calculation: a name, a formula in symbols and in numbers, and a value.

    shown   the value as printed
    """

    name: str
    symbols: str
    numbers: str
    value: float
    shown: str


@dataclass(frozen=True)
class JacobianRow:
    """The row for class k: ŷ_k, t_k, dLoss/dŷ_k, dŷ_k/dx_j, and the product of these two derivatives."""

    k: int
    p: float
    t: float
    dp: float
    j: float
    product: float


@dataclass(frozen=True)
class Jacobian:
    """The chain rule through softmax: one row per class. The gradient is the sum of the rows' products."""

    rows: tuple[JacobianRow, ...]


@dataclass(frozen=True)
class Details:
    """The part of an explanation that depends on the operation.

    words          the sentences
    symbols        the equation with letters as indices; None if there is no equation
    instantiated   the equation with the cell's indices; None if there is none
    sources        further cells that the value depends on, not listed as terms or candidates
    """

    words: str
    symbols: str | None = None
    instantiated: str | None = None
    terms: tuple[Term, ...] = ()
    scale: Scale | None = None
    pick: Pick | None = None
    curve: Curve | None = None
    steps: tuple[CalculationStep, ...] | None = None
    jacobian: Jacobian | None = None
    sources: tuple[str, ...] = ()

    @property
    def equations(self) -> list[str]:
        """The equations, without duplicates."""
        equations = dict.fromkeys((self.symbols, self.instantiated))
        return [equation for equation in equations if equation is not None]

    def all_sources(self) -> tuple[str, ...]:
        """Return all cells from which the value was computed, in order of first use and without duplicates."""
        sources = list(self.sources)
        for term in self.terms:
            sources += [factor.cell for factor in term.factors if factor.cell]
        if self.pick:
            for candidate in self.pick.candidates:
                sources.append(candidate.cell)
        return tuple(dict.fromkeys(sources))[:MAX_SOURCES]


@dataclass(frozen=True)
class CellExplanation:
    """The content of an explanation of one cell of a trace. The fields are described in docs/explaining.md.

    layer       layer of the tensor; None for the input, the target and other tensors without a layer
    operation   operation that computed the cell; None if no operation did
    derivation  page with the derivation of the operation
    digits      significant digits of numbers in texts
    reexplain   function that returns the same explanation with another number of digits
    """

    cell: str
    tensor: str
    index: tuple[int, ...]
    value: float
    layer: str | None
    operation: str | None
    title: str
    details: Details = field(repr=False)
    code: tuple[CodeLocation, ...] = field(default=(), repr=False)
    derivation: str | None = None
    digits: int = DIGITS
    reexplain: "Callable[[int], CellExplanation] | None" = field(default=None, repr=False, compare=False)

    @property
    def shown(self) -> str:
        """The value as printed. An updated parameter gets enough digits to differ from its previous value."""
        if self.details.steps:
            last = self.details.steps[-1]
            if last.value == self.value:
                return last.shown
        return format_number(self.value, self.digits)

    def to_json(self) -> dict[str, object]:
        """Return the explanation as JSON values. Optional parts are included only if present."""
        content: dict[str, object] = {
            "cell": self.cell,
            "tensor": self.tensor,
            "index": list(self.index),
            "value": self.value,
            "shown": self.shown,
            "layer": self.layer,
            "operation": self.operation,
            "title": self.title,
        }
        fields = asdict(self.details)
        content["words"] = fields["words"]
        content["symbols"] = fields["symbols"]
        content["here"] = fields["instantiated"]
        content["terms"] = fields["terms"]
        for name in OPTIONAL:
            if fields[name] is not None:
                content[name] = fields[name]
        content["code"] = [asdict(place) for place in self.code]
        content["derivation"] = self.derivation
        content["sources"] = list(self.details.all_sources())
        return content
