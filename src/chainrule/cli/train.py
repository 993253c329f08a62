"""`chainrule train`."""

import shlex
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from chainrule.cli import options, train_options
from chainrule.cli.program import INTERRUPTED, say
from chainrule.errors import NotFiniteError, OptionError, RunError, printable

EXTENDING = ("epochs", "patience")  # options that change a resumed run
NEUTRAL = ("resume", "data", "data_folder", "offline", "quiet", "as_json", "accept_changes", *EXTENDING)


@click.command()
@train_options.network
@train_options.material
@train_options.steps
@options.machine
@train_options.outcome
@click.pass_context
def train(context: click.Context, **given: Any) -> None:
    """Train a network and leave a run folder.

    Without options, numpy-cnn is trained on MNIST, with the recipe that reaches 99 %. Options that are not given come
    from the model's recipe; for images of your own, a network and a recipe are chosen and printed. The run folder holds
    the model, config.json, history.csv and plots; its path is printed last.
    """
    from chainrule.cli import report

    result, inventory = _resumed(context, given) if given["resume"] is not None else _fresh(context, given)
    if given["as_json"]:
        report.run_json(result, inventory)
    else:
        report.run_text(result)
    if not result.finished:
        _stopped(result.folder, len(result.history))


def _fresh(context: click.Context, given: dict[str, Any]) -> Any:
    """Start a new run, after checking as much as possible before data are fetched or anything is written."""
    from chainrule.cli import custom_data, jobs, report, run_paths
    from chainrule.runs import running
    from chainrule.runs.jobs import Job

    entry = jobs.entry(given)
    choice = jobs.choice(entry, given)
    recipe = jobs.recipe(entry, choice.name, given)
    words: dict[str, Any] = {"dtype": _dtype(context, entry, given), "seed": recipe.seed, "loss": recipe.loss}
    words |= {"engine": given["engine"], "threads": given["threads"]}
    words["as_tutorial"] = given["recipe"] == "tutorial"
    entry.check(**words)
    with run_paths.reserve(given["out"], entry.name) as folder:
        training, test = choice.load(recipe.seed, **_where(given))
        said = jobs.with_recipe_options(entry, given)
        recipe = custom_data.adapt_recipe(recipe, training, said, own=custom_data.is_custom(choice.name))
        model = entry.build(training.shape, training.classes, **words)
        model.check_input(test.x)
        recipe.rates.groups(model.learnt)
        job = Job(
            model.about(),
            choice,
            recipe,
            model.engine.name,
            model.threads,
            command=tuple(map(printable, context.obj or ())),
        )
        report.heading(job, training, test, model, given["quiet"])
        remarks = custom_data.remarks(recipe, training, test, said) + custom_data.choices(choice.name, said)
        report.remarks(remarks, given["quiet"])
        with _advice(folder, memory="out of memory; a smaller --batch-size or --limit needs less"):
            weights = model.weights if given["source"] is not None else None
            return running.start(folder, job, training, test, _callbacks(given), weights=weights), training.inventory


def _dtype(context: click.Context, entry: Any, given: dict[str, Any]) -> str:
    """Return the dtype given on the command line, else the one in the network's file, else float32."""
    asked = context.get_parameter_source("dtype") is click.core.ParameterSource.COMMANDLINE
    return given["dtype"] if asked else getattr(entry, "dtype", None) or given["dtype"]


def _resumed(context: click.Context, given: dict[str, Any]) -> Any:
    """Resume a run with the job in its config.json, perhaps with more epochs."""
    from chainrule.cli import jobs, opened, report
    from chainrule.runs import checksums, running

    _refuse(context, [name for name in given if name not in NEUTRAL])
    folder: Path = given["resume"]
    accept = given["accept_changes"]
    remarks = checksums.check(running.require_run(folder), accept=accept)
    job = running.read_job(folder)
    if given["data"] is not None:
        job = replace(job, choice=replace(job.choice, name=jobs.full_path(given["data"])))
    training, test = job.choice.load(job.recipe.seed, **_where(given))
    epochs = given["epochs"] or job.recipe.epochs
    planned = replace(job, recipe=replace(job.recipe, epochs=epochs))
    report.heading(planned, training, test, job.build(), given["quiet"])
    opened.remark(remarks)
    if epochs != job.recipe.epochs and not given["quiet"]:
        _tell_of_schedule(job.recipe, epochs)
    with _advice(folder, memory="out of memory"):
        changes = {name: given[name] for name in EXTENDING}
        result = running.resume(folder, training, test, _callbacks(given), accept_changes=accept, **changes)
        return result, training.inventory


def _tell_of_schedule(recipe: Any, epochs: int) -> None:
    """Print what a changed number of epochs means for the learning rate."""
    schedule = recipe.schedule.extended(1, recipe.epochs)
    if schedule is recipe.schedule:
        say(f"{epochs} epochs in place of {recipe.epochs}: the same as a run begun with {epochs}")
        return
    what = f"a new cycle of {schedule.first.name} spans the remaining epochs"
    say(f"{epochs} epochs in place of {recipe.epochs}: {what}, so the run differs from one begun with {epochs}")


def _refuse(context: click.Context, names: Sequence[str]) -> None:
    """Raise OptionError when one of these options was given."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is click.core.ParameterSource.COMMANDLINE:
            raise OptionError(f"{parameter.opts[0]} cannot go with --resume: the run's config.json sets it")


def _where(given: dict[str, Any]) -> dict[str, Any]:
    return {"folder": given["data_folder"], "offline": given["offline"], "progress": not given["quiet"]}


def _callbacks(given: dict[str, Any]) -> list[Any]:
    from chainrule.training.progress import ProgressBar

    return [] if given["quiet"] else [ProgressBar()]


@contextmanager
def _advice(folder: Path, memory: str) -> Generator[None]:
    """Add advice to the error of a failed run, and report an interrupted run that can be resumed."""
    from chainrule.runs.folder import CHECKPOINT

    try:
        yield
    except NotFiniteError as error:
        kept = f"try a smaller --lr; {folder} keeps the last good checkpoint"
        raise NotFiniteError(f"{error}; {kept}") from None
    except MemoryError:
        raise RunError(memory) from None
    except KeyboardInterrupt:
        if (folder / CHECKPOINT).exists():
            _stopped(folder, None)
        raise


def _stopped(folder: Path, steps: int | None) -> None:
    after = f" after step {steps}" if steps is not None else ""
    say(f"interrupted{after}; go on with: chainrule train --resume {shlex.quote(str(folder))}")
    sys.exit(INTERRUPTED)
