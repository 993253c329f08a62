"""`chainrule evaluate`."""

from pathlib import Path
from typing import Any

import click

from chainrule.cli import options


@click.command(short_help="How well a run does on the test set.")
@click.argument("run", metavar="RUN", type=options.PATH)
@click.option(
    "--data",
    type=options.WORD,
    metavar="WHAT",
    shell_complete=options.names(options.data_names),
    help="Other data than the run's own: a name, a folder or a FILE.npz. Of these, too, the test part is taken.",
)
@options.where
@options.machine
@options.as_json
def evaluate(
    run: Path,
    data: str | None,
    data_folder: str | None,
    offline: bool | None,
    engine: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Accuracy, loss, and precision and recall a class, on test data.

    RUN is a run folder, or a model.safetensors file.
    """
    from chainrule.cli import opened
    from chainrule.cli.output import json_out

    model, job = opened.model_and_job(run, engine=engine, threads=threads)
    test = opened.test_data(model, job, data, folder=data_folder, offline=offline)
    figures = model.evaluate(test).to_json(model.classes)
    if as_json:
        json_out({"run": str(run), "model": model.name, "data": test.name, **figures})
        return
    click.echo(_text(f"{model.name} on {test.name}: {len(test):,} test images", figures))


def _text(title: str, figures: dict[str, Any]) -> str:
    from chainrule.cli.output import number, percent, table

    rows = [["class", "precision", "recall", "images"]]
    for row in figures["classes"]:
        rows.append([row["class"], percent(row["precision"]), percent(row["recall"]), f"{row['samples']:,}"])
    head = [["accuracy", percent(figures["accuracy"])], ["loss", number(figures["loss"])]]
    return f"{title}\n\n{table(head)}\n\n{table(rows, right=(1, 2, 3))}"
