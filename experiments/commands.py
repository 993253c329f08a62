"""The commands of `python -m experiments`."""

from pathlib import Path

import click
import numpy as np

from chainrule.cli import import_, options
from chainrule.cli.program import Group
from chainrule.plotting import markdown as page
from chainrule.plotting.figures import save
from experiments import transcripts as recorded
from experiments.activations import NAMES, curves, graphs
from experiments.zoo import zoo

LAYERS = ("<!-- layers -->", "<!-- end of layers -->")  # markers around a table on the page


@click.group(cls=Group)
def experiment() -> None:
    """Train the named networks; write tables, transcripts and plots of the documentation."""


experiment.add_command(zoo)


@experiment.command(short_help="Write the transcripts of docs/explaining.md.")
@options.markdown
def transcripts(markdown: Path | None) -> None:
    """Run the command and the example in docs/explaining.md; print their transcripts or write them to a page."""
    if markdown is None:
        click.echo(f"{recorded.terminal()}\n\n{recorded.example()}")
    else:
        recorded.write(markdown)


@experiment.command(short_help="Write the tables of docs/importing.md.")
@click.argument("markdown", metavar="PAGE", type=options.PATH)
def importing(markdown: Path) -> None:
    """Write the tables of `chainrule import --operators` and `chainrule import --layers` to PAGE."""
    page.insert(markdown, import_.operator_list())
    page.insert(markdown, import_.layer_list(), LAYERS)


@experiment.command(short_help="Plot activations and their derivatives.")
@click.argument("folder", type=options.PATH)
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(NAMES))
def activations(folder: Path, names: tuple[str, ...]) -> None:
    """Plot activations and their derivatives, computed by the reference engine, to FOLDER/NAME.png; by default all."""
    for curve in curves(np.arange(-500, 501) / 100):
        if curve.name in (names or NAMES):
            save(graphs(curve), folder / f"{curve.name}.png")
