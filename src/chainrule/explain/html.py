"""HTML output of traces and explanations for notebooks. Colors are inherited or translucent, to suit dark themes."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from chainrule.core.plan import gradient_name
from chainrule.core.shapes import text as size_text
from chainrule.engines.protocol import Array
from chainrule.explain.code import located
from chainrule.explain.notation import format_number
from chainrule.explain.record import CellExplanation, Term
from chainrule.explain.text import CLASS_COLUMNS, class_rows, closing_rows, fold, pick_rows
from chainrule.plotting import notebook
from chainrule.plotting.notebook import map_png

MAX_TERMS = 12
MAP = "width:88px;image-rendering:pixelated;display:block;margin:2px auto;border:1px solid rgba(128,128,128,0.35);"
CELL = "padding:4px 8px;text-align:center;vertical-align:bottom;border:0;background:transparent;color:inherit;"
TABLE = "border-collapse:collapse;border:0;font-size:13px;color:inherit;"
SCROLL = "overflow-x:auto;max-width:100%;font-size:13px;"
CODE = "background:transparent;color:inherit;white-space:pre-wrap;"


def explanation(record: CellExplanation) -> str:
    """Return an explanation as HTML: title, sentences, equations, largest terms, calculation and code locations."""
    derivation = record.derived
    head = f"<b>{escape(record.cell)} = {escape(record.shown)}</b><br>{escape(record.title)}"
    parts = [f"<p>{head}</p>", f'<p style="max-width:46em">{escape(derivation.words)}</p>']
    equations = [
        f'<code style="{CODE}">{escape(equation)}</code>'
        for equation in dict.fromkeys((derivation.symbols, derivation.instantiated))
        if equation
    ]
    parts += [f"<p>{'<br>'.join(equations)}</p>"] if equations else []
    parts += [*_terms(record), *_pick(record), *_steps(record), *_jacobian(record)]
    if record.code:
        parts.append(f"<p><small>{escape(', '.join(located(record.code)))}</small></p>")
    return f'<div style="{SCROLL}">{"".join(parts)}</div>'


def trace(layers: Sequence[str], arrays: Mapping[str, Array], samples: int) -> str:
    """Return a trace as HTML: a row of layers, each with small maps of its output and of the output's gradient.

    `cells` contains the columns of each row: names, forward pass and backward pass. Maps show the first sample.

    layers    names of the layers, in order
    arrays    tensors of the trace by name; without the axis of samples if there is one sample
    samples   number of samples
    """
    cells: dict[str, list[str]] = {"": [], "forward": [], "backward": []}
    first = {name: values if samples == 1 else values[0] for name, values in arrays.items()}
    for name in ["x", *(f"{layer}.y" for layer in layers if f"{layer}.y" in arrays)]:
        cells[""].append(f"<b>{escape(name.removesuffix('.y'))}</b><br>{size_text(first[name].shape) or '1'}")
        cells["forward"].append(_map(name, first[name]))
        gradient = gradient_name(name)
        cells["backward"].append(_map(gradient, first[gradient]) if gradient in arrays else "")
    rows = [
        f'<tr style="background:transparent"><th scope="row" style="{CELL}">{row}</th>'
        + "".join(f'<td style="{CELL}">{cell}</td>' for cell in columns)
        + "</tr>"
        for row, columns in cells.items()
    ]
    count = "one sample" if samples == 1 else f"{samples} samples (maps: the first)"
    caption = (
        f"{count}; loss {format_number(float(np.mean(arrays['loss.y'])))}. Blue is below 0, orange above, each map on "
        'its own scale. trace.explain("NAME[i,j,…]") explains a value.'
    )
    return f'<div style="{SCROLL}"><p>{escape(caption)}</p><table style="{TABLE}">{"".join(rows)}</table></div>'


def _map(name: str, values: Array) -> str:
    low, high = (format_number(float(bound)) for bound in (values.min(), values.max()))
    what = f"{name}, {size_text(values.shape) or 'a number'}, from {low} to {high}"
    data = b64encode(map_png(values)).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(what)}" title="{escape(what)}" style="{MAP}">'


# -------------------------------------------------------------------------------------------------- tables


def _terms(record: CellExplanation) -> list[str]:
    derivation = record.derived
    if not derivation.terms:
        return []
    folded = fold(derivation.terms, MAX_TERMS)
    rows = [(_product(term, record.digits), format_number(term.value, record.digits)) for term in folded.largest]
    return [notebook.table(["term", "value"], [*rows, *closing_rows(record, folded)])]


def _product(term: Term, digits: int) -> str:
    """Return the factors of a term as text: conv2.dy[3,0,0] (0.0123) · relu1.y[1,0,2] (0.5)."""
    if len(term.factors) == 1:
        return term.factors[0].cell or term.factors[0].name
    return " · ".join(
        f"{factor.cell or factor.why or factor.name} ({format_number(factor.value, digits)})" for factor in term.factors
    )


def _pick(record: CellExplanation) -> list[str]:
    pick = record.derived.pick
    return [notebook.table(["cell", "value", ""], pick_rows(pick, record.digits))] if pick else []


def _steps(record: CellExplanation) -> list[str]:
    rows = [[step.name, step.symbols, step.numbers, step.shown] for step in record.derived.steps or ()]
    return [notebook.table(["", "in symbols", "with numbers", "value"], rows)] if rows else []


def _jacobian(record: CellExplanation) -> list[str]:
    jacobian = record.derived.jacobian
    return [notebook.table(CLASS_COLUMNS, class_rows(jacobian, jacobian.rows, record.digits))] if jacobian else []
