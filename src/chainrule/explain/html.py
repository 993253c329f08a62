"""What notebooks show of traces and explanations: one table each."""

from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.core.plan import gradient_name
from chainrule.core.shapes import text as size_text
from chainrule.engines.protocol import Array
from chainrule.explain.code import located
from chainrule.explain.notation import format_number
from chainrule.explain.record import CellExplanation, Term
from chainrule.explain.text import CLASS_COLUMNS, class_rows, closing_rows, fold, pick_rows
from chainrule.plotting import notebook

MAX_TERMS = 12


def explanation(record: CellExplanation) -> str:
    """Return an explanation as a table: words, equations, largest terms, calculation and code locations."""
    details = record.details
    rows: list[tuple[str, str]] = [("in words", details.words)]
    rows += [("equation", equation) for equation in details.equations]
    rows += [*_terms(record), *_pick(record), *_steps(record), *_jacobian(record)]
    if record.code:
        rows.append(("code", ", ".join(located(record.code))))
    return notebook.table([record.cell, record.shown], rows, f"{record.cell} = {record.shown}: {record.title}")


def trace(layers: Sequence[str], arrays: Mapping[str, Array], samples: int) -> str:
    """Return a trace as a table: the size and range of the output of each layer, and the range of its gradient.

    layers    names of the layers, in order
    arrays    tensors of the trace by name
    samples   number of samples
    """
    rows = list[list[str]]()
    for output in ("x", *(f"{layer}.y" for layer in layers)):
        if output in arrays:
            gradient = arrays.get(gradient_name(output))
            shape = arrays[output].shape[samples > 1 :]
            rows.append([output, size_text(shape) or "1", *_range(arrays[output]), *_range(gradient)])
    count = "one sample" if samples == 1 else f"{samples} samples"
    loss = format_number(float(np.mean(arrays["loss.y"])))
    caption = f'{count}; loss {loss}. trace.explain("NAME[i,j,…]") explains a value.'
    return notebook.table(["tensor", "shape", "smallest", "largest", "gradient", "to"], rows, caption)


def _range(values: Array | None) -> tuple[str, str]:
    """Return the smallest and the largest value as text; dashes if there are none."""
    if values is None:
        return "–", "–"
    return format_number(float(values.min())), format_number(float(values.max()))


# ---------------------------------------------------------------------------------------------------- rows


def _terms(record: CellExplanation) -> list[tuple[str, str]]:
    details = record.details
    if not details.terms:
        return []
    folded = fold(details.terms, MAX_TERMS)
    rows = list[tuple[str, str]]()
    for term in folded.largest:
        rows.append((_product(term, record.digits), format_number(term.value, record.digits)))
    return [*rows, *closing_rows(record, folded)]


def _product(term: Term, digits: int) -> str:
    """Return the factors of a term as text: conv2.dy[3,0,0] (0.0123) · relu1.y[1,0,2] (0.5)."""
    if len(term.factors) == 1:
        return term.factors[0].cell or term.factors[0].name
    texts = list[str]()
    for factor in term.factors:
        name = factor.cell or factor.gap or factor.name
        texts.append(f"{name} ({format_number(factor.value, digits)})")
    return " · ".join(texts)


def _pick(record: CellExplanation) -> list[tuple[str, str]]:
    pick = record.details.pick
    if pick is None:
        return []
    return [(cell, f"{value} {mark}".rstrip()) for cell, value, mark in pick_rows(pick, record.digits)]


def _steps(record: CellExplanation) -> list[tuple[str, str]]:
    rows = list[tuple[str, str]]()
    for step in record.details.steps or ():
        parts = dict.fromkeys((step.symbols, step.numbers, step.shown))
        rows.append((step.name, " = ".join(parts)))
    return rows


def _jacobian(record: CellExplanation) -> list[tuple[str, str]]:
    jacobian = record.details.jacobian
    if jacobian is None:
        return []
    rows = list[tuple[str, str]]()
    for row in class_rows(jacobian, jacobian.rows, record.digits):
        cells = [f"{column} = {cell}" for column, cell in zip(CLASS_COLUMNS, row, strict=True) if cell]
        rows.append((cells[0], ", ".join(cells[1:])))
    return rows
