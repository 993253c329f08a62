"""The commands of `python -m experiments`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options
from chainrule.cli.program import Group

if TYPE_CHECKING:
    from experiments.curves import Curve
    from experiments.setting import Setting

OUTLIERS = ("<!-- outliers -->", "<!-- end of outliers -->")  # markers around the tables on the page
CHANNELS = ("<!-- channels -->", "<!-- end of channels -->")

size = options.combine(
    click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="Passes over the data."),
    click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Number of training images."),
    options.data_location,
    options.engine,
    options.threads,
    options.quiet,
    options.markdown,
    options.as_json,
)


@click.group(cls=Group)
def experiment() -> None:
    """Reproduce the tables and curves of the documentation."""


@experiment.command(short_help="Test the tutorials' empirical claims with several seeds.")
@click.argument("questions", nargs=-1, metavar="[QUESTION]...")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, metavar="N", help="Runs per trial.")
@size
def claims(questions: tuple[str, ...], seeds: int, **arguments: Any) -> None:
    """Test the tutorials' empirical claims.

    A QUESTION is pooling, activation, parameters, order (of the pixels), position (of the digit), padding, kernels or
    optimizer. By default, all are tested, with few training images unless --limit is set.
    """
    from chainrule.cli.output import format_percent
    from experiments.claims import rows

    results = list(rows(_setting(arguments), questions, seeds))
    cells = [["question", "data", "setting", "parameters", "test accuracy", "lowest", "highest", "time"]]
    for row in results:
        shares = [format_percent(share, 1) for share in (row.accuracy, min(row.accuracies), max(row.accuracies))]
        cells.append([row.question, row.data, row.setting, f"{row.parameters:,}", *shares, _short(row.seconds)])
    names = ("question", "data", "setting", "parameters", "accuracies", "seconds")
    _show(arguments, cells, [{name: getattr(row, name) for name in names} for row in results], words=3)


@experiment.command(short_help="Write the transcripts of docs/explaining.md.")
@options.markdown
def transcripts(markdown: Path | None) -> None:
    """Run the command and the example in docs/explaining.md; print their transcripts or write them to a page."""
    from experiments.transcripts import example, terminal, write

    if markdown is None:
        click.echo(f"{terminal()}\n\n{example()}")
    else:
        write(markdown)


@experiment.command(short_help="Reproduce VanillaCNN's 10 % and 88 % with several learning rates.")
@size
@options.picture
def rate(picture: Path | None, **arguments: Any) -> None:
    """Train VanillaCNN's network with several learning rates and batch sizes; print test accuracy after every epoch."""
    from chainrule.cli import run_paths
    from chainrule.plotting.curves import compare_curves
    from chainrule.plotting.figures import save
    from experiments.curves import rates

    run_paths.require_writable(picture)
    curves = list(rates(_setting(arguments)))
    _show_accuracies(arguments, curves, words=0)
    if picture is not None:
        runs: dict[str, Any] = {}
        for curve in curves:
            title = "rate {rate}, batch {batch}".format(**curve.settings)
            history = curve.history
            runs[title] = range(1, len(history) + 1), history.loss, history.accuracy, history.epoch_dicts()
        save(compare_curves(runs, "VanillaCNN: effect of the learning rate"), picture)


@experiment.command(short_help="Compare binary and categorical cross-entropy on ten digits.")
@size
def losses(**arguments: Any) -> None:
    """Train The Independent Code's network on ten digits with two losses; print test accuracy after every epoch."""
    from experiments.curves import losses as trained

    _show_accuracies(arguments, list(trained(_setting(arguments))), words=2)


def _show_accuracies(arguments: dict[str, Any], curves: "Sequence[Curve]", words: int) -> None:
    """Show the table of test accuracies by settings and epoch; `words` is the number of left-aligned columns."""
    from chainrule.cli.output import format_percent

    cells = [[*curves[0].settings, *(f"{epoch}" for epoch in range(1, len(curves[0].accuracies) + 1))]]
    cells += [[*curve.settings.values(), *(format_percent(share, 1) for share in curve.accuracies)] for curve in curves]
    _show(arguments, cells, [{**curve.settings, "accuracies": curve.accuracies} for curve in curves], words)


@experiment.command(short_help="Report rounding errors of Winograd's algorithm, and list where it is used.")
@options.markdown
def winograd(markdown: Path | None) -> None:
    """Print two tables on Winograd's algorithm, or write them to a page.

    The first contains rounding errors in outputs near a large input, with and without --precise. The second contains
    the numbers of channels for which the algorithm is selected.
    """
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_table
    from chainrule.plotting import markdown as page
    from experiments.winograd import error_rows, threshold_rows

    run_paths.require_writable(markdown)
    errors, thresholds = error_rows(), threshold_rows()
    click.echo(f"{format_table(errors, right=range(1, 4))}\n\n{format_table(thresholds)}")
    if markdown is not None:
        page.insert(markdown, f"{page.table(errors)}\n\n{page.machine()}", OUTLIERS)
        page.insert(markdown, page.table(thresholds), CHANNELS)


@experiment.command(short_help="Plot the activations and their derivatives.")
@click.argument("folder", type=options.PATH)
def activations(folder: Path) -> None:
    """Plot every activation and its derivative, computed by the reference engine, to FOLDER/NAME.png."""
    import numpy as np

    from chainrule.cli import run_paths
    from chainrule.plotting.figures import save
    from experiments.activations import NAMES, curves, graphs

    for name in NAMES:
        run_paths.require_writable(folder / f"{name}.png")
    for curve in curves(np.arange(-500, 501) / 100):
        save(graphs(curve), folder / f"{curve.name}.png")


def _setting(arguments: dict[str, Any]) -> "Setting":
    """Return the settings of an experiment; raise RunError if the Markdown file cannot be written."""
    from chainrule.cli import run_paths
    from chainrule.engines import loader
    from chainrule.engines.options import thread_count
    from experiments.setting import Setting

    run_paths.require_writable(arguments["markdown"])
    location = {"folder": arguments["data_folder"], "offline": arguments["offline"], "progress": not arguments["quiet"]}
    engine, threads = loader.find(arguments["engine"]).name, thread_count(arguments["threads"])
    callbacks: Callable[[str], Sequence[Any]] = options.silent_run if arguments["quiet"] else options.announce_run
    return Setting(arguments["epochs"], arguments["limit"], engine, threads, location, callbacks)


def _show(
    arguments: dict[str, Any],
    cells: list[list[str]],
    json_rows: list[dict[str, Any]],
    words: int,
) -> None:
    """Print a table or JSON, and write the table to a page.

    words   number of left-aligned columns
    """
    from chainrule.cli.output import format_table, print_json
    from chainrule.engines import loader
    from chainrule.engines.options import thread_count

    if arguments["as_json"]:
        print_json(json_rows)
    else:
        click.echo(format_table(cells, right=range(words, len(cells[0]))))
    if arguments["markdown"] is not None:
        from chainrule.plotting.markdown import write

        engine, threads = loader.find(arguments["engine"]).name, thread_count(arguments["threads"])
        write(arguments["markdown"], cells, engine, threads)


def _short(seconds: float) -> str:
    """Format a duration that may be much shorter than a second."""
    from chainrule.cli.output import format_duration

    return format_duration(seconds) if seconds >= 0.1 else f"{1000 * seconds:.1f} ms"
