"""What `chainrule train` says of a run before and after it."""

import textwrap
from typing import Any

import click

from chainrule.cli import opened
from chainrule.cli.output import WIDTH, count, duration, json_out, number, percent, table
from chainrule.data.dataset import Dataset
from chainrule.model import Sequential
from chainrule.optimizers import Optimizer
from chainrule.runs.jobs import Job
from chainrule.runs.running import Result, read_job
from chainrule.shapes import text
from chainrule.training.recipe import Recipe


def heading(job: Job, training: Dataset, test: Dataset, model: Sequential, quiet: bool) -> None:
    """What will be trained, on what and how: on stderr."""
    if quiet:
        return
    images = f"{count(len(training), 'image')} {text(training.shape)} in {len(training.classes)} classes"
    engine = f"{job.engine}, {count(model.threads, 'thread')}" if job.engine == "numba" else job.engine
    click.echo(f"{model.name}: {model.parameters.size:,} parameters, {job.model['dtype']}, {engine}", err=True)
    click.echo(f"{training.name}: {images}, {len(test):,} to test on", err=True)
    click.echo(textwrap.fill(recipe_text(job.recipe), WIDTH), err=True)


def recipe_text(recipe: Recipe) -> str:
    """A recipe in a line."""
    parts = [optimizer_text(recipe.optimizer)]
    if recipe.schedule.name != "constant":
        parts.append(recipe.schedule.name)
    parts += [f"batch {recipe.batch_size}", count(recipe.epochs, "epoch"), recipe.loss.replace("_", " ")]
    parts.append({"none": "not normalised", "scale": "scaled", "standardise": "standardised"}[recipe.normalise])
    parts += [f"augmented {recipe.augmentation}"] if recipe.augmentation else []
    parts += [f"clipped at {recipe.clip_norm:g}"] if recipe.clip_norm else []
    parts += [f"{percent(recipe.validation, 0)} held back"] if recipe.validation else []
    parts += [f"patience {recipe.patience}"] if recipe.patience else []
    return ", ".join(parts)


def optimizer_text(optimizer: Optimizer) -> str:
    """adam at rate 0.01 (beta1 0.95); numbers that are the optimizer's usual ones are left out."""
    config, usual = optimizer.to_config(), type(optimizer)().to_config()
    rest = [f"{name} {config[name]:g}" for name in list(config)[2:] if config[name] != usual[name]]
    return f"{optimizer.name} at rate {optimizer.rate:g}" + (f" ({', '.join(rest)})" if rest else "")


def run_text(result: Result) -> None:
    """The figures of a finished run, and its path last; nothing of an interrupted one."""
    if result.evaluation is None:
        return
    evaluation = result.evaluation
    rows = [
        ["test accuracy", f"{percent(evaluation.accuracy)} of {count(evaluation.samples, 'image')}"],
        ["test loss", number(evaluation.loss)],
        ["trained for", f"{duration(result.seconds)} ({_speed(result) or 0:,.0f} images/s)"],
    ]
    click.echo(table(rows))
    first = "wrote          "
    rest = " " * len(first)
    click.echo(textwrap.fill(", ".join(_files(result)), WIDTH, initial_indent=first, subsequent_indent=rest))
    click.echo(str(result.folder))


def run_json(result: Result) -> None:
    """The same as JSON."""
    evaluation = result.evaluation
    found: dict[str, Any] = {
        "run": str(result.folder),
        "model": result.model.name,
        "parameters": result.model.parameters.size,
        "finished": evaluation is not None,
        "epochs": len(result.history.epochs),
        "steps": len(result.history),
        "seconds": result.seconds,
        "images_per_second": _speed(result),
    }
    if evaluation is not None:
        found |= {"accuracy": evaluation.accuracy, "loss": evaluation.loss, "samples": evaluation.samples}
        found["files"] = _files(result)
    json_out(found)


def _files(result: Result) -> list[str]:
    return sorted(path.name for path in result.folder.iterdir() if not path.name.startswith("."))


def _speed(result: Result) -> float | None:
    return opened.speed(read_job(result.folder), result.history)
