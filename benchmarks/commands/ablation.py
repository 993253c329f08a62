"""The command `python -m benchmarks ablation`."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.commands import options
from benchmarks.commands.tables import Table, insert
from chainrule.cli import options as general

FILE = Path("ablation.jsonl")


@click.command(short_help="Time networks without one optimization of the engine at a time.")
@options.number("--networks", "count", default=80, most=80, text="Number of random networks.")
@options.models
@options.batches
@click.option("--instructions", multiple=True, type=click.Choice(["AVX-512", "AVX2", "SSE"]),
              help="Instruction set; can be repeated.  [default: all that the processor has]")  # fmt: skip
@click.option("--only", "only", multiple=True, metavar="NAME", help="Optimization to disable; can be repeated.")
@options.number("--minutes", default=60.0, least=0, text="Time after which to stop. Run the command again to continue.")
@options.number("--seconds", default=0.3, least=0, text="Time per network, batch size and optimization.")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), default=FILE, show_default=True,
              help="File of measurements. What it contains is not measured again.")  # fmt: skip
@click.option("--table", "only_table", is_flag=True, help="Print the tables of the file without measuring.")
@options.threads
@general.quiet
@general.markdown
def ablation(
    count: int,
    models: tuple[str, ...],
    batches: tuple[int, ...],
    instructions: tuple[str, ...],
    only: tuple[str, ...],
    minutes: float,
    seconds: float,
    file: Path,
    only_table: bool,
    threads: int | None,
    quiet: bool,
    markdown: Path | None,
) -> None:
    """Disable one optimization of the compiled engine at a time, and report how much longer random networks take.

    Training steps and calls of predict are timed, by default with batch sizes 1, 32 and 128. With --model, the named
    networks are timed instead of random ones. Optimizations about threads are timed with --threads threads, others with
    one. An optimization is skipped where it does not change the program.
    """
    from benchmarks import subjects
    from benchmarks.ablation import results
    from benchmarks.ablation.ablations import ABLATIONS
    from chainrule.engines.options import thread_count
    from chainrule.errors import unknown_name

    names = {ablation.name: ablation.threaded for ablation in ABLATIONS}
    for name in only:
        if name not in names:
            raise unknown_name("optimization", name, [*names])
    selected = {name: threaded for name, threaded in names.items() if not only or name in only}
    sets = instructions or results.available()
    networks = [subjects.find(name) for name in models] or results.networks(count)
    selection = results.Selection(selected, networks, batches or (1, 32, 128), sets, thread_count(threads), seconds)
    if not only_table:
        with options.watched(quiet) as watch:
            results.run(selection, file, time.monotonic() + 60 * minutes, watch)
    _show(file, [*selected], markdown)


def _show(file: Path, names: Sequence[str], markdown: Path | None) -> None:
    """Print the table of each instruction set in the file, and write the tables to a page."""
    from benchmarks.ablation import results
    from chainrule.plotting.markdown import machine

    rows, result_tables = results.read(file), list[Table]()
    for name in results.INSTRUCTIONS:
        if own := [row for row in rows if row["instructions"] == name]:
            result_tables.append(Table(results.cells(own, names), f"{name}:"))
            result_tables[-1].print()
    if markdown is not None:
        date = datetime.fromtimestamp(file.stat().st_mtime, UTC).date()
        insert(markdown, result_tables, f"{machine()}; {date}", "gains")
