"""The commands of `python -m experiments`."""

from pathlib import Path

import click
import numpy as np

from chainrule.cli import import_, options, run_paths
from chainrule.cli.output import format_table
from chainrule.cli.program import Group
from chainrule.plotting import markdown as page
from chainrule.plotting.figures import save
from experiments import transcripts as recorded
from experiments import winograd as measured
from experiments.activations import NAMES, curves, graphs
from experiments.prove import prove

OUTLIERS = ("<!-- outliers -->", "<!-- end of outliers -->")  # markers around the tables on the page
CHANNELS = ("<!-- channels -->", "<!-- end of channels -->")
LAYERS = ("<!-- layers -->", "<!-- end of layers -->")


@click.group(cls=Group)
def experiment() -> None:
    """Write tables, transcripts and plots of the documentation; test random networks."""


experiment.add_command(prove)


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


@experiment.command(short_help="Report rounding errors of Winograd's algorithm, and list where it is used.")
@options.markdown
def winograd(markdown: Path | None) -> None:
    """Print two tables on Winograd's algorithm, or write them to a page.

    The first contains rounding errors in outputs near a large input, with and without --precise. The second contains
    the numbers of channels for which the algorithm is selected.
    """
    errors, thresholds = measured.error_rows(), measured.threshold_rows()
    click.echo(f"{format_table(errors, right=range(1, 4))}\n\n{format_table(thresholds)}")
    if markdown is not None:
        page.insert(markdown, f"{page.table(errors)}\n\n{page.machine()}", OUTLIERS)
        page.insert(markdown, page.table(thresholds), CHANNELS)


@experiment.command(short_help="Plot the activations and their derivatives.")
@click.argument("folder", type=options.PATH)
def activations(folder: Path) -> None:
    """Plot every activation and its derivative, computed by the reference engine, to FOLDER/NAME.png."""
    for name in NAMES:
        run_paths.require_writable(folder / f"{name}.png")
    for curve in curves(np.arange(-500, 501) / 100):
        save(graphs(curve), folder / f"{curve.name}.png")
