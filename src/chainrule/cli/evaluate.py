"""The command `chainrule evaluate`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options
from chainrule.cli.output import format_percent, format_table, metric_rows, print_json
from chainrule.errors import printable
from chainrule.training.metric_table import label_of

if TYPE_CHECKING:
    from chainrule.data.dataset import Dataset
    from chainrule.training.metrics import Evaluation

MAX_CLASSES, WORST = 50, 10  # largest number of classes that are all printed; number that is printed of more


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """Declare what is computed and written.

    class_file       (--classes FILE.csv) Write the metrics of each class.  [default for more than 50 classes:
                     classes.csv beside the model]
    mistakes         (--mistakes FILE.csv) List the wrongly classified samples, the most confident first.
    """

    class_file: options.OutputFile = None
    mistakes: options.OutputFile = None


@click.command(short_help="Evaluate a run on the test set.")
@click.argument("run", type=options.PATH)
@options.passed_as("source", options.TestData, options.test_data)
@options.passed_as("output", EvaluationOptions, options.option_group()(EvaluationOptions))
@options.passed_as("execution", options.Execution, options.execution)
@options.accept_changes
@options.as_json
def evaluate(
    run: Path,
    *,
    source: options.TestData,
    output: EvaluationOptions,
    execution: options.Execution,
    accept_changes: bool,
    as_json: bool,
) -> None:
    """Evaluate a model on test data: metrics, and those of each class.

    The metrics are accuracy for classification, label accuracy for multi-label classification, and errors and R² for
    regression. For classes and labels, they include F1. For masks, they count pixels, and include IoU.

    RUN is a run folder or a model.safetensors file. For an unfinished run, the best weights so far are used.
    """
    from chainrule.cli import loading
    from chainrule.data.dataset import noun_of

    model, job = loading.load_model_and_job(run, execution, accept_changes=accept_changes)
    loading.require_one_input_and_output(model, run)
    test, part = loading.load_test_data(model, job, source)
    ignore_label = None if job is None else job.recipe.ignore_label
    evaluation = model.evaluate(test, ignore_label=ignore_label)
    figures = evaluation.to_json(model.classes)
    if output.class_file is None and len(figures.get("classes", ())) > MAX_CLASSES and not as_json:
        folder = run if run.is_dir() else run.parent
        output = replace(output, class_file=folder / "classes.csv")
    _write_files(evaluation, test, figures, output)
    if as_json:
        about = {"run": str(run), "model": model.name, "signature": model.signature.to_config(), "data": test.name}
        print_json({**about, "part": part, **figures})
        return
    title = f"{model.name} on {test.name}: {part}"
    click.echo(_text(title, figures, noun_of(model.input_shape), output.class_file))


def _write_files(
    evaluation: "Evaluation", test: "Dataset", figures: Mapping[str, Any], output: EvaluationOptions
) -> None:
    """Write the tables and plots that were asked for.

    figures   the evaluation as JSON values
    """
    from chainrule._io.files import csv_bytes, write_atomic

    if output.class_file is not None:
        write_atomic(output.class_file, csv_bytes(_class_rows(figures.get("classes", ()))))
    if output.mistakes is not None:
        write_atomic(output.mistakes, csv_bytes(_mistake_rows(evaluation, test)))


def _class_rows(classes: Sequence[Mapping[str, object]]) -> list[list[object]]:
    """Return the rows of a CSV file with the metrics of each class; an empty heading without classes."""
    if not classes:
        return [[]]
    rows = [list[object](classes[0])]
    for metrics in classes:
        rows.append(list(metrics.values()))
    return rows


def _mistake_rows(evaluation: "Evaluation", test: "Dataset") -> list[list[object]]:
    """Return the rows of a CSV file that lists the wrongly classified samples by their names."""
    from chainrule.training.metrics import Misclassification

    rows: list[list[object]] = [[test.noun, *Misclassification._fields[1:]]]
    for sample, *answers in evaluation.mistakes:
        name = f"sample {sample}" if test.names is None else test.names[sample]
        rows.append([name, *answers])
    return rows


def _text(title: str, figures: Mapping[str, Any], unit: str, class_file: Path | None) -> str:
    """Return the metrics, the table of classes and the warnings, as printed.

    unit   what a sample is called, such as "image"
    """
    rows = metric_rows({name: value for name, value in figures.items() if isinstance(value, float)})
    paragraphs = [printable(title), format_table(rows)]
    if "classes" in figures:
        paragraphs += _class_table(figures, unit)
    if class_file is not None:
        paragraphs.append(printable(f"all classes: {class_file}"))
    return "\n\n".join([*paragraphs, *figures["warnings"]])


def _class_table(figures: Mapping[str, Any], unit: str) -> list[str]:
    """Return the metrics of each class as a table or, of many classes, a heading and those with the lowest F1."""
    classes = figures["classes"]
    paragraphs = list[str]()
    if len(classes) > MAX_CLASSES:  # a file has them all
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
