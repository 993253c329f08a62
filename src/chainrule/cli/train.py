"""The command `chainrule train`."""

import os
import shlex
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from chainrule.cli import options, run_paths, train_options
from chainrule.cli.program import INTERRUPTED, print_message
from chainrule.errors import NotFiniteError, OptionError, RunError, printable
from chainrule.runs.folder import CHECKPOINT

EXTENSION_OPTIONS = ("epochs", "patience")  # options that extend a resumed run
RESUME_OPTIONS = (
    "resume",
    "data",
    "quiet",
    "as_json",
    *EXTENSION_OPTIONS,
)


@click.command(cls=train_options.CommandWithHeadings)
@train_options.network
@train_options.data
@train_options.optimization
@options.execution
@train_options.output
@click.pass_context
def train(context: click.Context, **arguments: Any) -> None:
    """Train a network and save it in a run folder.

    Without options, numpy-cnn is trained on MNIST with a recipe that reaches 99 %. Options default to the values in the
    model's recipe. For your own images, a network and a recipe are chosen and printed. The run folder contains the
    model, config.json, history.csv and plots; its path is printed last.
    """
    from chainrule.cli import report
    from chainrule.runs import running
    from chainrule.training import mpi

    with mpi.session() as workers:
        if workers.rank:
            arguments["quiet"] = True
        train_in = _train_new if arguments["resume"] is None else _resume
        result, remarks, test = train_in(context, arguments, workers)
    if workers.rank:
        return
    if result.finished and not arguments["as_json"]:
        report.print_metrics(result)  # printed before the plots, which take a second
    if result.finished:
        running.draw(result, test)
    if arguments["as_json"]:
        report.print_result_json(result, remarks)
    elif result.finished:
        report.print_files(result)
    if not result.finished:
        _exit_interrupted(result.folder, len(result.history))


def _train_new(context: click.Context, arguments: dict[str, Any], workers: Any) -> Any:
    """Train in a new run folder; check the options before downloading data or writing files."""
    from chainrule.cli import report
    from chainrule.cli.training_request import TrainingRequest
    from chainrule.runs import running

    _set_shard_defaults(arguments, workers)
    request = TrainingRequest.of(arguments)
    command = tuple(map(printable, context.obj or ()))
    with nullcontext(Path()) if workers.rank else run_paths.reserve(arguments["out"], request.entry.name) as folder:
        training, test = request.load()
        job, model = request.job(training, test, command)
        report.print_heading(job, training, test, model, arguments["quiet"])
        report.print_remarks(request.remarks(job, training, test), arguments["quiet"])
        with _error_advice(folder, memory="out of memory; try a smaller --batch-size or --limit"):
            weights = None
            if arguments["source"] is not None:
                weights = model.weights
            callbacks = _callbacks(arguments)
            result = running.start(
                folder, job, training, test, callbacks, weights=weights, workers=workers, plots=False
            )
            return result, training.remarks, test


def _set_shard_defaults(arguments: dict[str, Any], workers: Any) -> None:
    """Set the default number of shards for several workers, and one thread per shard: more threads change rounding."""
    from chainrule.engines.options import THREADS_VARIABLE

    if workers.default_shards > 1 and arguments["shards"] is None:
        arguments["shards"] = workers.default_shards
    if (arguments["shards"] or 1) > 1 and arguments["threads"] is None and THREADS_VARIABLE not in os.environ:
        arguments["threads"] = 1


def _resume(context: click.Context, arguments: dict[str, Any], workers: Any) -> Any:
    """Resume a run with the job in its config.json, possibly extended by more epochs."""
    from chainrule.cli import report
    from chainrule.cli.training_request import resolve_data_name
    from chainrule.runs import running
    from chainrule.runs.jobs import read_job
    from chainrule.training.callbacks import as_callbacks

    _refuse_options(context, [name for name in arguments if name not in RESUME_OPTIONS])
    folder: Path = arguments["resume"]
    job = read_job(folder)
    if arguments["data"] is not None:
        job = replace(job, choice=replace(job.choice, name=resolve_data_name(arguments["data"])))
    training, test = job.load(progress=not arguments["quiet"])
    epochs = arguments["epochs"] or job.recipe.epochs
    planned = replace(job, recipe=replace(job.recipe, epochs=epochs))
    report.print_heading(planned, training, test, job.build(), arguments["quiet"])
    callbacks = _callbacks(arguments)
    if not arguments["quiet"]:

        def begin(trainer: Any) -> None:  # when all checks have passed
            if trainer.finished:
                print_message("this run is finished; --epochs N extends it, also --patience N if it stopped early")
            elif epochs != job.recipe.epochs:
                _print_schedule_change(job.recipe, epochs)

        callbacks = [*as_callbacks(SimpleNamespace(begin=begin)), *callbacks]
    with _error_advice(folder, memory="out of memory"):
        changes = {name: arguments[name] for name in EXTENSION_OPTIONS}
        result = running.resume(
            folder,
            training,
            test,
            callbacks,
            workers=workers,
            plots=False,
            **changes,
        )
        return result, training.remarks, test


def _print_schedule_change(recipe: Any, epochs: int) -> None:
    """Print how a changed number of epochs affects the learning rate schedule."""
    schedule = recipe.schedule.extended(1, recipe.epochs)
    if schedule is recipe.schedule:
        print_message(f"{epochs} epochs instead of {recipe.epochs}: same result as a run started with {epochs}")
        return
    change = f"a new cycle of {schedule.first.name} spans the remaining epochs"
    print_message(
        f"{epochs} epochs instead of {recipe.epochs}: {change}, so the result differs from a run started with {epochs}"
    )


def _refuse_options(context: click.Context, names: Sequence[str]) -> None:
    """Raise OptionError if any of these options is given on the command line."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is click.core.ParameterSource.COMMANDLINE:
            raise OptionError(f"{parameter.opts[0]} cannot be combined with --resume: the run's config.json sets it")


def _callbacks(arguments: dict[str, Any]) -> list[Any]:
    from chainrule.training.callbacks import ProgressBar

    callbacks = list[Any]()
    if not arguments["quiet"]:
        callbacks.append(ProgressBar())
    return callbacks


@contextmanager
def _error_advice(folder: Path, memory: str) -> Generator[None]:
    """Add advice to the error if a run fails; print how to resume the run if it is interrupted."""

    try:
        yield
    except NotFiniteError as error:
        raise NotFiniteError(f"{error}; the last good checkpoint is in {folder}") from None
    except MemoryError:
        raise RunError(memory) from None
    except KeyboardInterrupt:
        if (folder / CHECKPOINT).exists():
            _exit_interrupted(folder, None)
        raise


def _exit_interrupted(folder: Path, steps: int | None) -> None:
    what = "interrupted"
    if steps is not None:
        what += f" after step {steps}"
    print_message(f"{what}; to continue: chainrule train --resume {shlex.quote(str(folder))}")
    sys.exit(INTERRUPTED)
