"""The command `chainrule evaluate`."""

from pathlib import Path
from typing import Any

import click

from chainrule.cli import options
from chainrule.errors import printable


@click.command(short_help="Evaluate a run on the test set.")
@click.argument("run", metavar="RUN", type=options.PATH)
@click.option(
    "--data",
    type=options.PATH_OR_NAME,
    metavar="DATA",
    shell_complete=options.completer(options.data_names),
    help="Test data: a data set's name, a folder or a FILE.npz.  [default: the run's data]",
)
@click.option("--views", metavar="TEXT", help='Average the outputs over views of each image: "flip,shift=1".')
@options.skip_damaged
@options.data_location
@options.execution
@options.accept_changes
@options.as_json
def evaluate(
    run: Path,
    data: str | None,
    views: str | None,
    skip_damaged: bool,
    data_folder: str | None,
    offline: bool | None,
    engine: str | None,
    threads: int | None,
    precise: bool,
    accept_changes: bool,
    as_json: bool,
) -> None:
    """Evaluate a model on test data: metrics, and precision and recall per class.

    The metrics are accuracy for classification, label accuracy for multi-label classification, and errors and R² for
    regression. For masks, they count pixels, and include IoU and Dice; for target images, they include the peak
    signal-to-noise ratio.

    RUN is a run folder or a model.safetensors file. For an unfinished run, the best weights so far are used.
    """
    from chainrule.cli import loading
    from chainrule.cli.output import print_json
    from chainrule.data.augmentation import Views

    machine: dict[str, Any] = {"engine": engine, "threads": threads, "precise": precise}
    model, job = loading.load_model_and_job(run, **machine, accept_changes=accept_changes)
    loading.require_one_input_and_output(model, run)
    where: dict[str, Any] = {"folder": data_folder, "offline": offline}
    test = loading.load_test_data(model, job, data, **where, skip_damaged=skip_damaged)
    selected_views = Views.parse(views or "none") or None
    ignore_label = None if job is None else job.recipe.ignore_label
    figures = model.evaluate(test, views=selected_views, ignore_label=ignore_label).to_json(model.classes)
    if as_json:
        averaged = {} if selected_views is None else {"views": str(selected_views)}
        print_json({"run": str(run), "model": model.name, "data": test.name, **averaged, **figures})
        return
    title = f"{model.name} on {test.name}: {len(test):,} test images"
    click.echo(_text(f"{title} in {len(selected_views)} views" if selected_views else title, figures))


def _text(title: str, figures: dict[str, Any]) -> str:
    from chainrule.cli.output import METRIC_LABELS, format_percent, format_table, metric_rows

    rows = metric_rows({name: value for name, value in figures.items() if isinstance(value, float)})
    text = f"{printable(title)}\n\n{format_table(rows)}"
    if "classes" in figures:
        kind = "label" if figures["task"] == "multi-label" else "class"
        is_dense = "mean_iou" in figures
        columns = ["precision", "recall", *(["iou"] if is_dense else [])]
        lines = [[kind, *(METRIC_LABELS.get(name, name) for name in columns), "pixels" if is_dense else "images"]]
        for row in figures["classes"]:
            lines.append([row["class"], *(format_percent(row[name]) for name in columns), f"{row['samples']:,}"])
        text += f"\n\n{format_table(lines, right=(1, 2, 3, 4))}"
    return "\n\n".join([text, *figures["warnings"]])
