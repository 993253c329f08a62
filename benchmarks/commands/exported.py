"""The command `python -m benchmarks exported`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.commands import options
from chainrule.cli import options as general

if TYPE_CHECKING:
    from benchmarks.rows import Row

MARKS = ("<!-- exported -->", "<!-- end of exported -->")  # markers around the table on the page


@click.command(short_help="Time exported networks: C, WebAssembly, ONNX Runtime.")
@options.models
@click.option(
    "--rounds", type=click.IntRange(min=1), default=60, show_default=True, metavar="N", help="Number of rounds."
)
@general.markdown
@general.quiet
@general.as_json
def exported(models: tuple[str, ...], rounds: int, markdown: Path | None, quiet: bool, as_json: bool) -> None:
    """Time one image on one thread: exported C, exported C with plain loops, WebAssembly, and ONNX Runtime.

    The minimum time of all rounds is reported. By default, all networks of the zoo are timed.
    """
    from benchmarks import exported as exported_networks
    from benchmarks import peers, subjects
    from benchmarks.setting import Setting
    from chainrule import zoo
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_table, print_json
    from chainrule.plotting import markdown as page

    run_paths.require_writable(markdown)
    with options.watched(quiet) as watch:
        rows = list(
            exported_networks.rows(
                [subjects.find(name) for name in models or zoo.NAMED], Setting(1, rounds, watch=watch)
            )
        )
    if as_json:
        print_json([row.to_json() for row in rows])
        return
    cells, notes = _cells(rows), [f"missing: {row.model} {row.peer}: {row.missing}" for row in rows if row.missing]
    click.echo("\n".join([format_table(cells, right=range(1, len(cells[0]))), *notes]))
    if markdown is not None:
        conditions = f"one image, one thread; {page.machine()}{peers.versions()}"
        page.insert(markdown, "\n\n".join([page.table(cells), *notes, conditions]), MARKS)


def _cells(rows: "list[Row]") -> list[list[str]]:
    """Return a row per network: the time of exported C, and the time and ratio of every peer."""
    from benchmarks import exported as exported_networks
    from benchmarks import peers
    from benchmarks.commands.tables import time
    from chainrule.cli.output import MISSING

    lines: dict[str, list[str]] = {}
    for row in rows:
        line = lines.setdefault(str(row.model), [str(row.model), time(row.ours)])
        line += [time(row.theirs), MISSING if row.ratio is None else f"{row.ratio:.2f}×"]
    heads = [head for name in exported_networks.PEERS for head in (peers.TITLES[name].removeprefix("our "), "ratio")]
    return [["network", "exported C", *heads], *lines.values()]
