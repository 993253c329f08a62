"""The command `chainrule evaluate`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from chainrule.cli import options
from chainrule.cli.output import format_percent, format_table, metric_rows, print_json
from chainrule.errors import printable
from chainrule.training.metric_table import label_of

MAX_CLASSES, WORST = 50, 10  # largest number of classes that are all printed; number that is printed of more


@click.command(short_help="Evaluate a run on the test set.")
@click.argument("run", type=options.PATH)
@options.passed_as("source", options.TestData, options.test_data)
@options.passed_as("execution", options.Execution, options.execution)
@options.as_json
def evaluate(
    run: Path,
    *,
    source: options.TestData,
    execution: options.Execution,
    as_json: bool,
) -> None:
    """Evaluate a model on test data: metrics, and those of each class.

    The metrics are accuracy for classification, label accuracy for multi-label classification, and errors and R² for
    regression. For classes and labels, they include F1. For masks, they count pixels, and include IoU. Of more than
    50 classes, those with the lowest F1 are printed; --json has all of them.

    RUN is a run folder or a model.safetensors file. For an unfinished run, the best weights so far are used.
    """
    from chainrule.cli import loading
    from chainrule.data.dataset import noun_of

    model, job = loading.load_model_and_job(run, execution)
    loading.require_one_input_and_output(model, run)
    test, part = loading.load_test_data(model, job, source)
    ignore_label = None if job is None else job.recipe.ignore_label
    evaluation = model.evaluate(test, ignore_label=ignore_label)
    figures = evaluation.to_json()
    if as_json:
        about = {"run": str(run), "model": model.name, "signature": str(model.signature), "data": test.name}
        print_json({**about, "part": part, **figures})
        return
    title = f"{model.name} on {test.name}: {part}"
    click.echo(_text(title, figures, noun_of(model.input_shape)))


def _text(title: str, figures: Mapping[str, Any], unit: str) -> str:
    """Return the metrics, the table of classes and the warnings, as printed.

    unit   what a sample is called, such as "image"
    """
    rows = metric_rows({name: value for name, value in figures.items() if isinstance(value, float)})
    paragraphs = [printable(title), format_table(rows)]
    if "classes" in figures:
        paragraphs += _class_table(figures, unit)
    return "\n\n".join([*paragraphs, *figures["warnings"]])


def _class_table(figures: Mapping[str, Any], unit: str) -> list[str]:
    """Return the metrics of each class as a table or, of many classes, a heading and those with the lowest F1."""
    classes = figures["classes"]
    paragraphs = list[str]()
    if len(classes) > MAX_CLASSES:
        scored = [row for row in classes if row["f1"] is not None]
        classes = sorted(scored, key=lambda row: row["f1"])[:WORST]
        paragraphs.append(f"the {len(classes)} of {len(figures['classes']):,} classes with the lowest F1:")
    kind = "label" if figures["task"] == "multi-label" else "class"
    metrics = ["precision", "recall", "f1"]
    counted = f"{unit}s"
    if "mean_iou" in figures:
        metrics.append("iou")
        counted = "pixels"
    lines = [[kind, *map(label_of, metrics), counted]]
    for row in classes:
        lines.append([row["class"], *(format_percent(row[name]) for name in metrics), f"{row['samples']:,}"])
    paragraphs.append(format_table(lines, right=range(1, len(metrics) + 2)))
    return paragraphs
