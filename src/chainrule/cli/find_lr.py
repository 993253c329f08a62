"""The command `chainrule find-lr`."""

from typing import Any

import click

from chainrule.cli import options, train_options
from chainrule.cli.output import format_loss, print_json, print_line
from chainrule.training.options import HIGH_RATE, LOW_RATE, RATE_STEPS


@click.command("find-lr", short_help="Find a learning rate.")
@options.declared
@train_options.network
@train_options.data
@train_options.step
@options.execution
@options.quiet
@options.as_json
def find_lr(
    *,
    low: float = LOW_RATE,
    high: float = HIGH_RATE,
    steps: int = RATE_STEPS,
    picture: options.OutputFile = None,
    **arguments: Any,
) -> None:
    """Find a learning rate for a network and data.

    The network is trained for some steps while the learning rate increases from --low to --high. The suggested rate is
    a tenth of the rate with the lowest loss. The other options are those of `chainrule train`.

    low      First learning rate.
    high     Last learning rate.
    steps    Number of steps.
    picture  (--picture FILE.png) Plot the loss against the learning rate.
    """
    from chainrule.cli.training_request import TrainingRequest
    from chainrule.models.record import Record
    from chainrule.plotting.figures import save
    from chainrule.training.lr_finder import search_learning_rates

    request = TrainingRequest.of(dict.fromkeys(train_options.TRAINING) | arguments)
    training, test = request.load()
    job, model = request.job(training, test, ())
    examples = Record.of(model, job.recipe.ignore_label, job.recipe.loss).read(training)
    trainer = model.trainer(job.recipe, examples)
    search = search_learning_rates(trainer, low, high, steps)
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
