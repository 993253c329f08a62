"""The explanation of one number: what it is, the equation that made it, its terms and where they come from."""

from dataclasses import asdict, dataclass, field
from typing import Any

from chainrule.explain.code import Place
from chainrule.explain.numbers import shown

MOST_SOURCES = 4096
OPTIONAL = ("scale", "pick", "curve", "steps", "jacobian")


@dataclass(frozen=True)
class Factor:
    """A number in a product. cell: where it is read, None for a number that no tensor holds; why it is a zero then."""

    name: str
    cell: str | None
    value: float
    why: str = ""


@dataclass(frozen=True)
class Term:
    """A product of a sum."""

    factors: tuple[Factor, ...]
    value: float

    @staticmethod
    def of(*factors: Factor) -> "Term":
        """The product of some factors; one with a zero that stands for padding is 0, whatever the other is."""
        value = 1.0
        for factor in factors:
            value *= factor.value
        return Term(factors, 0.0 if any(factor.why for factor in factors) else value)


@dataclass(frozen=True)
class Scale:
    """What a sum is multiplied by."""

    symbols: str
    value: float


@dataclass(frozen=True)
class Candidate:
    """A cell under the window of max pooling."""

    cell: str
    value: float


@dataclass(frozen=True)
class Pick:
    """The cells that competed, row by row, and the place of the winner among them."""

    candidates: tuple[Candidate, ...]
    winner: int


@dataclass(frozen=True)
class Curve:
    """Where on the curve of an activation a number lies."""

    function: str
    x: float
    y: float
    slope: float


@dataclass(frozen=True)
class Step:
    """A line of a calculation: its name, in symbols, with numbers put in, and what it comes to."""

    name: str
    symbols: str
    numbers: str
    value: float


@dataclass(frozen=True)
class Row:
    """A class k in the chain rule through softmax: ŷ_k, t_k, dLoss/dŷ_k, dŷ_k/dx_j and their product."""

    k: int
    p: float
    t: float
    dp: float
    j: float
    product: float


@dataclass(frozen=True)
class Jacobian:
    """All classes; the sum of the products is the gradient."""

    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Made:
    """What an operation says of a number: everything of an `Explanation` that depends on the operation.

    sources   cells that are read besides those of terms and candidates
    """

    words: str
    symbols: str = ""
    here: str = ""
    terms: tuple[Term, ...] = ()
    scale: Scale | None = None
    pick: Pick | None = None
    curve: Curve | None = None
    steps: tuple[Step, ...] | None = None
    jacobian: Jacobian | None = None
    sources: tuple[str, ...] = ()

    def all_sources(self) -> tuple[str, ...]:
        """Every cell it was made from, once, in the order met."""
        found = dict.fromkeys(self.sources)
        found |= dict.fromkeys(factor.cell for term in self.terms for factor in term.factors if factor.cell)
        if self.pick:
            found |= dict.fromkeys(candidate.cell for candidate in self.pick.candidates)
        return tuple(found)[:MOST_SOURCES]


@dataclass(frozen=True)
class Explanation:
    """How one number of a trace came about; see docs/explaining.md for what the fields mean."""

    cell: str
    tensor: str
    index: tuple[int, ...]
    value: float
    layer: str
    operation: str
    title: str
    made: Made = field(repr=False)
    code: tuple[Place, ...] = field(default=(), repr=False)
    derivation: str = ""

    @property
    def shown(self) -> str:
        """The value as it is printed."""
        return shown(self.value)

    def to_json(self) -> dict[str, Any]:
        """The record as the page has it; optional parts only where they are."""
        made = asdict(self.made)
        parts = {name: made.pop(name) for name in OPTIONAL}
        head = {"cell": self.cell, "tensor": self.tensor, "index": list(self.index), "value": self.value}
        head |= {"shown": self.shown, "layer": self.layer, "operation": self.operation, "title": self.title}
        body = {name: made[name] for name in ("words", "symbols", "here", "terms")}
        given = {name: part for name, part in parts.items() if part is not None}
        code = [asdict(place) for place in self.code]
        tail = {"code": code, "derivation": self.derivation, "sources": list(self.made.all_sources())}
        return {**head, **body, **given, **tail}

    def __str__(self) -> str:
        from chainrule.explain.text import text

        return text(self)

    def _repr_html_(self) -> str:
        from chainrule.explain.html import explanation

        return explanation(self)
