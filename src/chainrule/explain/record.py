"""The explanation of one cell: title, sentences, equation, and the terms with their sources."""

from dataclasses import asdict, dataclass, field
from typing import Any

from chainrule.explain.code import CodeLocation
from chainrule.explain.notation import format_number

MOST_SOURCES = 4096
OPTIONAL = ("scale", "pick", "curve", "steps", "jacobian")


@dataclass(frozen=True)
class Factor:
    """A factor of a product. cell: where it is read, None if no tensor holds it; why: the reason for a zero then."""

    name: str
    cell: str | None
    value: float
    why: str = ""


@dataclass(frozen=True)
class Term:
    """A product in a sum."""

    factors: tuple[Factor, ...]
    value: float

    @staticmethod
    def of(*factors: Factor) -> "Term":
        """Return the product of factors; one with a zero for padding is 0, whatever the others are."""
        value = 1.0
        for factor in factors:
            value *= factor.value
        return Term(factors, 0.0 if any(factor.why for factor in factors) else value)


@dataclass(frozen=True)
class Scale:
    """Factor of a whole sum."""

    symbols: str
    value: float


@dataclass(frozen=True)
class Candidate:
    """A cell in the window of max pooling."""

    cell: str
    value: float


@dataclass(frozen=True)
class Pick:
    """The cells of a window, row by row, and the index of the winner among them."""

    candidates: tuple[Candidate, ...]
    winner: int


@dataclass(frozen=True)
class Curve:
    """A point on the curve of an activation, with the slope there."""

    function: str
    x: float
    y: float
    slope: float


@dataclass(frozen=True)
class CalculationStep:
    """A line of a calculation: name, in symbols, in numbers, and value."""

    name: str
    symbols: str
    numbers: str
    value: float


@dataclass(frozen=True)
class JacobianRow:
    """One class k in the chain rule through softmax: ŷ_k, t_k, dLoss/dŷ_k, dŷ_k/dx_j and their product."""

    k: int
    p: float
    t: float
    dp: float
    j: float
    product: float


@dataclass(frozen=True)
class Jacobian:
    """All classes; the sum of the products is the gradient."""

    rows: tuple[JacobianRow, ...]


@dataclass(frozen=True)
class Derivation:
    """The part of an `Explanation` that depends on the operation.

    sources   cells that are read besides those of terms and candidates
    """

    words: str
    symbols: str = ""
    instantiated: str = ""
    terms: tuple[Term, ...] = ()
    scale: Scale | None = None
    pick: Pick | None = None
    curve: Curve | None = None
    steps: tuple[CalculationStep, ...] | None = None
    jacobian: Jacobian | None = None
    sources: tuple[str, ...] = ()

    def all_sources(self) -> tuple[str, ...]:
        """Return every cell it was computed from, once, in the order met."""
        sources = dict.fromkeys(self.sources)
        sources |= dict.fromkeys(factor.cell for term in self.terms for factor in term.factors if factor.cell)
        if self.pick:
            sources |= dict.fromkeys(candidate.cell for candidate in self.pick.candidates)
        return tuple(sources)[:MOST_SOURCES]


@dataclass(frozen=True)
class Explanation:
    """The explanation of one cell of a trace; docs/explaining.md describes the fields."""

    cell: str
    tensor: str
    index: tuple[int, ...]
    value: float
    layer: str
    operation: str
    title: str
    derived: Derivation = field(repr=False)
    code: tuple[CodeLocation, ...] = field(default=(), repr=False)
    derivation: str = ""

    @property
    def shown(self) -> str:
        """Value as it is printed."""
        return format_number(self.value)

    def to_json(self) -> dict[str, Any]:
        """Return the record for the page; optional parts only if present."""
        fields = asdict(self.derived)
        parts = {name: fields.pop(name) for name in OPTIONAL}
        head = {"cell": self.cell, "tensor": self.tensor, "index": list(self.index), "value": self.value}
        head |= {"shown": self.shown, "layer": self.layer, "operation": self.operation, "title": self.title}
        body = {
            ("here" if name == "instantiated" else name): fields[name]
            for name in ("words", "symbols", "instantiated", "terms")
        }
        present = {name: part for name, part in parts.items() if part is not None}
        code = [asdict(place) for place in self.code]
        tail = {"code": code, "derivation": self.derivation, "sources": list(self.derived.all_sources())}
        return {**head, **body, **present, **tail}

    def __str__(self) -> str:
        from chainrule.explain.text import text

        return text(self)

    def _repr_html_(self) -> str:
        from chainrule.explain.html import explanation

        return explanation(self)
