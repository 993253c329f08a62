"""The commands of `python -m experiments`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options
from chainrule.cli.program import Group

if TYPE_CHECKING:
    from experiments.rate import Curve
    from experiments.setting import Setting

INTEGERS = ("<!-- integers -->", "<!-- end of integers -->")  # markers around the table on the page
OUTLIERS = ("<!-- outliers -->", "<!-- end of outliers -->")
CHANNELS = ("<!-- channels -->", "<!-- end of channels -->")
SECONDS = ("<!-- seconds -->", "<!-- end of seconds -->")

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


@experiment.command(short_help="Report accuracy and time for fractions of the data.")
@size
def shares(**arguments: Any) -> None:
    """Train numpy-cnn on all, half and a sixteenth of MNIST; report time and accuracy next to the tutorial's."""
    from chainrule.cli.output import format_duration, format_percent
    from experiments.shares import shares as measured

    rows = list(measured(_setting(arguments)))
    cells = [["share", "images", "epochs", "time", "test accuracy", "time in the tutorial"]]
    for row in rows:
        figures = [format_duration(row.seconds), format_percent(row.accuracy), row.tutorial]
        cells.append([row.text, f"{row.images:,}", str(row.epochs), *figures])
    names = ("divisor", "images", "epochs", "seconds", "accuracy", "tutorial")
    _show(arguments, cells, [{name: getattr(row, name) for name in names} for row in rows])


@experiment.command(short_help="Test the tutorials' empirical claims with several seeds.")
@click.argument("questions", nargs=-1, metavar="[QUESTION]...")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, metavar="N", help="Runs per trial.")
@size
def claims(questions: tuple[str, ...], seeds: int, **arguments: Any) -> None:
    """Test the tutorials' empirical claims.

    A QUESTION is pooling, activation, parameters, order (of the pixels), position (of the digit), padding, kernels,
    optimizer or fourier. By default, all are tested, with few training images unless --limit is set.
    """
    from chainrule.cli.output import format_percent
    from experiments.claims import rows

    results = list(rows(_setting(arguments), questions, seeds))
    cells = [["question", "data", "setting", "parameters", "test accuracy", "lowest", "highest", "time"]]
    for row in results:
        ends = (None, None) if row.accuracies is None else (min(row.accuracies), max(row.accuracies))
        shares = [format_percent(share, 1) for share in (row.accuracy, *ends)]
        size = "–" if row.parameters is None else f"{row.parameters:,}"
        cells.append([row.question, row.data, row.setting, size, *shares, _short(row.seconds)])
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


@experiment.command(short_help="Measure how long the lessons of the course take.")
@options.markdown
def lessons(markdown: Path | None) -> None:
    """Count the words of every lesson and run its code; print a table or write it to a page."""
    from chainrule.cli.output import format_table
    from chainrule.plotting.markdown import insert, table
    from experiments.lessons import HEAD, MARKS, lesson_times

    cells = [HEAD, *(row.cells for row in lesson_times())]
    click.echo(format_table(cells, right=range(1, 4)))
    if markdown is not None:
        insert(markdown, table(cells), MARKS)


@experiment.command(short_help="List the pairs of mistakes that the gradient checker distinguishes.")
@options.markdown
@options.as_json
def separations(markdown: Path | None, as_json: bool) -> None:
    """Compare all pairs of known mistakes in each operation on every probe; print a table or write it to a page."""
    from dataclasses import asdict

    from chainrule.cli import run_paths
    from chainrule.cli.output import format_table, print_json
    from experiments.separations import HEAD, write
    from experiments.separations import separations as compute_separations

    run_paths.require_writable(markdown)
    rows = compute_separations()
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        click.echo(format_table([HEAD, *(row.cells for row in rows)], right=range(1, 3)))
    if markdown is not None:
        write(rows, markdown)


@experiment.command(short_help="Reproduce VanillaCNN's 10 % and 88 % with several learning rates.")
@size
@options.picture
def rate(picture: Path | None, **arguments: Any) -> None:
    """Train VanillaCNN's network with several learning rates and batch sizes; print test accuracy after every epoch."""
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_percent
    from experiments.rate import curves

    run_paths.require_writable(picture)
    results = list(curves(_setting(arguments)))
    cells = [["rate", "batch", *(f"{epoch}" for epoch in range(1, len(results[0].accuracies) + 1))]]
    for curve in results:
        cells.append(
            [f"{curve.rate:g}", str(curve.batch_size), *(format_percent(share, 1) for share in curve.accuracies)]
        )
    json_rows = [{"rate": row.rate, "batch_size": row.batch_size, "accuracies": row.accuracies} for row in results]
    _show(arguments, cells, json_rows)
    if picture is not None:
        _draw(results, picture)


@experiment.command(short_help="Compare binary and categorical cross-entropy on ten digits.")
@size
def losses(**arguments: Any) -> None:
    """Train The Independent Code's network on ten digits with two losses; print test accuracy after every epoch."""
    from chainrule.cli.output import format_percent
    from experiments.losses import losses as trained

    rows = list(trained(_setting(arguments)))
    cells = [["ending", "loss", "rate", *(f"{epoch}" for epoch in range(1, len(rows[0].accuracies) + 1))]]
    for row in rows:
        cells.append(
            [
                row.ending,
                row.loss.replace("_", " "),
                f"{row.rate:g}",
                *(format_percent(share, 1) for share in row.accuracies),
            ]
        )
    json_rows = [
        {"ending": row.ending, "loss": row.loss, "rate": row.rate, "accuracies": row.accuracies} for row in rows
    ]
    _show(arguments, cells, json_rows, words=2)


@experiment.command(short_help="Time whole processes until they print 99.0, 99.5 and 99.7 % on MNIST.")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True, metavar="N", help="Runs per network."
)
@size
def seconds(seeds: int, **arguments: Any) -> None:
    """Train the networks for MNIST in separate processes; print the mean accuracy and the median time over the seeds.

    Each time is measured from the start of a process until it has printed the accuracy and written the run folder.
    """
    from chainrule import zoo
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_duration, format_percent
    from experiments.seconds import races

    passed = ("epochs", "limit", "data_folder", "engine", "threads")
    pairs = [(f"--{name.replace('_', '-')}", str(arguments[name])) for name in passed if arguments[name] is not None]
    words = [*(word for pair in pairs for word in pair), *["--offline"] * bool(arguments["offline"])]
    run_paths.require_writable(arguments["markdown"])
    rows = list(races(seeds, words))
    cells = [["target", "network", "epochs", "accuracy", "lowest", "time from process start", "shortest"]]
    for row in rows:
        epochs = arguments["epochs"] or zoo.find(row.network).recipe.epochs
        shares = format_percent(row.accuracy), format_percent(min(row.accuracies))
        times = format_duration(row.typical), format_duration(min(row.seconds))
        cells.append([f"≥ {format_percent(row.must, 1)}", row.network, str(epochs), *shares, *times])
    names = ("network", "must", "accuracies", "seconds")
    _show(arguments, cells, [{name: getattr(row, name) for name in names} for row in rows], words=2, marks=SECONDS)


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


@experiment.command(short_help="Compare int8 networks with float networks.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=options.PATH)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Number of test images.  [default: all]")
@options.markdown
@options.as_json
def integers(runs: tuple[Path, ...], limit: int | None, markdown: Path | None, as_json: bool) -> None:
    """Convert the networks in run folders to int8; print accuracy and memory before and after."""
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_percent, format_table, print_json
    from chainrule.plotting import markdown as page
    from experiments.integers import conversions

    run_paths.require_writable(markdown)
    rows = list(conversions(runs, limit))
    cells = [
        [
            "network",
            "test images",
            "accuracy",
            "in integers",
            "points",
            "constants",
            "in integers",
            "arena",
            "in integers",
        ]
    ]
    for row in rows:
        memory = [size for pair in zip(row.floats.plain, row.integers.plain, strict=True) for size in pair]
        accuracies = (format_percent(row.before), format_percent(row.after), f"{row.points:+.2f}")
        cells.append(
            [row.network, f"{row.images:,} of {row.data}", *accuracies, *(f"{size / 1000:,.1f} kB" for size in memory)]
        )
    if as_json:
        print_json(
            [{"network": row.network, "data": row.data, "before": row.before, "after": row.after} for row in rows]
        )
    else:
        click.echo(format_table(cells, right=range(2, len(cells[0]))))
    if markdown is not None:
        kept = [row for row in page.rows(markdown, INTEGERS) if row[0] not in {row.network for row in rows}]
        conditions = f"{page.machine()}; rows of other networks are from earlier runs"
        page.insert(markdown, f"{page.table([*cells, *kept])}\n\n{conditions}", INTEGERS)


@experiment.command(short_help="Tabulate and plot the activations and their derivatives.")
@click.option("--pictures", metavar="FOLDER", type=options.PATH, help="Plot each to FOLDER/NAME.png.")
@options.as_json
def activations(pictures: Path | None, as_json: bool) -> None:
    """Print every activation and its derivative at integers, computed by the reference engine; plot their graphs."""
    import numpy as np

    from chainrule.cli.output import format_table, print_json
    from experiments.activations import curves

    _draw_graphs(pictures)
    points = np.arange(-4.0, 5.0)
    lines = [(f"{curve.title}: {kind}", values) for curve in curves(points) for kind, values in curve.lines()]
    if as_json:
        print_json([{"what": label, "x": points.tolist(), "values": values.tolist()} for label, values in lines])
    else:
        cells = [
            ["x", *(f"{x:g}" for x in points)],
            *([label, *(f"{v:.4f}" for v in values)] for label, values in lines),
        ]
        click.echo(format_table(cells, right=range(1, len(cells[0]))))


def _draw_graphs(folder: Path | None) -> None:
    """Plot the graph of every activation from −5 to 5, including the point 0."""
    if folder is None:
        return
    import numpy as np

    from chainrule.cli import run_paths
    from chainrule.plotting.figures import save
    from experiments.activations import NAMES, curves
    from experiments.graphs import graphs

    for name in NAMES:
        run_paths.require_writable(folder / f"{name}.png")
    x = np.arange(-500, 501) / 100
    for curve in curves(x):
        save(graphs(curve.title, x, curve.y, curve.slope), folder / f"{curve.name}.png")


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
    words: int = 0,
    marks: tuple[str, str] | None = None,
) -> None:
    """Print a table or JSON, and write the table to a page, between the comments `marks` (None: the default ones).

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
        from chainrule.plotting.markdown import MARKS, write

        engine, threads = loader.find(arguments["engine"]).name, thread_count(arguments["threads"])
        write(arguments["markdown"], cells, engine, threads, marks=marks or MARKS)


def _draw(curves: "Sequence[Curve]", picture: Path) -> None:
    from chainrule.plotting.curves import compare_curves
    from chainrule.plotting.figures import save

    runs: dict[str, Any] = {}
    for curve in curves:
        history = curve.history
        runs[curve.title] = range(1, len(history) + 1), history.loss, history.accuracy, history.epoch_dicts()
    save(compare_curves(runs, "VanillaCNN: effect of the learning rate"), picture)


def _short(seconds: float) -> str:
    """Format a duration that may be much shorter than a second."""
    from chainrule.cli.output import format_duration

    return format_duration(seconds) if seconds >= 0.1 else f"{1000 * seconds:.1f} ms"
