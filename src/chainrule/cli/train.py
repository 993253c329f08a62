"""`chainrule train`."""

import os
import shlex
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from chainrule.cli import options, train_options
from chainrule.cli.program import INTERRUPTED, print_message
from chainrule.errors import NotFiniteError, OptionError, RunError, printable

EXTENDING = ("epochs", "patience")  # options that change a resumed run
NEUTRAL = ("resume", "tensorboard", "data", "data_folder", "offline", "quiet", "as_json", "accept_changes", *EXTENDING)


@click.command()
@train_options.network
@train_options.data
@train_options.optimization
@options.execution
@train_options.output
@click.pass_context
def train(context: click.Context, **given: Any) -> None:
    """Train a network and leave a run folder.

    Without options, numpy-cnn is trained on MNIST, with the recipe that reaches 99 %. Options that are not given come
    from the model's recipe; for images of your own, a network and a recipe are chosen and printed. The run folder holds
    the model, config.json, history.csv and plots; its path is printed last.
    """
    from chainrule.cli import report
    from chainrule.runs import running
    from chainrule.training import mpi

    with mpi.session() as workers:
        if workers.rank:
            given["quiet"], given["tensorboard"] = True, None
        train_in = _fresh if given["resume"] is None else _resumed
        result, inventory, test = train_in(context, given, workers)
    if workers.rank:
        return
    if result.finished and not given["as_json"]:
        report.print_metrics(result)  # as soon as they are known: plots take a second
    if result.finished:
        running.draw(result, test)
    if given["as_json"]:
        report.print_result_json(result, inventory)
    elif result.finished:
        report.print_files(result)
    if not result.finished:
        _stopped(result.folder, len(result.history))


def _fresh(context: click.Context, given: dict[str, Any], workers: Any) -> Any:
    """Start a new run, after checking as much as possible before data are fetched or anything is written."""
    from chainrule.cli import report, run_paths
    from chainrule.cli.training_request import TrainingRequest
    from chainrule.runs import running

    _shard(given, workers)
    request = TrainingRequest.of(given)
    command = tuple(map(printable, context.obj or ()))
    with nullcontext(Path()) if workers.rank else run_paths.reserve(given["out"], request.entry.name) as folder:
        training, test = request.load()
        job, model = request.job(training, test, command)
        report.print_heading(job, training, test, model, given["quiet"])
        report.print_remarks(request.remarks(job, training, test), given["quiet"])
        with _advice(folder, memory="out of memory; a smaller --batch-size or --limit needs less"):
            weights = model.weights if given["source"] is not None else None
            callbacks = _callbacks(given)
            result = running.start(
                folder, job, training, test, callbacks, weights=weights, workers=workers, plots=False
            )
            return result, training.inventory, test


def _shard(given: dict[str, Any], workers: Any) -> None:
    """Choose the shards of several workers and, where there are shards, one thread each: threads change the bits."""
    from chainrule.engines.options import THREADS_VARIABLE

    if workers.default_shards > 1 and given["shards"] is None:
        given["shards"] = workers.default_shards
    if (given["shards"] or 1) > 1 and given["threads"] is None and THREADS_VARIABLE not in os.environ:
        given["threads"] = 1


def _resumed(context: click.Context, given: dict[str, Any], workers: Any) -> Any:
    """Resume a run with the job in its config.json, perhaps with more epochs."""
    from chainrule.cli import loading, report
    from chainrule.cli.training_request import resolve_data_name
    from chainrule.runs import checksums, running
    from chainrule.runs.folder import require_run
    from chainrule.runs.jobs import read_job

    _refuse(context, [name for name in given if name not in NEUTRAL])
    folder: Path = given["resume"]
    accept = given["accept_changes"]
    remarks = checksums.check(require_run(folder), accept=accept)
    job = read_job(folder)
    if given["data"] is not None:
        job = replace(job, choice=replace(job.choice, name=resolve_data_name(given["data"])))
    training, test = job.choice.load(job.recipe.seed, **_where(given))
    epochs = given["epochs"] or job.recipe.epochs
    planned = replace(job, recipe=replace(job.recipe, epochs=epochs))
    report.print_heading(planned, training, test, job.build(), given["quiet"])
    loading.print_remarks(remarks)
    if epochs != job.recipe.epochs and not given["quiet"]:
        _tell_of_schedule(job.recipe, epochs)
    with _advice(folder, memory="out of memory"):
        changes = {name: given[name] for name in EXTENDING}
        result = running.resume(
            folder, training, test, _callbacks(given), accept_changes=accept, workers=workers, plots=False, **changes
        )
        return result, training.inventory, test


def _tell_of_schedule(recipe: Any, epochs: int) -> None:
    """Print what a changed number of epochs means for the learning rate."""
    schedule = recipe.schedule.extended(1, recipe.epochs)
    if schedule is recipe.schedule:
        print_message(f"{epochs} epochs in place of {recipe.epochs}: the same as a run begun with {epochs}")
        return
    what = f"a new cycle of {schedule.first.name} spans the remaining epochs"
    print_message(
        f"{epochs} epochs in place of {recipe.epochs}: {what}, so the run differs from one begun with {epochs}"
    )


def _refuse(context: click.Context, names: Sequence[str]) -> None:
    """Raise OptionError when one of these options was given."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is click.core.ParameterSource.COMMANDLINE:
            raise OptionError(f"{parameter.opts[0]} cannot go with --resume: the run's config.json sets it")


def _where(given: dict[str, Any]) -> dict[str, Any]:
    return {"folder": given["data_folder"], "offline": given["offline"], "progress": not given["quiet"]}


def _callbacks(given: dict[str, Any]) -> list[Any]:
    from chainrule.training.callbacks import ProgressBar, TensorBoardLog

    logs = [] if given["tensorboard"] is None else [TensorBoardLog(given["tensorboard"])]
    return [*logs, *([] if given["quiet"] else [ProgressBar()])]


@contextmanager
def _advice(folder: Path, memory: str) -> Generator[None]:
    """Add advice to the error of a failed run, and report an interrupted run that can be resumed."""
    from chainrule.runs.folder import CHECKPOINT

    try:
        yield
    except NotFiniteError as error:
        kept = f"try a smaller --learning-rate; {folder} keeps the last good checkpoint"
        raise NotFiniteError(f"{error}; {kept}") from None
    except MemoryError:
        raise RunError(memory) from None
    except KeyboardInterrupt:
        if (folder / CHECKPOINT).exists():
            _stopped(folder, None)
        raise


def _stopped(folder: Path, steps: int | None) -> None:
    after = f" after step {steps}" if steps is not None else ""
    print_message(f"interrupted{after}; go on with: chainrule train --resume {shlex.quote(str(folder))}")
    sys.exit(INTERRUPTED)
