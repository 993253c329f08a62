"""Explanations as terminal text: title, equation, terms in descending order, calculation, and code locations."""

import math
import shutil
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chainrule.explain.code import located
from chainrule.explain.notation import format_number
from chainrule.explain.record import CalculationStep, CellExplanation, Factor, Jacobian, JacobianRow, Pick, Term

MAX_WIDTH = 100  # columns
MIN_WIDTH = 40  # columns
SCREEN = (80, 24)  # fallback if the terminal size is unknown
MIN_TERMS = 5  # shown even on a small screen
MAX_SOURCES = 6
CLASS_COLUMNS = ("k", "ŷ[k]", "t[k]", "∂loss/∂ŷ[k]", "∂ŷ[k]/∂z[j]", "product")
INDENT = "  "


def text(explanation: CellExplanation, *, everything: bool = False) -> str:
    """Return the explanation of one cell as text, shortened to fit the screen or with all terms."""
    screen, width = shutil.get_terminal_size(SCREEN), screen_width()
    derivation = explanation.derived
    above = [f"{explanation.cell} = {explanation.shown}", *textwrap.wrap(explanation.title, width), ""]
    above += textwrap.wrap(derivation.words, width)
    if derivation.symbols:
        above += ["", *_equations(derivation.symbols, derivation.instantiated, width)]
    below = [*step_lines(derivation.steps or (), width), *_curve(explanation), *_footer(explanation, width)]
    max_terms = None if everything else max(screen.lines - len(above) - len(below) - 6, MIN_TERMS)
    middle = _terms(explanation, max_terms)
    if derivation.pick:
        rows = _aligned(pick_rows(derivation.pick, explanation.digits), right={1})
        middle = ["", *(f"{INDENT}{line}" for line in rows)]
    if derivation.jacobian:
        below = [*_jacobian(derivation.jacobian, max_terms, explanation.digits), *below]
    return "\n".join(line.rstrip() for line in [*above, *middle, *below])


def screen_width() -> int:
    """Return the width of texts in columns, adapted to the terminal."""
    return max(min(shutil.get_terminal_size(SCREEN).columns, MAX_WIDTH), MIN_WIDTH)


def _equations(symbols: str, here: str, width: int) -> list[str]:
    """Return the equation in letters and the equation with indices, or only one of them if they are identical."""
    lines: list[str] = []
    for equation in dict.fromkeys((symbols, here)):
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
    order = sorted(terms, key=_size, reverse=True)
    keep = len(order) if max_terms is None or len(order) <= max_terms + 1 else min(max_terms, _not_zero(order))
    others = order[keep:]
    zeros = sum(term.value == 0 for term in others)
    return Folded(tuple(order[:keep]), len(others), zeros, _total(others), _total(terms))


def _total(terms: Sequence[Term]) -> float:
    """Return the sum, rounded only once. If a term is not finite, ordinary addition is used."""
    values = [term.value for term in terms]
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def _not_zero(order: Sequence[Term]) -> int:
    return max(sum(term.value != 0 for term in order), 1)


def _size(term: Term) -> float:
    return math.inf if math.isnan(term.value) else abs(term.value)


def _terms(explanation: CellExplanation, max_terms: int | None) -> list[str]:
    """Return the lines for the largest terms, a line for the rest, and the sum.

    A term of several factors has three columns for each, name, value and sign, and its product in the last column.
    Names are aligned on the left, and numbers on the right.
    """
    derivation = explanation.derived
    if not derivation.terms:
        return []
    folded = fold(derivation.terms, max_terms)
    factors = max(len(term.factors) for term in derivation.terms)
    rows = [_heading(derivation.terms, factors)] if factors > 1 else []
    rows += [_row(term, factors, explanation.digits) for term in folded.largest]
    names = set(range(0, 3 * factors, 3))
    lines = _aligned(rows, right=set(range(3 * factors + 1)) - names)
    width = max(map(_width, lines))
    for label, value in closing_rows(explanation, folded):
        lines.append(f"{_padded(label, width - _width(value) - 1, right=False)} {value}")
    return ["", *(f"{INDENT}{line}" for line in lines)]


def _heading(terms: Sequence[Term], factors: int) -> list[str]:
    """Return the factors' names in the equation as column titles, if they are the same in all terms."""
    full = [term for term in terms if len(term.factors) == factors]
    names: list[str] = []
    for place in range(factors):
        column = [term.factors[place] for term in full]
        called = {factor.name for factor in column}
        held = any(factor.cell for factor in column)
        names.append(column[0].name if held and len(called) == 1 else "")
    return [*[cell for name in names for cell in (name, "", "")][:-1], "", "product"]


def _row(term: Term, factors: int, digits: int) -> list[str]:
    """Split a term into columns: conv2.dy[3,0,0]  0.0123  ·  relu1.y[1,0,2]  0.5  =  0.00615."""
    first = term.factors[0]
    if factors == 1:
        return [first.cell or _without_cell(first), format_number(term.value, digits)]
    if len(term.factors) == 1:
        return [first.cell or _without_cell(first), *[""] * (3 * factors - 2), "=", format_number(term.value, digits)][
            -3 * factors - 1 :
        ]
    row: list[str] = []
    for place, factor in enumerate(term.factors):
        row += ["·"] if place else []
        row += [factor.cell or _without_cell(factor), format_number(factor.value, digits)]
    return [*row, "=", format_number(term.value, digits)]


def _without_cell(factor: Factor) -> str:
    """Return the name of a factor that has no cell, or the reason why it is 0."""
    return {"padding": "(padding)", "stride": "(between strides)"}.get(factor.why, factor.name)


def closing_rows(explanation: CellExplanation, folded: Folded) -> list[tuple[str, str]]:
    """Return labels and values below the largest terms: the rest, the sum, and the scaled sum."""
    derivation, rows = explanation.derived, _rest(folded, explanation.digits)
    if len(derivation.terms) > 1 or derivation.scale:
        rows.append(("sum", format_number(folded.sum, explanation.digits)))
    return [*rows, *([(f"· {derivation.scale.symbols}", explanation.shown)] if derivation.scale else [])]


def _rest(folded: Folded, digits: int) -> list[tuple[str, str]]:
    if not folded.others:
        return []
    if folded.zeros == folded.others:
        return [(f"… and {folded.others} more, all 0", "0")]
    zeros = f" ({folded.zeros} of them 0)" if folded.zeros else ""
    what = "smaller term" if folded.others == 1 else "smaller terms"
    return [(f"… and {folded.others} {what}{zeros}, together", format_number(folded.rest, digits))]


def pick_rows(pick: Pick, digits: int) -> list[list[str]]:
    """Return the name and the value of each cell of a window, with a mark for the maximum."""
    return [
        [candidate.cell, format_number(candidate.value, digits), "◀ wins" if place == pick.winner else ""]
        for place, candidate in enumerate(pick.candidates)
    ]


def class_rows(jacobian: Jacobian, shown: Iterable[JacobianRow], digits: int) -> list[list[str]]:
    """Return a row for each of these classes, with the columns `CLASS_COLUMNS`, and the sum over all classes."""
    rows = [
        [str(row.k), *(format_number(number, digits) for number in (row.p, row.t, row.dp, row.j, row.product))]
        for row in shown
    ]
    return [*rows, ["sum", "", "", "", "", format_number(sum(row.product for row in jacobian.rows), digits)]]


def _jacobian(jacobian: Jacobian, max_terms: int | None, digits: int) -> list[str]:
    """Return a table of the chain rule through the probabilities, with one row per class."""
    everything = max_terms is None or len(jacobian.rows) <= max_terms
    shown_rows = jacobian.rows if everything else [row for row in jacobian.rows if row.product or row.k < MIN_TERMS]
    lines = _aligned([CLASS_COLUMNS, *class_rows(jacobian, shown_rows, digits)], right={1, 2, 3, 4, 5})
    hidden = len(jacobian.rows) - len(shown_rows)
    if hidden:
        lines.insert(-1, f"… and {hidden} classes that are not the right one: 0 each")
    return ["", *(f"{INDENT}{line}" for line in lines)]


# -------------------------------------------------------------------------------------------------- steps and footer


def step_lines(steps: Iterable[CalculationStep], width: int) -> list[str]:
    """Return a calculation's lines: m̂ = m′ / (1 − β₁^{t}) = 0.0123 / (1 − 0.9^{12}) = 0.0171. Long lines break at =."""
    lines: list[str] = []
    calculation = list(steps)
    names = max((_width(step.name) for step in calculation), default=0)
    for step in calculation:
        parts = list(dict.fromkeys((step.symbols, step.numbers, step.shown)))
        name, blank = f"{INDENT}{_padded(step.name, names, right=False)}", " " * (names + len(INDENT))
        line = f"{name} = {' = '.join(parts)}"
        if _width(line) <= width:
            lines.append(line)
            continue
        for place, part in enumerate(parts):
            begin = f"{blank if place else name} = "
            lines += textwrap.wrap(part, width, initial_indent=begin, subsequent_indent=f"{blank}   ")
    return ["", *lines] if lines else []


def _curve(explanation: CellExplanation) -> list[str]:
    curve = explanation.derived.curve
    if not curve:
        return []
    x, y, slope = (format_number(value, explanation.digits) for value in (curve.x, curve.y, curve.slope))
    return ["", f"{INDENT}on the curve of {curve.function}: x = {x}, y = {y}, slope {slope}"]


def _footer(explanation: CellExplanation, width: int) -> list[str]:
    """Return the sources not named by any term, the code locations, and the link to the derivation."""
    rows: list[tuple[str, list[str]]] = []
    derivation = explanation.derived
    if derivation.sources and not derivation.pick:
        more = [f"… ({len(derivation.sources)} in all)"] if len(derivation.sources) > MAX_SOURCES else []
        rows.append(("read from", [*derivation.sources[:MAX_SOURCES], *more]))
    if explanation.code:
        rows.append(("computed by", located(explanation.code)))
    if explanation.derivation:
        rows.append(("derived in", [explanation.derivation]))
    lines: list[str] = []
    for what, parts in rows:
        lines += textwrap.wrap(
            ", ".join(parts).replace(", …", " …"),
            width,
            initial_indent=f"{what:<12}",
            subsequent_indent=" " * 12,
            break_on_hyphens=False,
            break_long_words=False,
        )
    return ["", *lines] if lines else []


# -------------------------------------------------------------------------------------------------- columns


def _aligned(rows: Sequence[Sequence[str]], right: set[int]) -> list[str]:
    """Align rows in columns, two spaces apart. Columns in ``right`` are right-aligned."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            _padded(cell, width, right=place in right)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * max(width - _width(text), 0)
    return space + text if right else text + space


def _width(text: str) -> int:
    """Return the width of a text in a terminal. Combining marks have no width."""
    return sum(1 for letter in text if not unicodedata.combining(letter))
