"""The tables of the benchmarks, for a terminal and for pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks import peers, random_networks
from benchmarks.steps import Row
from chainrule.cli.output import MISSING, format_table
from chainrule.models.profiling import Timing
from chainrule.plotting import markdown

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
TEXT_COLUMNS = {"model", "peer", "kind", "network", "data set", "program", "work"}  # columns aligned to the left
WORST = 10  # number of random networks in the table


@dataclass(frozen=True)
class Table:
    """A table with its heading in the first row of cells, and notes below it."""

    cells: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def publish(self, path: Path | None, conditions: str, name: str) -> None:
        """Print the table, and write it with the conditions of its measurement between a page's comments of a name."""
        right = [index for index, head in enumerate(self.cells[0]) if head not in TEXT_COLUMNS]
        click.echo("\n".join([format_table(self.cells, right=right), *self.notes]))
        if path is not None:
            notes = "\n".join(f"- {note}" for note in self.notes)
            parts = filter(None, [markdown.table(self.cells), notes, conditions])
            markdown.insert(path, "\n\n".join(parts), (f"<!-- {name} -->", f"<!-- end of {name} -->"))


def time(seconds: float) -> str:
    """Format 0.00123 as "1.23 ms"."""
    size, unit = next((pair for pair in UNITS if abs(seconds) >= pair[0]), UNITS[-1])
    return f"{seconds / size:.3g} {unit}"


def _timing(timing: Timing | None) -> str:
    """Format the least time, followed by "+2 %" if the median exceeds it by 2 %."""
    if timing is None:
        return MISSING
    return f"{time(timing.least)} +{100 * timing.excess:.0f} %"


def of_steps(rows: Sequence[Row]) -> Table:
    """Return the table of training steps or calls of predict, with a note on the ratios to PyTorch."""
    cells = [["model", "batch", "peer", "ours", "theirs", "ratio"], *map(_cells, rows)]
    notes = _missing(rows)
    ratios = list[str]()
    for row in random_networks.ratios_to_fastest(rows):
        if peers.library(row.peer) == "PyTorch":
            ratios.append(f"{row.model} {row.batch}: {row.ratio:.2f}×")
    if ratios:
        notes.append(f"ratio to the fastest PyTorch variant: {', '.join(ratios)}")
    return Table(cells, notes)


def of_random_networks(rows: Sequence[Row]) -> Table:
    """Return the table of the ten worst ratios, with notes on all of them."""
    cells = [["kind", "model", "batch", "peer", "ours", "theirs", "ratio", "network"]]
    for row in random_networks.ratios_to_fastest(rows)[:WORST]:
        cells.append([row.kind, *_cells(row), row.network])
    return Table(cells, [*_missing(rows), *random_networks.geometric_means(rows)])


def _cells(row: Row) -> list[str]:
    ratio = MISSING
    if row.ratio is not None:
        ratio = f"{row.ratio:.2f}×"
    return [row.model, str(row.batch), row.peer, _timing(row.ours), _timing(row.theirs), ratio]


def _missing(rows: Sequence[Row]) -> list[str]:
    lines = list[str]()
    for row in rows:
        if row.missing:
            lines.append(f"missing: {row.model} batch {row.batch}, {row.peer}: {row.missing}")
    return lines
