"""Columns and progress on the console, in files and in notebooks."""

import io
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from chainrule._io.console import aligned, notebook_line, progress_bars

CELLS = st.text("ab ½→漢字", max_size=6)


@given(rows=st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1)))
def test_columns_begin_and_end_at_the_same_place(rows: list[list[str]]) -> None:
    """Every cell has the width of its column, with its spaces on one side; two more are between columns."""
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = [column for column in range(len(widths)) if column % 2]
    for row, line in zip(rows, aligned(rows, right=right), strict=True):
        cells = list[str]()
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            spaces = " " * (width - cell_len(cell))
            cells.append(spaces + cell if column in right else cell + spaces)
        assert line == "  ".join(cells)
    assert aligned(rows) == aligned(rows, right=[])


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("refresh", [True, False])
def test_bars_are_shown_on_terminals_only(is_terminal: bool, refresh: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = [io.StringIO, Terminal][is_terminal]()
    for name in ("TERM", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "DATABRICKS_RUNTIME_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", stream)
    bars = progress_bars(refresh=refresh)
    if not is_terminal:
        assert bars is None
        return
    assert bars.live.auto_refresh == refresh
    with bars:
        task = bars.add_task("epoch 3", total=10, figures="loss 0.5")
        bars.update(task, completed=7)
        bars.refresh()
        shown = stream.getvalue()
    assert "epoch 3" in shown
    assert "loss 0.5" in shown
    assert stream.getvalue().endswith("\x1b[2K") or len(stream.getvalue()) > len(shown)  # the bars are erased
    column = progress_bars("a column of one's own")
    assert "a column of one's own" in column.columns


def test_a_line_of_a_notebook_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert notebook_line() is None
    shown = list[Any]()

    class Handle:
        def update(self, data: Any, **options: Any) -> None:
            shown.append((data["text/plain"], options["raw"]))

    display: Any = ModuleType("IPython.display")

    def show(data: Any, **options: Any) -> Handle:
        assert options == {"raw": True, "display_id": True}
        assert data == {"text/plain": ""}
        return Handle()

    display.display = show
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    line = notebook_line()
    line("10 %")
    line("20 %")
    assert shown == [("10 %", True), ("20 %", True)]
