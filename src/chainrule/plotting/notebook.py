"""HTML tables, which notebooks show in their own style."""

from collections.abc import Iterable, Sequence
from html import escape


def table(headers: Sequence[object], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """Return an HTML table with thousands separators in integers.

    headers, rows   cells of any type, one per column; None is shown as a dash
    """
    title = ""
    if caption:
        title = f"<caption>{escape(caption)}</caption>"
    body = ""
    for row in rows:
        body += _row("td", row)
    return f"<table>{title}<thead>{_row('th', headers)}</thead><tbody>{body}</tbody></table>"


def _row(tag: str, cells: Sequence[object]) -> str:
    inner = ""
    for cell in cells:
        inner += f"<{tag}>{escape(_text(cell))}</{tag}>"
    return f"<tr>{inner}</tr>"


def _text(cell: object) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return str(cell)
