"""`chainrule bench train`."""

from typing import Any

import click

from chainrule.cli.bench import options

MODELS, BATCHES = ("numpy-cnn", "vanilla-cnn"), (1, 32, 128)


@click.command(short_help="A training step, as fit takes it.")
@options.common
def train(models: tuple[str, ...], batches: tuple[int, ...], **given: Any) -> None:
    """A training step as fit takes it, beside PyTorch's: forward, loss, backward, fused update."""
    from chainrule.bench import peers, steps, subjects
    from chainrule.cli.bench import tables

    names = peers.those(peers.chosen(given["peers"]), "torch", "numpy")
    chosen = [subjects.find(name) for name in models or MODELS]
    with options.watched(given["quiet"]) as watch:
        rows = list(steps.rows("train", chosen, batches or BATCHES, names, options.setting(given, watch)))
    tables.show(rows, given["as_json"])
