"""Terms sorted by magnitude: the largest, and the sum of the others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.explain.record import Term


@dataclass(frozen=True)
class Folded:
    """The largest terms by |value|; the number of others, how many of these are 0, and their sum."""

    largest: tuple[Term, ...]
    others: int
    zeros: int
    rest: float
    sum: float


def fold(terms: Sequence[Term], max_terms: int | None) -> Folded:
    """Keep at most ``max_terms`` terms, largest first (None: all); of equal ones the first comes first.

    One alone is never folded away; where any are, all zeros are.
    """
    order = sorted(terms, key=_size, reverse=True)
    keep = len(order) if max_terms is None or len(order) <= max_terms + 1 else min(max_terms, _not_zero(order))
    others = order[keep:]
    zeros = sum(term.value == 0 for term in others)
    return Folded(tuple(order[:keep]), len(others), zeros, _total(others), _total(terms))


def _total(terms: Sequence[Term]) -> float:
    """Return the sum, rounded once; with infinities, by plain addition."""
    values = [term.value for term in terms]
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def _not_zero(order: Sequence[Term]) -> int:
    return max(sum(term.value != 0 for term in order), 1)


def _size(term: Term) -> float:
    return math.inf if math.isnan(term.value) else abs(term.value)
