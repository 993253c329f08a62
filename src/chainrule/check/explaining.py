"""The explainer's account of a right result, in the names and indices of a learner's arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from chainrule.check.layouts import SAME, ArrayLayout
from chainrule.core.plan import gradient_name
from chainrule.engines.protocol import Array
from chainrule.explain.code import derivation_link
from chainrule.explain.record import Derivation, Factor, Term
from chainrule.explain.trace import PlanTrace

Place = tuple[int, ...]


@dataclass(frozen=True)
class NamedFactor:
    """A factor of a term: the entry that it is (tensor and place, "" and () if it is none), its symbol, its value."""

    tensor: str
    place: Place
    symbol: str
    value: float

    @property
    def label(self) -> str:
        """The entry as text, w[0,0,2,1], or the symbol: f′(x)."""
        return f"{self.tensor}[{','.join(map(str, self.place))}]" if self.tensor else self.symbol


@dataclass(frozen=True)
class Account:
    """How one entry of a right result is computed: the terms of its sum, or steps of a calculation.

    page     section of the documentation that derives it
    scale    factor of the whole sum, with its symbols
    """

    page: str
    terms: tuple[tuple[NamedFactor, ...], ...]
    scale: tuple[str, float]
    derivation: Derivation


@dataclass(frozen=True)
class ExplainedResults:
    """The right results of a layer or a loss on given values, every entry explained.

    names     name in the trace of x, y (p, t) and the parameters
    layouts   of these in the learner's code, where they differ from this library's
    """

    trace: PlanTrace
    names: Mapping[str, str]
    layouts: Mapping[str, ArrayLayout]

    def account(self, tensor: str, cell: Place) -> Account | None:
        """Return the account of y, or of the gradient of a tensor, at the learner's index; None if there is none."""
        stored = self.names.get(tensor, "")
        place = int(self._places(tensor)[cell])
        try:
            operation, found = self.trace.explain(stored if tensor == "y" else gradient_name(stored), place)
        except KeyError:  # a layer that only renames axes
            return None
        scale = (found.scale.symbols, found.scale.value) if found.scale else ("", 1.0)
        terms = tuple(self._term(term) for term in found.terms if not any(factor.why for factor in term.factors))
        return Account(derivation_link(operation), terms, scale, found)

    def _term(self, term: Term) -> tuple[NamedFactor, ...]:
        return tuple(self._factor(factor) for factor in term.factors)

    def _factor(self, factor: Factor) -> NamedFactor:
        if factor.cell is None:
            return NamedFactor("", (), factor.name, factor.value)
        stored, place = self.trace.place(factor.cell)
        for name, known in self.names.items():
            if stored in (known, gradient_name(known)):
                (index,) = np.argwhere(self._places(name) == place)
                title = name if stored == known else f"d{name}"
                return NamedFactor(title, tuple(map(int, index)), title, factor.value)
        return NamedFactor("", (), factor.name, factor.value)

    def _places(self, tensor: str) -> Array:
        """Return the flat index in the trace at every entry of the learner's array."""
        stored = gradient_name(self.names["y"]) if tensor == "y" else self.names[tensor]  # y may be a reshaped view
        return _places(self.layouts.get(tensor, SAME), self.trace.catalogue.full_shape(stored))


@cache
def _places(layout: ArrayLayout, shape: tuple[int, ...]) -> Array:
    return layout.places(shape)
