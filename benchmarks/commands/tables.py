"""The tables of the benchmarks, for a terminal and for pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks import peers, random_networks
from benchmarks.steps import Row
from chainrule.cli.output import MISSING, format_table
from chainrule.plotting import markdown

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))

Column = tuple[str, Callable[[Row], str]]


def time(seconds: float | None, excess: float | None = None) -> str:
    """Format 0.00123 as "1.23 ms", followed by "+2 %" if the median exceeds the minimum by 2 %."""
    if seconds is None:
        return MISSING
    size, unit = next((pair for pair in UNITS if abs(seconds) >= pair[0]), UNITS[-1])
    text = f"{seconds / size:.3g} {unit}"
    return text if excess is None else f"{text} +{100 * excess:.0f} %"


MODEL: Column = ("model", lambda row: row.model)
BATCH: Column = ("batch", lambda row: str(row.batch))
PEER: Column = ("peer", lambda row: row.peer)
OURS: Column = ("ours", lambda row: time(row.ours, row.more.get("ours_excess")))
THEIRS: Column = ("theirs", lambda row: time(row.theirs, row.more.get("theirs_excess")))
RATIO: Column = ("ratio", lambda row: MISSING if row.ratio is None else f"{row.ratio:.2f}×")
STEPS = (MODEL, BATCH, PEER, OURS, THEIRS, RATIO)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "train": STEPS,
    "infer": STEPS,
    "drawn": (
        *(("kind", lambda row: row.more["kind"]), MODEL, BATCH, PEER, OURS, THEIRS, RATIO),
        ("network", lambda row: row.more["network"]),
    ),
}
TEXT_COLUMNS = {"model", "peer", "kind", "network", "data set", "program", "work"}  # columns aligned to the left
WORST = 10  # number of random networks in the table


@dataclass(frozen=True)
class Table:
    """A table with its heading in the first row of cells, an optional title, and notes below it."""

    cells: Sequence[Sequence[str]]
    title: str = ""
    notes: Sequence[str] = ()

    def print(self) -> None:
        """Print the table to stdout."""
        right = [index for index, head in enumerate(self.cells[0]) if head not in TEXT_COLUMNS]
        click.echo("\n".join([*filter(None, [self.title]), format_table(self.cells, right=right), *self.notes]))

    @property
    def paragraphs(self) -> list[str]:
        """The title, the table and a list of the notes, as paragraphs of a page."""
        notes = "\n".join(f"- {note}" for note in self.notes)
        return [part for part in (self.title, markdown.table(self.cells), notes) if part]


def insert(path: Path | None, tables: Sequence[Table], conditions: str, name: str) -> None:
    """Write tables and the conditions of their measurement to a page, between the comments with a name."""
    if path is not None and tables:
        parts = list[str]()
        for table in tables:
            parts += table.paragraphs
        if conditions:
            parts.append(conditions)
        markdown.insert(path, "\n\n".join(parts), (f"<!-- {name} -->", f"<!-- end of {name} -->"))


def publish(path: Path | None, tables: Sequence[Table], conditions: str, name: str) -> None:
    """Print tables, and insert them into a page."""
    for table in tables:
        table.print()
    insert(path, tables, conditions, name)


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """Return the heading and rows of a benchmark's table; for random networks, only the ten worst rows."""
    columns = COLUMNS[rows[0].work]
    if rows[0].work == "drawn":
        rows = random_networks.ratios_to_fastest(rows)[:WORST]
    table = [[head for head, _ in columns]]
    for row in rows:
        table.append([cell(row) for _, cell in columns])
    return table


def notes(rows: Sequence[Row]) -> list[str]:
    """Return a line per missing contender, and notes on ratios."""
    lines = list[str]()
    for row in rows:
        if row.missing:
            lines.append(f"missing: {row.model} batch {row.batch}, {row.peer}: {row.missing}")
    if rows[0].work == "drawn":
        return lines + random_networks.geometric_means(rows)
    return lines + _ratio_notes(rows)


def _ratio_notes(rows: Sequence[Row]) -> list[str]:
    """Return a line with the ratios to the fastest PyTorch variant if several were timed; else []."""
    of_torch = [row for row in rows if row.ratio and peers.library(row.peer) == "PyTorch"]
    if len({row.peer for row in of_torch}) < 2:
        return []
    ratios = [f"{row.model} {row.batch}: {row.ratio:.2f}×" for row in random_networks.ratios_to_fastest(of_torch)]
    return [f"ratio to the fastest PyTorch variant: {', '.join(ratios)}"]


def of_rows(rows: Sequence[Row], title: str = "") -> Table:
    """Return the table of a benchmark with its notes."""
    if not rows:
        return Table([["nothing to time: none of the peers supports this benchmark"]])
    return Table(cells(rows), title, notes(rows))
