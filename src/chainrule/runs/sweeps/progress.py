"""The progress of a sweep on stderr: a bar, or a line for each trial if that is no terminal."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from chainrule.errors import printable
from chainrule.runs.sweeps.results import FAILED, FINISHED, TrialResult
from chainrule.training.history import ERROR, formatted

Report = Callable[[TrialResult], None]


@contextmanager
def reporting(total: int, *, show: bool = True) -> Generator[Report]:
    """Yield a function that is called with each result, and shows how far the sweep is."""
    if not show:
        yield lambda result: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield _line
        return
    columns = (MofNCompleteColumn(), BarColumn(None), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, expand=True, transient=True) as bar:
        row, seen = bar.add_task("", total=total), list[TrialResult]()

        def advance(result: TrialResult) -> None:
            seen.append(result)
            bar.update(row, advance=1, description=_summary(seen))

        yield advance


def _line(result: TrialResult) -> None:
    print(printable(f"{result.trial.name}  {_figure(result)}"), file=sys.stderr, flush=True)


def _figure(result: TrialResult) -> str:
    if result.state != FINISHED:
        return f"{result.state}: {result.error}" if result.error else result.state
    where = "test" if result.validation is None else "validation"
    return f"{where} {formatted(result.measure, result.score)}" if result.score is not None else FINISHED


def _summary(seen: list[TrialResult]) -> str:
    """Describe the best result so far, and the number of failures."""
    scored = [result for result in seen if result.score is not None]
    pick = min if scored and scored[0].measure == ERROR else max
    best = pick(scored, key=lambda result: result.score or 0.0, default=None)
    failed = sum(result.state == FAILED for result in seen)
    parts = [f"best {formatted(best.measure, best.score)}"] if best is not None and best.score is not None else []
    return "  ".join([*parts, *([f"{failed} failed"] if failed else [])])
