"""`chainrule bench infer`."""

from typing import Any

import click

from chainrule.cli.bench import options

MODELS, BATCHES = ("numpy-cnn", "vanilla-cnn"), (1, 128)


@click.command(short_help="A call of predict.")
@options.common
def infer(models: tuple[str, ...], batches: tuple[int, ...], **given: Any) -> None:
    """A call of predict on ready images, beside ONNX Runtime's and PyTorch's."""
    from chainrule.bench import peers, steps, subjects
    from chainrule.cli.bench import tables

    names = peers.chosen(given["peers"])
    chosen = [subjects.find(name) for name in models or MODELS]
    with options.watched(given["quiet"]) as watch:
        rows = list(steps.rows("infer", chosen, batches or BATCHES, names, options.setting(given, watch)))
    tables.show(rows, given["as_json"])
