"""Wrong numbers of a result in text: the worst one, and the first one with the terms of its sum."""

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule._io.console import aligned

TERMS_WIDTH = 80  # width of the table of terms, in characters
MAX_DIGITS = 17  # enough digits to distinguish any two float64 numbers
MAX_TERMS = 6  # number of terms of a sum that are printed


def distinct_texts(first: float, second: float, digits: int = 6) -> tuple[str, str]:
    """Return two numbers as text, with enough digits (at most 17) to distinguish them.

    >>> distinct_texts(0.2, 0.2000000003)
    ('0.2', '0.2000000003')
    """
    while f"{first:.{digits}g}" == f"{second:.{digits}g}" and first != second and digits < MAX_DIGITS:
        digits += 1
    return f"{first:.{digits}g}", f"{second:.{digits}g}"


@dataclass(frozen=True)
class WorstEntry:
    """The element with the largest error: its index, its value, and the expected value."""

    index: tuple[int, ...]
    actual: float
    expected: float

    def __str__(self) -> str:
        if self.index:
            position = f"[{', '.join(map(str, self.index))}] "
        else:
            position = ""
        actual, expected = distinct_texts(self.actual, self.expected)
        return f"{position}{actual}, not {expected}"


@dataclass(frozen=True)
class SumTerm:
    """A term of a sum: an element of dy (or of x, for an output) times a factor, expected and actual.

    tensor, index, value   the element
    expected, actual        the factors; 0 if the term is missing
    expected_as, actual_as  names of the factors, such as w[0,0,2,1] or f′(x); None if unknown
    """

    tensor: str
    index: tuple[int, ...]
    value: float
    expected: float
    actual: float
    expected_as: str | None = None
    actual_as: str | None = None

    @property
    def differs(self) -> bool:
        """Whether the two factors differ by more than rounding."""
        return abs(self.expected - self.actual) > 1e-5 * max(abs(self.expected), abs(self.actual), 1e-3)

    def cells(self, names: bool) -> tuple[str, str, str]:
        """Return the table cells of the element and the two factors, with or without the names of the factors."""
        expected = _factor_cell(self.expected, self.expected_as if names else None)
        actual = _factor_cell(self.actual, self.actual_as if names else None)
        return f"{self.tensor}{_cell(self.index)} {self.value:.4g}", expected, actual


@dataclass(frozen=True)
class FirstWrong:
    """The first wrong element of a result in row-major order, with its correct calculation.

    terms     compared terms of the sum
    left_out  number of omitted terms of the expected sum
    constant  part of a gradient that does not depend on dy
    steps     lines of the calculation if it is not a sum
    page      section of the documentation with the derivation; None if there is none
    """

    index: tuple[int, ...]
    actual: float
    expected: float
    terms: tuple[SumTerm, ...] = ()
    left_out: int = 0
    constant: float = 0.0
    steps: tuple[str, ...] = ()
    page: str | None = None

    def lines(self, title: str) -> list[str]:
        """Return lines of at most 80 characters that describe the element and its terms, with differing terms first.

        title  name of the result, such as dx
        """
        head = f"the first wrong number is {title}{_cell(self.index)}: "
        actual, expected = distinct_texts(self.actual, self.expected)
        lines = [f"{head}found {actual}, expected {expected}"]
        if self.terms:
            rows = self._rows(names=True)
            lines += _aligned(rows if len(_aligned(rows)[0]) <= TERMS_WIDTH else self._rows(names=False))
        elif self.steps:
            lines += ["  expected:", *(f"  {line}" for line in self.steps)]
        if self.page is not None:
            lines += [f"  derived in {self.page}"]
        return [line.rstrip() for line in lines]

    def _rows(self, names: bool) -> list[tuple[str, str, str]]:
        """Return table rows for the terms, for the sum of the omitted terms, and for the two totals."""
        shown = sorted(self.terms, key=lambda term: not term.differs)[:MAX_TERMS]
        rows = [("a sum of", "expected", "found")]
        if self.constant:
            rows.append(("a part without dy", "0", f"{self.constant:.4g}"))
        # the contribution of omitted terms, or of other code, to the expected and to the actual sum
        expected_rest = self.expected
        actual_rest = self.actual - self.constant
        expected_rest -= sum(term.value * term.expected for term in shown)
        actual_rest -= sum(term.value * term.actual for term in shown)
        for term in shown:
            rows.append(term.cells(names))
        others = self.left_out + len(self.terms) - len(shown)
        if others:
            differ = sum(term.differs for term in self.terms) - sum(term.differs for term in shown)
            what = f"… {others} more term"
            if others > 1:
                what += "s"
            if differ > 0:
                what += f", {differ} differ"
            rows.append((what, f"{expected_rest:.4g}", f"{actual_rest:.4g}"))
        elif abs(actual_rest) > 1e-6 * max(abs(self.actual), abs(self.expected)):
            rows.append(("other terms", "0", f"{actual_rest:.4g}"))
        return [*rows, ("together", *distinct_texts(self.expected, self.actual, 4))]


def _factor_cell(factor: float, name: str | None) -> str:
    """Return a factor with its name, if it has one, or 0 for a missing factor."""
    if abs(factor) < 1e-12:
        return "0"
    if name is None:
        return f"· {factor:.4g}"
    return f"· {factor:.4g} {name}"


def _cell(index: tuple[int, ...]) -> str:
    if index:
        return f"[{','.join(map(str, index))}]"
    return ""


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the rows as indented, aligned columns. All lines have the same length, including trailing spaces."""
    return [f"  {line}" for line in aligned(rows)]
