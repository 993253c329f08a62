"""Output of `chainrule train` before and after a run."""

import textwrap
from collections.abc import Sequence

import click

from chainrule.cli.output import (
    WIDTH,
    format_count,
    format_duration,
    format_table,
    metric_rows,
    print_json,
    print_line,
)
from chainrule.cli.program import print_message
from chainrule.core.shapes import text
from chainrule.data.dataset import Dataset, noun_of
from chainrule.errors import printable
from chainrule.models.model import Model
from chainrule.runs.jobs import Job, read_job
from chainrule.runs.running import Result
from chainrule.training.optimizers import CustomOptimizer, Optimizer
from chainrule.training.recipe import Recipe

MAX_REMARKS = 10  # maximum number of remarks on the files of a folder that are printed


def print_heading(job: Job, training: Dataset, test: Dataset, model: Model, quiet: bool) -> None:
    """Print a run's model, data and recipe to stderr."""
    if quiet:
        return
    samples = f"{format_count(len(training), training.noun)} {text(training.sample_shape)}"
    if training.has_classes:
        samples += f" in {len(training.classes)} classes"
    else:
        samples += f" with {format_count(len(training.classes), 'target')}"
    engine = job.engine
    if engine == "compiled":
        engine += f", {format_count(model.threads, 'thread')}"
    if job.precise:
        engine += ", precise"
    print_line(f"{model.name}: {model.parameters.size:,} parameters, {job.model['dtype']}, {engine}", err=True)
    print_line(f"{training.name}: {samples}, {len(test):,} test {test.noun}s", err=True)
    print_remarks(training.remarks[:MAX_REMARKS], quiet)
    further = len(training.remarks) - MAX_REMARKS
    if further > 0:
        print_remarks([f"and {further:,} more; --json lists all"], quiet)
    click.echo(textwrap.fill(describe_recipe(job.recipe), WIDTH), err=True)


def print_remarks(lines: Sequence[str], quiet: bool) -> None:
    """Print remarks on the data to stderr, each wrapped to the width of the output."""
    if quiet:
        return
    for remark in lines:
        click.echo(textwrap.fill(printable(remark), WIDTH, initial_indent="  ", subsequent_indent="    "), err=True)


def describe_recipe(recipe: Recipe) -> str:
    """Describe a recipe in one line."""
    parts = [describe_optimizer(recipe.optimizer)]
    if recipe.schedule.name != "constant":
        parts.append(recipe.schedule.name)
    parts += [f"batch {recipe.batch_size}", format_count(recipe.epochs, "epoch"), str(recipe.loss).replace("_", " ")]
    parts.append({"none": "not normalized", "scale": "scaled", "standardize": "standardized"}[recipe.normalization])
    return ", ".join([*parts, *recipe.reported().values()])


def describe_optimizer(optimizer: Optimizer) -> str:
    """Describe an optimizer, as in "adam at learning rate 0.01 (beta1 0.95)", without default hyperparameters."""
    config = optimizer.to_config()
    defaults = config if isinstance(optimizer, CustomOptimizer) else type(optimizer)().to_config()
    changed = list[str]()
    for name in list(config)[2:]:  # after its name and learning rate
        if config[name] != defaults[name]:
            changed.append(f"{name} {config[name]:g}")
    description = f"{optimizer.name} at learning rate {optimizer.learning_rate:g}"
    if changed:
        description += f" ({', '.join(changed)})"
    return description


def print_metrics(result: Result) -> None:
    """Print the test metrics and the duration of a finished run."""
    unit = noun_of(result.model.input_shape)
    evaluation = result.evaluation
    rows = list[list[str]]()
    if evaluation is not None:
        for name, value in metric_rows(evaluation.figures):
            rows.append([f"test {name}", value])
        rows[0][1] += f" of {format_count(evaluation.samples, unit)}"
    speed = _speed(result) or 0
    rows.append(["training time", f"{format_duration(result.seconds)} ({speed:,.0f} {unit}s/s)"])
    click.echo(format_table(rows))
    if evaluation is not None:
        for warning in evaluation.warnings:
            print_message(warning)


def print_files(result: Result) -> None:
    """Print the files of a run, and the path of its folder last."""
    first = "wrote          "
    rest = " " * len(first)
    click.echo(textwrap.fill(printable(", ".join(_files(result))), WIDTH, initial_indent=first, subsequent_indent=rest))
    print_line(result.folder)


def print_result_json(result: Result, remarks: Sequence[str] = ()) -> None:
    """Print the results of a run, and remarks on the files of an image folder, as JSON."""
    evaluation = result.evaluation
    values: dict[str, object] = {
        "run": str(result.folder),
        "model": result.model.name,
        "parameters": result.model.parameters.size,
        "finished": result.finished,
        "epochs": len(result.history.epochs),
        "steps": len(result.history),
        "seconds": result.seconds,
        "samples_per_second": _speed(result),
    }
    if evaluation is not None:
        values |= {**evaluation.figures, "samples": evaluation.samples, "task": evaluation.task.name}
        values["warnings"] = [*result.history.notes, *evaluation.warnings]
    if result.finished:
        values["files"] = _files(result)
    if remarks:
        values["data"] = list(remarks)
    print_json(values)


def _files(result: Result) -> list[str]:
    return sorted(path.name for path in result.folder.iterdir() if not path.name.startswith("."))


def _speed(result: Result) -> float | None:
    """Return the training speed over all complete epochs, in samples per second; None without a complete epoch."""
    epochs = result.history.epochs
    if not epochs or epochs[-1].seconds <= 0:
        return None
    return len(epochs) * read_job(result.folder).epoch_images / epochs[-1].seconds
