"""Text for the console: aligned columns and progress bars."""

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any


def progress_bars(figures: Any = "", *, refresh: bool = True) -> Any:
    """Return progress bars of rich on stderr, which disappear at the end; None where they cannot be shown.

    They cannot be shown in files, nor in Jupyter without ipywidgets: rich would print a warning and redraw them in new
    lines.

    figures   column of rich with the figures beside a bar; "": the field ``figures`` of its task
    refresh   whether to redraw the bars in intervals, not only when requested
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not (importlib.util.find_spec("ipywidgets") if console.is_jupyter else console.is_terminal):
        return None
    columns = TextColumn("{task.description}"), BarColumn(None), figures or TextColumn("{task.fields[figures]}")
    options: dict[str, Any] = {"auto_refresh": refresh, "expand": True, "transient": True}
    return Progress(*columns, TimeRemainingColumn(compact=True), console=console, **options)


def notebook_line() -> Any:
    """Return a function that replaces the text of one line in a Jupyter notebook; None elsewhere."""
    from rich.console import Console

    if not Console(stderr=True).is_jupyter:
        return None
    display: Any = importlib.import_module("IPython.display")
    line = display.display({"text/plain": ""}, raw=True, display_id=True)

    def show(text: str) -> None:
        line.update({"text/plain": text}, raw=True)

    return show


def aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return rows of cells as lines with aligned columns, two spaces apart. Wide characters take two columns.

    right   indices of right-aligned columns
    """
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for row in rows:
        spaces = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        pairs = enumerate(zip(row, spaces, strict=True))
        lines.append("  ".join(space + cell if column in right else cell + space for column, (cell, space) in pairs))
    return lines
