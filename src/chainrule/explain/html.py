"""HTML output of traces and explanations for notebooks. Colors are inherited or translucent, to suit dark themes."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from chainrule._io.extras import MissingPackageError
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
    details = record.details
    head = f"<b>{escape(record.cell)} = {escape(record.shown)}</b><br>{escape(record.title)}"
    parts = [f"<p>{head}</p>", f'<p style="max-width:46em">{escape(details.words)}</p>']
    equations = list[str]()
    for equation in details.equations:
        equations.append(f'<code style="{CODE}">{escape(equation)}</code>')
    if equations:
        parts.append(f"<p>{'<br>'.join(equations)}</p>")
    parts += [*_terms(record), *_pick(record), *_steps(record), *_jacobian(record)]
    if record.code:
        parts.append(f"<p><small>{escape(', '.join(located(record.code)))}</small></p>")
    return f'<div style="{SCROLL}">{"".join(parts)}</div>'


def trace(layers: Sequence[str], arrays: Mapping[str, Array], samples: int) -> str:
    """Return a trace as HTML: a row of layers, each with small maps of its output and of the output's gradient.

    There is a row of names, one for the forward pass and one for the backward pass. Maps show the first sample.

    layers    names of the layers, in order
    arrays    tensors of the trace by name; without the axis of samples if there is one sample
    samples   number of samples
    """
    names = list[str]()
    forward = list[str]()
    backward = list[str]()
    outputs = [f"{layer}.y" for layer in layers]
    for output in ("x", *outputs):
        if output not in arrays:
            continue
        values = arrays[output] if samples == 1 else arrays[output][0]
        names.append(f"<b>{escape(output.removesuffix('.y'))}</b><br>{size_text(values.shape) or '1'}")
        forward.append(_map(output, values))
        gradient = gradient_name(output)
        if gradient in arrays:
            backward.append(_map(gradient, arrays[gradient] if samples == 1 else arrays[gradient][0]))
        else:
            backward.append("")
    rows = _row("", names) + _row("forward", forward) + _row("backward", backward)
    count = "one sample" if samples == 1 else f"{samples} samples (maps: the first)"
    caption = (
        f"{count}; loss {format_number(float(np.mean(arrays['loss.y'])))}. Blue is below 0, orange above, each map on "
        'its own scale. trace.explain("NAME[i,j,…]") explains a value.'
    )
    return f'<div style="{SCROLL}"><p>{escape(caption)}</p><table style="{TABLE}">{rows}</table></div>'


def _row(title: str, cells: Sequence[str]) -> str:
    columns = [f'<td style="{CELL}">{cell}</td>' for cell in cells]
    header = f'<th scope="row" style="{CELL}">{title}</th>'
    return f'<tr style="background:transparent">{header}{"".join(columns)}</tr>'


def _map(name: str, values: Array) -> str:
    low = format_number(float(values.min()))
    high = format_number(float(values.max()))
    what = f"{name}, {size_text(values.shape) or 'a number'}, from {low} to {high}"
    try:
        data = b64encode(map_png(values)).decode()
    except MissingPackageError as error:
        return f'<span title="{escape(str(error))}">{escape(what)}</span>'
    return f'<img src="data:image/png;base64,{data}" alt="{escape(what)}" title="{escape(what)}" style="{MAP}">'


# -------------------------------------------------------------------------------------------------- tables


def _terms(record: CellExplanation) -> list[str]:
    details = record.details
    if not details.terms:
        return []
    folded = fold(details.terms, MAX_TERMS)
    rows = list[tuple[str, str]]()
    for term in folded.largest:
        rows.append((_product(term, record.digits), format_number(term.value, record.digits)))
    return [notebook.table(["term", "value"], [*rows, *closing_rows(record, folded)])]


def _product(term: Term, digits: int) -> str:
    """Return the factors of a term as text: conv2.dy[3,0,0] (0.0123) · relu1.y[1,0,2] (0.5)."""
    if len(term.factors) == 1:
        return term.factors[0].cell or term.factors[0].name
    texts = list[str]()
    for factor in term.factors:
        name = factor.cell or factor.gap or factor.name
        texts.append(f"{name} ({format_number(factor.value, digits)})")
    return " · ".join(texts)


def _pick(record: CellExplanation) -> list[str]:
    pick = record.details.pick
    if pick is None:
        return []
    return [notebook.table(["cell", "value", ""], pick_rows(pick, record.digits))]


def _steps(record: CellExplanation) -> list[str]:
    rows = [[step.name, step.symbols, step.numbers, step.shown] for step in record.details.steps or ()]
    if not rows:
        return []
    return [notebook.table(["", "in symbols", "with numbers", "value"], rows)]


def _jacobian(record: CellExplanation) -> list[str]:
    jacobian = record.details.jacobian
    if jacobian is None:
        return []
    return [notebook.table(CLASS_COLUMNS, class_rows(jacobian, jacobian.rows, record.digits))]
