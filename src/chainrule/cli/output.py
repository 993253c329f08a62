"""Output of the commands: aligned tables, uniformly formatted numbers, JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import click

from chainrule.errors import printable

MISSING = "–"
WIDTH = 100  # columns
PERCENTAGES = ("accuracy", "label_accuracy", "exact_match", "mean_f1")
WORDS = {"r2": "R²", "mean_f1": "mean F1"}


def print_json(value: Any) -> None:
    """Print indented JSON in ASCII, so that any name survives any terminal; NaN and infinities become null."""
    from chainrule._io.files import without_nonfinite

    click.echo(json.dumps(without_nonfinite(value), indent=2, allow_nan=False))


def print_line(text: object, *, err: bool = False) -> None:
    """Print a line that quotes names from outside (files, classes, models), with control characters escaped."""
    click.echo(printable(str(text)), err=err)


def format_table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: str = "") -> str:
    """Format rows in aligned columns, two spaces apart; the columns with an index in `right` are right-aligned."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for row in rows:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def format_percent(share: float | None, digits: int = 2) -> str:
    """Format 0.9907 as "99.07 %", and None as a dash."""
    return MISSING if share is None else f"{share * 100:.{digits}f} %"


def format_loss(value: float | None) -> str:
    """Format a number with four decimal places, or in scientific notation where it is very small or large."""
    if value is None:
        return MISSING
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 10_000 else f"{value:.3e}"


def format_metric(name: str, value: float | None) -> str:
    """Format a metric: shares in per cent, anything else as a number."""
    return format_percent(value) if name in PERCENTAGES else format_loss(value)


def metric_rows(found: Mapping[str, float | None]) -> list[list[str]]:
    """Return rows of name and value, as text, for the metrics of an evaluation."""
    return [[WORDS.get(name, name.replace("_", " ")), format_metric(name, value)] for name, value in found.items()]


def format_duration(seconds: float | None) -> str:
    """Format seconds as "16.2 s", "3 min 12 s" or "2 h 5 min"."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def format_count(many: int, what: str) -> str:
    """Format a count with its noun: 1 image, 2 images."""
    return f"{many:,} {what}" if many == 1 else f"{many:,} {what}s"
