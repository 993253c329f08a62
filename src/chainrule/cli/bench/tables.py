"""How benchmarks are printed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from chainrule.cli.output import NONE, json_out, table

if TYPE_CHECKING:
    from chainrule.bench.rows import Row

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
HEADS = ["model", "batch", "peer", "ours", "theirs", "ratio", "GFLOP/s ours", "theirs"]


def show(rows: "Sequence[Row]", as_json: bool) -> None:
    """Print rows as a table, or as JSON."""
    if as_json:
        json_out([row.to_json() for row in rows])
        return
    click.echo(table(cells(rows), right=(1, 3, 4, 5, 6, 7)))
    for row in rows:
        if row.missing:
            click.echo(f"{row.model}, batch {row.batch}, {row.peer}: missing: {row.missing}")


def cells(rows: "Sequence[Row]") -> list[list[str]]:
    """The table: times with their spread, ratios, speeds."""
    found = [HEADS]
    for row in rows:
        more = row.more
        speeds = [speed(more.get(f"{side}_gflops")) for side in ("ours", "theirs")]
        sides = [time(row.ours, more.get("ours_spread")), time(row.theirs, more.get("theirs_spread"))]
        found.append([row.model or "", str(row.batch or ""), row.peer or "", *sides, ratio(row.ratio), *speeds])
    return found


def time(seconds: float | None, spread: float | None = None) -> str:
    """0.00123 as "1.23 ms", with "± 2 %" where the spread is known."""
    if seconds is None:
        return NONE
    size, unit = next((pair for pair in UNITS if seconds >= pair[0]), UNITS[-1])
    text = f"{seconds / size:.3g} {unit}"
    return text if spread is None else f"{text} ±{100 * spread:.0f} %"


def ratio(value: float | None) -> str:
    """3.21 as "3.21×"."""
    return NONE if value is None else f"{value:.2f}×"


def speed(gflops: float | None) -> str:
    """GFLOP/s as a number."""
    return NONE if gflops is None else f"{gflops:.3g}"
