"""The command `chainrule find-lr`."""

from pathlib import Path
from typing import Any

import click

from chainrule.cli import options, train_options
from chainrule.cli.options import NUMBER
from chainrule.cli.output import format_loss, print_json, print_line


@click.command("find-lr", short_help="Find a learning rate.")
@click.option("--low", type=NUMBER, default=1e-6, show_default=True, help="First learning rate.")
@click.option("--high", type=NUMBER, default=1.0, show_default=True, help="Last learning rate.")
@click.option("--steps", "count", type=options.INTEGER, default=100, show_default=True, help="Number of steps.")
@click.option("--picture", metavar="FILE.png", type=options.FILE, help="Plot the loss against the learning rate.")
@train_options.network
@train_options.data
@train_options.step
@options.execution
@options.quiet
@options.as_json
def find_lr(**arguments: Any) -> None:
    """Find a learning rate for a network and data.

    The network is trained for some steps while the learning rate increases from --low to --high. The suggested rate is
    a tenth of the rate with the lowest loss. The other options are those of `chainrule train`.
    """
    from chainrule.cli.training_request import TrainingRequest
    from chainrule.models.reading import Reading, training_data
    from chainrule.plotting.figures import save
    from chainrule.training.lr_finder import search_learning_rates

    picture: Path | None = arguments["picture"]
    request = TrainingRequest.of(dict.fromkeys(train_options.TRAINING) | arguments)
    training, test = request.load()
    job, model = request.job(training, test, ())
    samples = training_data(model, training, None, Reading(ignore_label=job.recipe.ignore_label))
    trainer = model.trainer(job.recipe, samples)
    search = search_learning_rates(trainer, arguments["low"], arguments["high"], arguments["count"])
    if picture is not None:
        save(
            search.plot(f"{request.entry.name}: {trainer.recipe.optimizer.name}, batch {trainer.recipe.batch_size}"),
            picture,
        )
    if arguments["as_json"]:
        pairs = {"learning_rates": search.learning_rates.tolist(), "losses": search.losses.tolist()}
        print_json({"suggested": search.suggested, "lowest": search.lowest, "diverged": search.diverged, **pairs})
        return
    end = "diverged" if search.diverged else "ended"
    loss = format_loss(float(search.smoothed.min()))
    click.echo(f"suggested learning rate: {search.suggested:.2g}, a tenth of the rate with the lowest loss")
    click.echo(f"lowest loss: {loss} at {search.lowest:.2g}; the search {end} at {search.learning_rates[-1]:.2g}")
    if picture is not None:
        print_line(picture)
