"""A progress bar on stderr for fetching, or nothing at all."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.progress import Progress

Advance: TypeAlias = Callable[[int], None]


class Reporter:
    """Shows what is being fetched; made by `reporter`. Without bars a line for each, where lines are wanted."""

    def __init__(self, bars: "Progress | None", *, lines: bool = False) -> None:
        self._bars = bars
        self._lines = lines

    @contextmanager
    def task(self, description: str, total: int | None) -> Generator[Advance]:
        """One bar, of `total` bytes (None: not known). Yields the function that moves it on by some bytes."""
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
    """A reporter that draws bars on stderr while the block runs, writes lines where it is no terminal, or is silent."""
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
