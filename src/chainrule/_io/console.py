"""Text for the console: aligned columns, and whether progress bars can be shown."""

import importlib.util
from collections.abc import Sequence
from typing import Any


def bar_console() -> Any:
    """Return a rich console on stderr that can show progress bars; None for files, and for Jupyter without ipywidgets.

    Without ipywidgets, rich would print a warning and redraw the bar in new lines.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_jupyter:
        return console if importlib.util.find_spec("ipywidgets") else None
    return console if console.is_terminal else None


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
