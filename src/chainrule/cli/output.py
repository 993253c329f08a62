"""Output of the commands: aligned tables, formatted numbers, JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import click

from chainrule._io.console import aligned
from chainrule.errors import printable
from chainrule.training.metric_table import FRACTION, label_of, unit_of

MISSING = "–"
WIDTH = 100  # columns


def print_json(value: Any) -> None:
    """Print indented JSON in ASCII, which every terminal can show; NaN and infinities become null."""
    from chainrule._io.files import without_nonfinite

    click.echo(json.dumps(without_nonfinite(value), indent=2, allow_nan=False))


def print_line(text: object, *, err: bool = False) -> None:
    """Print a line with control characters escaped, since names of files, classes and models may contain them."""
    click.echo(printable(str(text)), err=err)


def format_table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Format rows in aligned columns, two spaces apart; `right` lists the indices of right-aligned columns."""
    cells = [list(map(printable, row)) for row in rows]
    return "\n".join(line.rstrip() for line in aligned(cells, right))


def format_percent(fraction: float | None, digits: int = 2) -> str:
    """Format 0.9907 as "99.07 %", and None as a dash."""
    if fraction is None:
        return MISSING
    return f"{fraction * 100:.{digits}f} %"


def format_loss(value: float | None) -> str:
    """Format a number with four decimal places, or in scientific notation if it is very small or large."""
    if value is None:
        return MISSING
    if value == 0 or 0.001 <= abs(value) < 10_000:
        return f"{value:.4f}"
    return f"{value:.3e}"


def format_metric(name: str, value: float | None) -> str:
    """Format a metric by its unit: as a percentage or as a number."""
    unit = unit_of(name)
    if unit == FRACTION:
        return format_percent(value)
    return format_loss(value)


def format_target(name: str, value: float | None) -> str:
    """Format a value or target of any metric for a table of networks, with the name of metrics other than accuracy."""
    text = format_percent(value, 1) if unit_of(name) == FRACTION else format_metric(name, value)
    if name == "accuracy" or value is None:
        return text
    return f"{label_of(name)} {text}"


def metric_rows(metrics: Mapping[str, float | None]) -> list[list[str]]:
    """Return the metrics of an evaluation as rows of names and formatted values."""
    return [[label_of(name), format_metric(name, value)] for name, value in metrics.items()]


def format_duration(seconds: float | None) -> str:
    """Format seconds as "16.2 s", "3 min 12 s" or "2 h 5 min"."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def format_count(count: int, noun: str) -> str:
    """Format a count with its noun: 1 image, 2 images."""
    if count != 1:
        noun = f"{noun}s"
    return f"{count:,} {noun}"
