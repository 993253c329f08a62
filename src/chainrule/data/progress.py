"""Progress of fetching on stderr: bars, lines or nothing."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.progress import Progress

Advance: TypeAlias = Callable[[int], None]


class Reporter:
    """Display of the files being fetched, made by `reporter`: with bars, with a line per file, or silent."""

    def __init__(self, bars: "Progress | None", *, lines: bool = False) -> None:
        self._bars = bars
        self._lines = lines

    @contextmanager
    def task(self, description: str, total: int | None) -> Generator[Advance]:
        """Show one bar of `total` bytes (None: unknown), and yield the function that advances it by some bytes."""
        bars = self._bars
        if bars is None:
            if self._lines:
                print(f"chainrule: fetching, {description}", file=sys.stderr, flush=True)
            yield lambda _: None
            return
        task = bars.add_task(description, total=total)
        try:
            yield lambda amount: bars.advance(task, amount)
        finally:
            bars.remove_task(task)


@contextmanager
def reporter(show: bool) -> Generator[Reporter]:
    """Yield a reporter that draws bars on stderr, writes lines if that is not a terminal, or is silent."""
    if not show:
        yield Reporter(None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield Reporter(None, lines=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        yield Reporter(bars)
