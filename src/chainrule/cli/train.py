"""`chainrule train`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from chainrule.cli import options
from chainrule.cli.program import INTERRUPTED, say
from chainrule.errors import NotFiniteError, OptionError

NEUTRAL = ("resume", "data", "data_folder", "offline", "quiet", "as_json")  # may go with --resume


def _optimizer_names() -> list[str]:
    from chainrule import optimizers

    return list(optimizers.NAMED)


def _schedule_names() -> list[str]:
    from chainrule import schedules

    return list(schedules.NAMED)


def _loss_names() -> list[str]:
    from chainrule import losses

    return list(losses.NAMES)


class Size(click.ParamType):
    """A height and a width, as 28x28."""

    name = "HxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The pair (H, W)."""
        parts = str(value).lower().replace("×", "x").split("x")
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() and int(part) for part in parts):
            self.fail(f"{value!r}: expected a height and a width, as 28x28", param, ctx)
        return int(parts[0]), int(parts[1])


network = options.together(
    click.option("--model", default="numpy-cnn", show_default=True, metavar="NAME",
                 shell_complete=options.names(options.model_names), help="A network of `chainrule models`."),
    click.option("--recipe", default="best", show_default=True, metavar="WHICH",
                 shell_complete=options.names(lambda: ["best", "tutorial"]),
                 help="best reaches the model's figure; tutorial is what its source states."),
    click.option("--dtype", default="float32", show_default=True, metavar="NAME", help="float32 or float64."),
    click.option("--seed", type=int, metavar="N", help="Of the first weights, the order, dropout and augmentation."),
)  # fmt: skip
material = options.together(
    click.option("--data", metavar="WHAT", shell_complete=options.names(options.data_names),
                 help="mnist, fashion-mnist, cifar10; a folder with a sub-folder a class; a FILE.npz with x and y."),
    options.where,
    click.option("--limit", type=int, metavar="N", help="Train on so many images, chosen by the seed."),
    click.option("--validation", type=float, metavar="SHARE", help="Hold back a share to validate after every epoch."),
    click.option("--resize", type=Size(), metavar="HxW", help="Bring the pictures of a folder to this size."),
    click.option("--normalise", metavar="KIND", help="scale (to 0…1), standardise or none."),
    click.option("--augment", metavar="TEXT", help='Change images at random: "shift=2,rotation=10,scale=0.1,flip".'),
)  # fmt: skip
steps = options.together(
    click.option("--epochs", type=int, metavar="N", help="Passes over the training images."),
    click.option("--batch-size", type=int, metavar="N", help="Images a step."),
    click.option("--lr", "rate", type=float, metavar="X", help="The rate, which the schedule multiplies."),
    click.option("--optimizer", metavar="NAME", shell_complete=options.names(_optimizer_names),
                 help="sgd, momentum, nesterov, adam or adamw. momentum and nesterov keep each other's numbers, "
                 "so do adam and adamw; any other begins with its own rate."),
    click.option("--momentum", type=float, metavar="X", help="Of momentum and nesterov."),
    click.option("--beta1", type=float, metavar="X", help="Of adam and adamw."),
    click.option("--beta2", type=float, metavar="X", help="Of adam and adamw."),
    click.option("--loss", metavar="NAME", shell_complete=options.names(_loss_names),
                 help="half_squared_error, mean_squared_error, binary_cross_entropy, categorical_cross_entropy "
                 "or softmax_cross_entropy."),
    click.option("--schedule", metavar="NAME", shell_complete=options.names(_schedule_names),
                 help="constant, step, cosine, one-cycle or warm-up."),
    click.option("--clip-norm", type=float, metavar="X", help="Shrink longer gradients to this norm."),
    click.option("--patience", type=int, metavar="N", help="Stop after N epochs without a better validation loss."),
)  # fmt: skip
folders = options.together(
    click.option("--out", metavar="RUN", help="The run folder; else a dated one under runs/."),
    click.option("--resume", metavar="RUN", help="Go on with a run that was stopped, bit for bit."),
)


@click.command()
@network
@material
@steps
@options.machine
@folders
@options.quiet
@options.as_json
@click.pass_context
def train(context: click.Context, **given: Any) -> None:
    """Train a network and leave a run folder.

    Without options: numpy-cnn on MNIST, with the recipe that reaches 99 %. What is not said comes from the model's
    recipe. The folder holds the model, config.json, history.csv and pictures; its path is printed last.
    """
    from chainrule.cli import report

    result = _resumed(context, given) if given["resume"] is not None else _fresh(context, given)
    show = report.run_json if given["as_json"] else report.run_text
    show(result)
    if result.evaluation is None:
        _stopped(result.folder, len(result.history))


def _fresh(context: click.Context, given: dict[str, Any]) -> Any:
    """A new run. All that can be checked is checked before data are fetched or anything is written."""
    from chainrule import zoo
    from chainrule.cli import jobs, places, report
    from chainrule.training import runs
    from chainrule.training.jobs import Job

    entry = zoo.find(given["model"])
    choice = jobs.choice(entry, given)
    recipe = jobs.recipe(entry, choice.name, given)
    words = {"dtype": given["dtype"], "seed": recipe.seed, "loss": recipe.loss}
    words |= {"engine": given["engine"], "threads": given["threads"]}
    entry.build(**words)
    with places.reserved(given["out"], entry.name) as folder:
        training, test = choice.load(recipe.seed, **_where(given))
        model = entry.build(training.shape, training.classes, **words)
        job = Job(model.about(), choice, recipe, model.engine.name, model.threads, command=context.obj or ())
        report.heading(job, training, test, model, given["quiet"])
        with _advice(folder):
            return runs.start(folder, job, training, test, _callbacks(given))


def _resumed(context: click.Context, given: dict[str, Any]) -> Any:
    """A run gone on with: the job is that of its config.json."""
    from chainrule.cli import jobs, report
    from chainrule.training import runs

    _refuse(context, [name for name in given if name not in NEUTRAL])
    folder = Path(given["resume"])
    job = runs.read_job(folder)
    if given["data"] is not None:
        job = replace(job, choice=replace(job.choice, name=jobs.located(given["data"])))
    training, test = job.choice.load(job.recipe.seed, **_where(given))
    report.heading(job, training, test, job.build(), given["quiet"])
    with _advice(folder):
        return runs.resume(folder, training, test, _callbacks(given))


def _refuse(context: click.Context, names: Sequence[str]) -> None:
    """An error when one of these options was given."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is click.core.ParameterSource.COMMANDLINE:
            raise OptionError(f"{parameter.opts[0]} cannot go with --resume: the run's config.json says it all")


def _where(given: dict[str, Any]) -> dict[str, Any]:
    return {"folder": given["data_folder"], "offline": given["offline"], "progress": not given["quiet"]}


def _callbacks(given: dict[str, Any]) -> list[Any]:
    from chainrule.training.progress import ProgressBar

    return [] if given["quiet"] else [ProgressBar()]


@contextmanager
def _advice(folder: Path) -> Iterator[None]:
    """Say of a run that broke off what is left of it."""
    try:
        yield
    except NotFiniteError as error:
        kept = f"try a smaller --lr; {folder} keeps the last good checkpoint"
        raise NotFiniteError(f"{error}; {kept}") from None
    except KeyboardInterrupt:
        if (folder / "checkpoint.safetensors").exists():
            _stopped(folder, None)
        raise


def _stopped(folder: Path, steps: int | None) -> None:
    after = f" after step {steps}" if steps is not None else ""
    say(f"interrupted{after}; go on with: chainrule train --resume {folder}")
    sys.exit(INTERRUPTED)
