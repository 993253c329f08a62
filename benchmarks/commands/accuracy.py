"""The command `python -m benchmarks accuracy`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks import peers
from benchmarks.commands import options, tables
from chainrule.cli import options as general

if TYPE_CHECKING:
    from benchmarks.accuracy import Result


@click.command(short_help="Compare default trainings with PyTorch and scikit-learn.")
@click.option("--data", "names", multiple=True, metavar="NAME", help="Data set; can be repeated.  [default: all]")
@options.number("--seeds", default=5, text="Trainings per data set.")
@general.markdown
@general.quiet
@general.as_json
def accuracy(names: tuple[str, ...], seeds: int, markdown: Path | None, quiet: bool, as_json: bool) -> None:
    """Train with default settings on public data sets, and print the accuracy on test samples and the processor time.

    For images, the network and recipe are those that `chainrule train` chooses for custom images; for other data, those
    of ChainruleClassifier and ChainruleRegressor. PyTorch trains the same network in a plain loop with the same
    optimizer, schedule, batch size and number of epochs, on images divided by 255 or on unchanged numbers. MLP and
    random forest are the estimators of scikit-learn with default options. Requires scikit-learn.
    """
    from benchmarks import accuracy as compared
    from chainrule.cli.output import MISSING, print_json
    from chainrule.errors import ChainruleError, unknown_name
    from chainrule.plotting.markdown import machine

    for name in names:
        if name not in compared.DATA:
            raise unknown_name("data set", name, [*compared.DATA])
    missing = peers.missing("torch")
    notes = [f"missing: PyTorch: {missing}"] * bool(missing)
    selected = names or tuple(compared.DATA)
    by_name = dict[str, dict[str, compared.Result]]()
    with options.watched(quiet) as watch:
        for number, name in enumerate(selected):
            share = number / len(selected)
            try:
                by_name[name] = compared.results(name, seeds, lambda text, share=share: watch(text, share))
            except ChainruleError as error:
                notes.append(f"missing: {name}: {error}")
    if as_json:
        print_json({name: {who: asdict(row) for who, row in rows.items()} for name, rows in by_name.items()})
        return
    cells = [["data set", *compared.CONTENDERS]]
    for name, rows in by_name.items():
        cells.append([name, *(_cell(rows[who]) if who in rows else MISSING for who in compared.CONTENDERS)])
        notes += [f"{name}: {who} is better by more than one standard deviation" for who in compared.better(rows)]
    conditions = f"one thread; {machine()}{peers.versions('torch', 'scikit-learn')}"
    tables.publish(markdown, [tables.Table(cells, notes=notes)], conditions, "accuracy")


def _cell(result: "Result") -> str:
    """Format the mean and standard deviation of the scores, and the median time: "97.3 ± 0.4 %, 1.2 s"."""
    factor, unit = (100, " %") if result.is_accuracy else (1, "")
    digits = 1 if result.is_accuracy else 2
    score = f"{factor * result.mean:.{digits}f} ± {factor * result.deviation:.{digits}f}{unit}"
    return f"{score}, {tables.time(result.time)}"
