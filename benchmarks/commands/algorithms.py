"""The command `python -m benchmarks algorithms`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options

if TYPE_CHECKING:
    from benchmarks.algorithms.report import Row


@click.command(short_help="Compare direct, GEMM, Winograd and FFT on a layer.")
@click.option(
    "--layer",
    "written",
    metavar="SHAPE",
    help="CHANNELS,FILTERS,KERNEL@IMAGE.  [default: 16,32,3x3@28x28; in one dimension 1,1,63@4096]",
)
@click.option(
    "--batch", type=click.IntRange(min=1), default=8, show_default=True, metavar="N", help="Images in a batch."
)
@click.option(
    "--padding", default="same", show_default=True, metavar="RULE", help="Padding: valid, same, full or a number."
)
@click.option("--one-dimensional", is_flag=True, help="Use one-dimensional signals instead of images.")
@click.option("--sweep/--no-sweep", default=True, help="Also sweep over kernel and image sizes.", show_default=True)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option(
    "--rounds",
    type=click.IntRange(min=3),
    default=20,
    show_default=True,
    metavar="N",
    help="Number of rounds; medians are reported.",
)
@options.quiet
@options.markdown
@options.as_json
def algorithms(
    written: str | None,
    batch: int,
    padding: str,
    one_dimensional: bool,
    sweep: bool,
    dtype: str,
    rounds: int,
    quiet: bool,
    markdown: Path | None,
    as_json: bool,
) -> None:
    """Compare four algorithms on a layer, on one thread each: time, multiplications, memory, error.

    Then sweep over kernel and image sizes with the same channels, and report the fastest algorithm and the speedup of
    the FFT.
    """
    from benchmarks.algorithms.layer import EXAMPLES, parse
    from benchmarks.algorithms.report import layer_rows, sweep_rows
    from benchmarks.algorithms.worker import Worker
    from chainrule.cli import run_paths
    from chainrule.cli.output import print_json

    run_paths.require_writable(markdown)
    rule = int(padding) if padding.isascii() and padding.isdigit() else padding
    layer = parse(EXAMPLES[one_dimensional] if written is None else written, batch, rule, one_dimensional)
    title = f"{layer.text}, padding {padding}, batch {batch}, {dtype}"
    swept: list[list[Row]] = []
    with Worker() as worker:
        rows = layer_rows(worker, layer, rounds, dtype)
        for group in sweep_rows(worker, layer, rounds, dtype, one_dimensional) if sweep else ():
            swept.append(group)
            if not quiet:
                click.echo(f"measured {group[0].layer.text}", err=True)
    if as_json:
        print_json([row.to_json() for row in [*rows, *(row for group in swept for row in group)]])
    else:
        click.echo(_terminal(title, rows, swept))
    if markdown is not None:
        _write(markdown, title, rows, swept, one_dimensional)


def _terminal(title: str, rows: "Sequence[Row]", swept: "Sequence[Sequence[Row]]") -> str:
    """Format both tables with their titles."""
    from benchmarks.algorithms import tables
    from benchmarks.algorithms.worker import described
    from chainrule.cli.output import format_table

    cells = tables.layer_cells(rows)
    parts = [title, format_table(cells, right=range(1, len(cells[0]))), *tables.refusals(rows)]
    if swept:
        parts += ["", tables.sweep_title(swept), format_table(tables.sweep_cells(swept, rows[0].layer.batch))]
    return "\n".join([*parts, "", described()])


def _write(
    page: Path, title: str, rows: "Sequence[Row]", swept: "Sequence[Sequence[Row]]", one_dimensional: bool
) -> None:
    """Write both tables to a page, between the marks for one or two dimensions."""
    from benchmarks.algorithms import tables
    from benchmarks.algorithms.worker import described
    from chainrule.plotting import markdown

    parts = [
        f"{title}:",
        markdown.table(tables.layer_cells(rows)),
        *(f"{refusal}." for refusal in tables.refusals(rows)),
    ]
    if swept:
        cells = tables.sweep_cells(swept, rows[0].layer.batch)
        parts += [f"{tables.sweep_title(swept)}:", markdown.table(cells)]
    name = "one dimension" if one_dimensional else "two dimensions"
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    markdown.insert(page, "\n\n".join([*parts, f"{described()}; {markdown.machine()}"]), marks)
