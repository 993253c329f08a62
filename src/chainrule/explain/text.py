"""Explanations as terminal text: title, equation, terms in descending order, calculation, and code locations."""

import math
import shutil
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chainrule.explain.code import located
from chainrule.explain.notation import format_number
from chainrule.explain.record import (
    CalculationStep,
    CellExplanation,
    Details,
    Factor,
    Jacobian,
    JacobianRow,
    Pick,
    Term,
)

MAX_WIDTH = 100  # columns
MIN_WIDTH = 40  # columns
SCREEN = (80, 24)  # fallback if the terminal size is unknown
MIN_TERMS = 5  # shown even on a small screen
MAX_SOURCES = 6
CLASS_COLUMNS = ("k", "ŷ[k]", "t[k]", "∂loss/∂ŷ[k]", "∂ŷ[k]/∂z[j]", "product")
INDENT = "  "


def text(explanation: CellExplanation, *, everything: bool = False) -> str:
    """Return the explanation of one cell as text, shortened to fit the screen or with all terms."""
    screen = shutil.get_terminal_size(SCREEN)
    width = screen_width()
    details = explanation.details
    above = [f"{explanation.cell} = {explanation.shown}", *textwrap.wrap(explanation.title, width), ""]
    above += textwrap.wrap(details.words, width)
    equations = _equations(details, width)
    if equations:
        above += ["", *equations]
    below = [*step_lines(details.steps or (), width), *_curve(explanation), *_footer(explanation, width)]
    max_terms = None
    if not everything:
        max_terms = max(screen.lines - len(above) - len(below) - 6, MIN_TERMS)
    middle = _terms(explanation, max_terms)
    if details.pick:
        rows = _aligned(pick_rows(details.pick, explanation.digits), right={1})
        middle = _indented(rows)
    if details.jacobian:
        below = [*_jacobian(details.jacobian, max_terms, explanation.digits), *below]
    return "\n".join(line.rstrip() for line in [*above, *middle, *below])


def _indented(lines: Iterable[str]) -> list[str]:
    """Return the lines with an indent, below an empty line."""
    return ["", *(f"{INDENT}{line}" for line in lines)]


def screen_width() -> int:
    """Return the width of texts in columns, adapted to the terminal."""
    return max(min(shutil.get_terminal_size(SCREEN).columns, MAX_WIDTH), MIN_WIDTH)


def _equations(details: Details, width: int) -> list[str]:
    """Return the equation in letters and the equation with indices, or only one of them if they are identical."""
    lines: list[str] = []
    for equation in details.equations:
        lines += textwrap.wrap(equation, width, initial_indent=INDENT, subsequent_indent=INDENT * 3)
    return lines


# -------------------------------------------------------------------------------------------------- terms


@dataclass(frozen=True)
class Folded:
    """The terms of a sum, shortened: the largest by |value|, the count, zeros and sum of the rest, and the total."""

    largest: tuple[Term, ...]
    others: int
    zeros: int
    rest: float
    sum: float


def fold(terms: Sequence[Term], max_terms: int | None) -> Folded:
    """Keep at most ``max_terms`` terms (None: all), in descending order of |value|.

    If only one term would be omitted, it is kept. If any terms are omitted, all zeros are omitted.
    """
    order = sorted(terms, key=_magnitude, reverse=True)
    keep = len(order)
    if max_terms is not None and len(order) > max_terms + 1:
        nonzero = len(order) - _zeros(order)
        keep = min(max_terms, max(nonzero, 1))
    others = order[keep:]
    return Folded(tuple(order[:keep]), len(others), _zeros(others), _total(others), _total(terms))


def _zeros(terms: Sequence[Term]) -> int:
    return sum(term.value == 0 for term in terms)


def _total(terms: Sequence[Term]) -> float:
    """Return the sum, rounded only once. If a term is not finite, ordinary addition is used."""
    values = [term.value for term in terms]
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def _magnitude(term: Term) -> float:
    if math.isnan(term.value):
        return math.inf
    return abs(term.value)


def _terms(explanation: CellExplanation, max_terms: int | None) -> list[str]:
    """Return the lines for the largest terms, a line for the rest, and the sum.

    A term of several factors has three columns for each, name, value and sign, and its product in the last column.
    Names are aligned on the left, and numbers on the right.
    """
    details = explanation.details
    if not details.terms:
        return []
    folded = fold(details.terms, max_terms)
    factors = max(len(term.factors) for term in details.terms)
    rows = list[list[str]]()
    if factors > 1:
        rows.append(_heading(details.terms, factors))
    for term in folded.largest:
        rows.append(_row(term, factors, explanation.digits))
    names = set(range(0, 3 * factors, 3))
    lines = _aligned(rows, right=set(range(3 * factors + 1)) - names)
    width = max(map(_width, lines))
    for label, value in closing_rows(explanation, folded):
        lines.append(f"{_padded(label, width - _width(value) - 1, right=False)} {value}")
    return _indented(lines)


def _heading(terms: Sequence[Term], factors: int) -> list[str]:
    """Return the factors' names in the equation as column titles, if they are the same in all terms."""
    full = [term for term in terms if len(term.factors) == factors]
    heading = list[str]()
    for place in range(factors):
        column = [term.factors[place] for term in full]
        names = {factor.name for factor in column}
        name = ""
        if len(names) == 1 and any(factor.cell for factor in column):
            name = column[0].name
        heading += [name, "", ""]
    heading[-1:] = ["", "product"]
    return heading


def _row(term: Term, factors: int, digits: int) -> list[str]:
    """Split a term into columns: conv2.dy[3,0,0]  0.0123  ·  relu1.y[1,0,2]  0.5  =  0.00615."""
    names = [factor.cell or _without_cell(factor) for factor in term.factors]
    product = format_number(term.value, digits)
    if factors == 1:
        return [names[0], product]
    if len(term.factors) == 1:
        empty = [""] * (3 * factors - 2)
        return [names[0], *empty, "=", product]
    row: list[str] = []
    for name, factor in zip(names, term.factors, strict=True):
        row += [name, format_number(factor.value, digits), "·"]
    row[-1:] = ["=", product]
    return row


def _without_cell(factor: Factor) -> str:
    """Return the name of a factor that has no cell, or the reason why it is 0."""
    if factor.gap is None:
        return factor.name
    reasons = {"padding": "(padding)", "stride": "(between strides)"}
    return reasons[factor.gap]


def closing_rows(explanation: CellExplanation, folded: Folded) -> list[tuple[str, str]]:
    """Return labels and values below the largest terms: the rest, the sum, and the scaled sum."""
    details = explanation.details
    rows = _rest(folded, explanation.digits)
    if len(details.terms) > 1 or details.scale:
        rows.append(("sum", format_number(folded.sum, explanation.digits)))
    if details.scale:
        rows.append((f"· {details.scale.symbols}", explanation.shown))
    return rows


def _rest(folded: Folded, digits: int) -> list[tuple[str, str]]:
    if not folded.others:
        return []
    if folded.zeros == folded.others:
        return [(f"… and {folded.others} more, all 0", "0")]
    terms = "smaller term" if folded.others == 1 else "smaller terms"
    if folded.zeros:
        terms += f" ({folded.zeros} of them 0)"
    return [(f"… and {folded.others} {terms}, together", format_number(folded.rest, digits))]


def pick_rows(pick: Pick, digits: int) -> list[list[str]]:
    """Return the name and the value of each cell of a window, with a mark for the maximum."""
    rows = list[list[str]]()
    for place, candidate in enumerate(pick.candidates):
        mark = "◀ wins" if place == pick.winner else ""
        rows.append([candidate.cell, format_number(candidate.value, digits), mark])
    return rows


def class_rows(jacobian: Jacobian, shown: Iterable[JacobianRow], digits: int) -> list[list[str]]:
    """Return a row for each of these classes, with the columns `CLASS_COLUMNS`, and the sum over all classes."""
    rows = list[list[str]]()
    for row in shown:
        numbers = (row.p, row.t, row.dp, row.j, row.product)
        rows.append([str(row.k), *(format_number(number, digits) for number in numbers)])
    total = sum(row.product for row in jacobian.rows)
    rows.append(["sum", "", "", "", "", format_number(total, digits)])
    return rows


def _jacobian(jacobian: Jacobian, max_terms: int | None, digits: int) -> list[str]:
    """Return a table of the chain rule through the probabilities, with one row per class."""
    shown_rows = list(jacobian.rows)
    if max_terms is not None and len(jacobian.rows) > max_terms:
        shown_rows = [row for row in jacobian.rows if row.product or row.k < MIN_TERMS]
    lines = _aligned([CLASS_COLUMNS, *class_rows(jacobian, shown_rows, digits)], right={1, 2, 3, 4, 5})
    hidden = len(jacobian.rows) - len(shown_rows)
    if hidden:
        lines.insert(-1, f"… and {hidden} classes that are not the right one: 0 each")
    return _indented(lines)


# -------------------------------------------------------------------------------------------------- steps and footer


def step_lines(steps: Iterable[CalculationStep], width: int) -> list[str]:
    """Return a calculation's lines: m̂ = m′ / (1 − β₁^{t}) = 0.0123 / (1 − 0.9^{12}) = 0.0171. Long lines break at =."""
    lines: list[str] = []
    calculation = list(steps)
    names = max((_width(step.name) for step in calculation), default=0)
    blank = " " * (names + len(INDENT))
    for step in calculation:
        parts = list(dict.fromkeys((step.symbols, step.numbers, step.shown)))
        name = f"{INDENT}{_padded(step.name, names, right=False)}"
        line = f"{name} = {' = '.join(parts)}"
        if _width(line) <= width:
            lines.append(line)
            continue
        begin = name
        for part in parts:
            lines += textwrap.wrap(part, width, initial_indent=f"{begin} = ", subsequent_indent=f"{blank}   ")
            begin = blank
    return _below_empty_line(lines)


def _below_empty_line(lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    return ["", *lines]


def _curve(explanation: CellExplanation) -> list[str]:
    curve = explanation.details.curve
    if not curve:
        return []
    x = format_number(curve.x, explanation.digits)
    y = format_number(curve.y, explanation.digits)
    slope = format_number(curve.slope, explanation.digits)
    return ["", f"{INDENT}on the curve of {curve.function}: x = {x}, y = {y}, slope {slope}"]


def _footer(explanation: CellExplanation, width: int) -> list[str]:
    """Return the sources not named by any term, the code locations, and the link to the derivation."""
    rows: list[tuple[str, str]] = []
    details = explanation.details
    if details.sources and not details.pick:
        sources = ", ".join(details.sources[:MAX_SOURCES])
        if len(details.sources) > MAX_SOURCES:
            sources += f" … ({len(details.sources)} in all)"
        rows.append(("read from", sources))
    if explanation.code:
        rows.append(("computed by", ", ".join(located(explanation.code))))
    if explanation.derivation is not None:
        rows.append(("derived in", explanation.derivation))
    lines: list[str] = []
    for what, content in rows:
        lines += textwrap.wrap(
            content,
            width,
            initial_indent=f"{what:<12}",
            subsequent_indent=" " * 12,
            break_on_hyphens=False,
            break_long_words=False,
        )
    return _below_empty_line(lines)


# -------------------------------------------------------------------------------------------------- columns


def _aligned(rows: Sequence[Sequence[str]], right: set[int]) -> list[str]:
    """Align rows in columns, two spaces apart. Columns in ``right`` are right-aligned."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = list[str]()
    for row in rows:
        cells = list[str]()
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            cells.append(_padded(cell, width, right=place in right))
        lines.append("  ".join(cells).rstrip())
    return lines


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * max(width - _width(text), 0)
    if right:
        return space + text
    return text + space


def _width(text: str) -> int:
    """Return the width of a text in a terminal. Combining marks have no width."""
    return sum(1 for letter in text if not unicodedata.combining(letter))
