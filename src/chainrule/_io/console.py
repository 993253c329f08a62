"""Progress bars: whether the terminal or notebook can show them."""

import importlib.util
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
