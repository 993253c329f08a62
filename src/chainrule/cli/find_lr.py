"""`chainrule find-lr`."""

from pathlib import Path
from typing import Any

import click

from chainrule.cli import options, train_options
from chainrule.cli.options import NUMBER

OF_THE_SEARCH = ("low", "high", "count", "picture", "quiet", "as_json")


@click.command("find-lr", short_help="Find a learning rate.")
@click.option("--low", type=NUMBER, default=1e-6, show_default=True, metavar="X", help="First learning rate.")
@click.option("--high", type=NUMBER, default=1.0, show_default=True, metavar="X", help="Last learning rate.")
@click.option(
    "--steps", "count", type=options.INTEGER, default=100, show_default=True, metavar="N", help="Steps to take."
)
@click.option("--picture", metavar="FILE.png", type=options.PATH, help="Plot the loss over the learning rate.")
@train_options.network
@train_options.data
@train_options.step
@options.execution
@options.quiet
@options.as_json
def find_lr(**given: Any) -> None:
    """Find a learning rate for a network, data and the options of a step, which are those of `chainrule train`.

    The network takes steps at learning rates that rise from one to the next. The suggested learning rate is a tenth
    of the one at which the loss is lowest.
    """
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_loss, print_json, print_line
    from chainrule.plotting.figures import save
    from chainrule.training.lr_finder import search_learning_rates

    picture: Path | None = given["picture"]
    run_paths.require_writable(picture)
    trainer, name = _trainer(given)
    found = search_learning_rates(trainer, given["low"], given["high"], given["count"])
    if picture is not None:
        save(found.plot(f"{name}: {trainer.recipe.optimizer.name}, batch {trainer.recipe.batch_size}"), picture)
    if given["as_json"]:
        pairs = {"learning_rates": found.learning_rates.tolist(), "losses": found.losses.tolist()}
        print_json({"suggested": found.suggested, "lowest": found.lowest, "diverged": found.diverged, **pairs})
        return
    end = "then it grows" if found.diverged else "and the search ends"
    loss = format_loss(float(found.smoothed.min()))
    click.echo(f"suggested learning rate {found.suggested:.2g}: a tenth of the one at which the loss is lowest")
    click.echo(f"the loss is lowest, {loss}, at {found.lowest:.2g}; {end} at {found.learning_rates[-1]:.2g}")
    if picture is not None:
        print_line(picture)


def _trainer(given: dict[str, Any]) -> tuple[Any, str]:
    """Return a trainer of the network and data that the options name, and the name of the network."""
    from chainrule.cli.training_request import TrainingRequest
    from chainrule.training.samples import Samples

    request = TrainingRequest.of(dict.fromkeys(train_options.TRAINING) | given)
    training, test = request.load()
    job, model = request.job(training, test, ())
    return model.trainer(job.recipe, Samples.of_dataset(training, model.output_shape[-1])), request.entry.name
