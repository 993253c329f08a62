"""The command `chainrule evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options
from chainrule.cli.output import format_percent, format_table, metric_rows, print_json
from chainrule.errors import printable
from chainrule.training.metric_table import label_of

if TYPE_CHECKING:
    from chainrule.data.dataset import Dataset
    from chainrule.models.model import Model
    from chainrule.training.examples import Examples
    from chainrule.training.metrics import Evaluation

MAX_CLASSES, WORST = 50, 10  # largest number of classes that are all printed; number that is printed of more


@click.command(short_help="Evaluate a run on the test set.")
@click.argument("run", type=options.PATH)
@options.data
@options.declared
@options.skip_damaged
@options.data_location
@options.execution
@options.accept_changes
@options.as_json
def evaluate(
    run: Path,
    *,
    data: str | None,
    target: options.Text = None,
    views: options.Text = None,
    class_file: options.OutputFile = None,
    reliability: options.OutputFile = None,
    calibrated_file: options.OutputFile = None,
    tuned_file: options.OutputFile = None,
    metric: str = "f1",
    mistakes: options.OutputFile = None,
    roc: options.OutputFile = None,
    precision_recall: options.OutputFile = None,
    skip_damaged: bool,
    data_folder: str | None,
    offline: bool | None,
    as_json: bool,
    **machine: Any,
) -> None:
    """Evaluate a model on test data: metrics, and those of each class.

    The metrics are accuracy for classification, label accuracy for multi-label classification, and errors and R² for
    regression. For classes and labels, they include F1, the area under the ROC curve and the average precision (means
    over the classes, each against the rest), and the calibration error. For masks, they count pixels, and include IoU
    and Dice; for target images, they include the peak signal-to-noise ratio.

    RUN is a run folder or a model.safetensors file. For an unfinished run, the best weights so far are used.

    target           (--target NAME) Column of a table with the true answers.  [default: as in the run]
    views            Average the outputs over views of each image: "flip,shift=1".
    class_file       (--classes FILE.csv) Write the metrics of each class.  [default for more than 50 classes:
                     classes.csv beside the model]
    reliability      (--reliability FILE.png) Plot the accuracy by the confidence of predictions.
    calibrated_file  (--calibrated FILE.safetensors) Calibrate the confidence on the run's validation images before the
                     evaluation, and write the model.
    tuned_file       (--tuned FILE.safetensors) Choose the thresholds of yes-or-no outputs on the run's validation
                     images before the evaluation, record them, and write the model.
    metric           (--tuned-for METRIC) Metric of these thresholds: f1, balanced_accuracy or matthews_corrcoef.
    mistakes         (--mistakes FILE.csv) List the wrongly classified images, the most confident first.
    roc              (--roc FILE.png) Plot the ROC curves.
    precision_recall  (--precision-recall FILE.png) Plot precision by recall.
    """
    from chainrule._io.files import csv_bytes, write_atomic
    from chainrule.cli import loading
    from chainrule.data.views import Views
    from chainrule.plotting.figures import save

    model, job = loading.load_model_and_job(run, **machine)
    loading.require_one_input_and_output(model, run)
    where: dict[str, Any] = {"folder": data_folder, "offline": offline}
    reading: dict[str, Any] = {**where, "skip_damaged": skip_damaged, "target": target}
    test, part = loading.load_test_data(model, job, data, **reading)
    selected_views = Views.choose(views)
    added: dict[str, Any] = {}
    if selected_views is not None:
        added["views"] = str(selected_views)
    remarks: list[str] = []
    if calibrated_file is not None or tuned_file is not None:
        validation = loading.validation_samples(model, job, **where)
        adjusted, remarks = _adjusted(model, validation, calibrated_file, tuned_file, metric)
        added |= adjusted
    ignore_label = None if job is None else job.recipe.ignore_label
    evaluation = model.evaluate(test, views=selected_views, ignore_label=ignore_label)
    figures = evaluation.to_json(model.classes)
    classes = figures.get("classes", ())
    if class_file is None and len(classes) > MAX_CLASSES and not as_json:
        folder = run if run.is_dir() else run.parent
        class_file = folder / "classes.csv"
    if class_file is not None:
        rows: list[list[Any]] = [[]]
        if classes:
            rows = [list(classes[0])]
        for row in classes:
            rows.append(list(row.values()))
        write_atomic(class_file, csv_bytes(rows))
    if mistakes is not None:
        write_atomic(mistakes, csv_bytes(_mistake_rows(evaluation, test)))
    plots = {reliability: "plot_reliability", roc: "plot_roc", precision_recall: "plot_precision_recall"}
    for path, plot in plots.items():
        if path is not None:
            save(getattr(evaluation, plot)(), path)
    if as_json:
        about = {"run": str(run), "model": model.name, "signature": model.signature.to_config(), "data": test.name}
        print_json({**about, "images": part, **added, **figures})
        return
    title = f"{model.name} on {test.name}: {part}"
    if selected_views:
        title += f" in {len(selected_views)} views"
    click.echo(_text(title, figures, class_file))
    for remark in remarks:
        click.echo("\n" + printable(remark))


def _adjusted(
    model: "Model", validation: "Examples", calibrated_file: Path | None, tuned_file: Path | None, metric: str
) -> tuple[dict[str, Any], list[str]]:
    """Calibrate the model, choose thresholds, or both, and write the files; return the new values and remarks."""
    from chainrule.models import temperature

    added = dict[str, Any]()
    remarks = list[str]()
    if calibrated_file is not None:
        added["temperature"] = temperature.calibrate(model, validation)
        model.save(calibrated_file)
        remarks += [f"logits divided by the temperature {added['temperature']:.4g}; wrote {calibrated_file}"]
    if tuned_file is not None:
        added["thresholds"] = [*temperature.tune(model, validation, metric)]
        model.save(tuned_file)
        values = ", ".join(f"{value:.4g}" for value in added["thresholds"])
        remarks += [f"thresholds {values}; wrote {tuned_file}"]
    return added, remarks


def _mistake_rows(evaluation: "Evaluation", test: "Dataset") -> list[list[Any]]:
    """Return the rows of a CSV file that lists the wrongly classified images by their names."""
    from chainrule.training.answers import Misclassification

    rows: list[list[Any]] = [["image", *Misclassification._fields[1:]]]
    for sample, *answers in evaluation.mistakes:
        name = f"sample {sample}" if test.names is None else test.names[sample]
        rows.append([name, *answers])
    return rows


def _text(title: str, figures: dict[str, Any], class_file: Path | None) -> str:
    """Return the metrics, the table of classes and the warnings, as printed."""
    rows = metric_rows({name: value for name, value in figures.items() if isinstance(value, float)})
    if "accuracy_interval" in figures:
        low, high = figures["accuracy_interval"]
        rows[0][1] += f" (95 % interval {format_percent(low, 1)} to {format_percent(high, 1)})"
    paragraphs = [printable(title), format_table(rows)]
    if "classes" in figures:
        classes = figures["classes"]
        if len(classes) > MAX_CLASSES:  # too many for a table: show the worst, all others are in `class_file`
            scored = [row for row in classes if row["f1"] is not None]
            classes = sorted(scored, key=lambda row: row["f1"])[:WORST]
            paragraphs.append(f"the {len(classes)} of {len(figures['classes']):,} classes with the lowest F1:")
        kind = "label" if figures["task"] == "multi-label" else "class"
        metrics = ["precision", "recall", "f1"]
        counted = "images"
        if "mean_iou" in figures:
            metrics = ["precision", "recall", "f1", "iou"]
            counted = "pixels"
        lines = [[kind, *map(label_of, metrics), counted]]
        for row in classes:
            lines.append([row["class"], *(format_percent(row[name]) for name in metrics), f"{row['samples']:,}"])
        paragraphs.append(format_table(lines, right=(1, 2, 3, 4, 5)))
    if class_file is not None:
        paragraphs.append(printable(f"all classes: {class_file}"))
    return "\n\n".join([*paragraphs, *figures["warnings"]])
