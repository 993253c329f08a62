"""Records of the explanation of one cell: title, sentences, equation, and terms with their sources."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from chainrule.explain.code import CodeLocation
from chainrule.explain.notation import DIGITS, format_number

MAX_SOURCES = 4096
OPTIONAL = ("scale", "pick", "curve", "steps", "jacobian")


@dataclass(frozen=True)
class Factor:
    """A factor of a product.

    cell   cell that holds the value, None if there is none
    why    "padding" or "stride" if the factor is 0 because there is no cell
    """

    name: str
    cell: str | None
    value: float
    why: str = ""


@dataclass(frozen=True)
class Term:
    """A product of factors, one term of a sum."""

    factors: tuple[Factor, ...]
    value: float

    @staticmethod
    def of(*factors: Factor) -> "Term":
        """Return the product of factors; it is 0 if a factor has no cell, even if another factor is NaN."""
        value = 1.0
        for factor in factors:
            value *= factor.value
        return Term(factors, 0.0 if any(factor.why for factor in factors) else value)


@dataclass(frozen=True)
class Scale:
    """A factor of the whole sum."""

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
    """A line of a calculation: name, formula in symbols and in numbers, and value.

    shown   the value as it is printed
    """

    name: str
    symbols: str
    numbers: str
    value: float
    shown: str


@dataclass(frozen=True)
class JacobianRow:
    """Class k in the chain rule through softmax: ŷ_k, t_k, dLoss/dŷ_k, dŷ_k/dx_j and the product of the last two."""

    k: int
    p: float
    t: float
    dp: float
    j: float
    product: float


@dataclass(frozen=True)
class Jacobian:
    """The rows of all classes; the sum of their products is the gradient."""

    rows: tuple[JacobianRow, ...]


@dataclass(frozen=True)
class Derivation:
    """The part of an `Explanation` that depends on the operation.

    words          sentences
    symbols        equation with letters as indices
    instantiated   equation with the indices of the cell
    sources        cells that are read, other than those of terms and candidates
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
        """Return all cells that the value was computed from, without duplicates, in order of use."""
        sources = dict.fromkeys(self.sources)
        sources |= dict.fromkeys(factor.cell for term in self.terms for factor in term.factors if factor.cell)
        if self.pick:
            sources |= dict.fromkeys(candidate.cell for candidate in self.pick.candidates)
        return tuple(sources)[:MAX_SOURCES]


@dataclass(frozen=True)
class Explanation:
    """The explanation of one cell of a trace; docs/explaining.md describes the fields.

    digits      significant digits of numbers in texts
    reexplain   returns the same explanation with other digits
    """

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
    digits: int = DIGITS
    reexplain: "Callable[[int], Explanation] | None" = field(default=None, repr=False, compare=False)

    @property
    def shown(self) -> str:
        """Value as it is printed; a parameter after the step has enough digits to differ from the value before."""
        last = self.derived.steps[-1] if self.derived.steps else None
        return last.shown if last and last.value == self.value else format_number(self.value, self.digits)

    def with_digits(self, digits: int) -> "Explanation":
        """Return the explanation with numbers of this many significant digits.

        Errors   OptionError unless digits is from 1 to 17
        """
        return self if digits == self.digits or self.reexplain is None else self.reexplain(digits)

    def text(self, *, digits: int | None = None, everything: bool = False) -> str:
        """Return the explanation as text for a terminal.

        digits       significant digits; by default those of the explanation
        everything   print all terms, not only the largest

        Errors   OptionError unless digits is from 1 to 17
        """
        from chainrule.explain.text import text

        return text(self if digits is None else self.with_digits(digits), everything=everything)

    def html(self, *, digits: int | None = None) -> str:
        """Return the explanation as HTML; arguments as in `text`."""
        from chainrule.explain.html import explanation

        return explanation(self if digits is None else self.with_digits(digits))

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as JSON values; optional parts only if present."""
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
        return self.text()

    def _repr_html_(self) -> str:
        return self.html()
