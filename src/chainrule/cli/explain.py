"""`chainrule explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options, paged

if TYPE_CHECKING:
    from chainrule.explain import Trace
    from chainrule.explain.overview import Overview
    from chainrule.explain.record import Explanation


@click.command(short_help="How any number of a training step was made.")
@click.argument("run", metavar="[RUN]", required=False, type=options.PATH)
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=options.names(options.model_names),
    help="A network by name, before its first step, in place of a RUN.",
)
@click.option(
    "--cell",
    "cells",
    metavar="CELL",
    multiple=True,
    help='The number: "conv2.dw[3,1,0,2]", also .y .x .w .b .dx .dy .db .update, loss; may be repeated.',
)
@click.option("--sample", type=options.WHOLE, default=0, metavar="N", help="The test image to look at.  [default: 0]")
@click.option("--image", metavar="FILE", type=options.WORD, help="A PNG or JPEG in place of a test image.")
@click.option("--label", metavar="CLASS", help="What the image shows; an image of your own else what the network says.")
@click.option("--all", "everything", is_flag=True, help="Print every term, however many there are.")
@click.option("--optimizer", metavar="NAME", help="Another optimizer, at its first step: sgd, momentum, adam, …")
@click.option("--rate", type=options.NUMBER, metavar="R", help="Another learning rate.")
@click.option(
    "--data",
    type=options.WORD,
    metavar="WHAT",
    shell_complete=options.names(options.data_names),
    help="Other data than the run's own: a name, a folder or a FILE.npz.",
)
@options.skip_damaged
@options.where
@options.accept_changes
@options.as_json
@paged.page_options
@click.pass_context
def explain(
    context: click.Context,
    run: Path | None,
    cells: tuple[str, ...],
    everything: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """How a number came about: any activation, gradient, parameter or update of the training step that comes next.

    RUN is a run folder, or a model.safetensors file; without it, the newest run under runs/ is taken, or numpy-cnn
    before its first step where there is none. With --cell, the step is looked at for one sample, and printed are the
    equation, its terms, largest first, and where in the code it is computed. A whole tensor, such as conv1.y, is
    answered with its shape, its statistics and how to name one of its numbers. Without --cell, a page opens in the
    browser that shows every number being made, while training goes on if you like; nothing in RUN is changed.
    """
    paged.check(context, with_cell=bool(cells))
    if not cells:
        paged.show(run, given)
        return
    from chainrule.cli.explained import subject
    from chainrule.cli.output import json_out

    found = subject(run, given)
    answers = [(cell, _answer(found.trace, cell)) for cell in cells]
    if as_json:
        json_out({**found.to_json(), "cells": [each.to_json() for _, each in answers]})
        return
    click.echo(found.heading())
    for cell, each in answers:
        click.echo(f"\n{_text(cell, each, everything)}")


def _answer(trace: "Trace", cell: str) -> "Explanation | Overview":
    """Return how a number was made, or the overview of a whole tensor."""
    return trace.overview(cell.strip()) if trace.is_tensor(cell) else trace.explain(cell)


def _alias(cell: str, canonical: str) -> str:
    """A line that says which number was meant, where it was called by another name."""
    called = "".join(cell.split())
    return "" if called == canonical else f"{called} is {canonical}:\n"


def _text(cell: str, answer: "Explanation | Overview", everything: bool) -> str:
    from chainrule.explain.overview import Overview
    from chainrule.explain.text import text

    if isinstance(answer, Overview):
        return str(answer)
    return _alias(cell, answer.cell) + text(answer, everything=everything)
