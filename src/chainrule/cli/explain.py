"""`chainrule explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options, page_options

if TYPE_CHECKING:
    from chainrule.explain import Trace
    from chainrule.explain.cataloguing import Overview
    from chainrule.explain.record import Explanation


@click.command(short_help="Explain any number of a training step.")
@click.argument("run", metavar="[RUN]", required=False, type=options.PATH)
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=options.completer(options.model_names),
    help="A named network before its first step, in place of a RUN.",
)
@click.option(
    "--cell",
    "cells",
    metavar="CELL",
    multiple=True,
    help='The element to explain: "conv2.dw[3,1,0,2]", also .y .x .w .b .dx .dy .db .update, loss; may be repeated.',
)
@click.option(
    "--sample",
    type=options.INTEGER,
    metavar="N",
    help="Index of the test image; the page has 200.  [default: 0]",
)
@click.option("--image", metavar="FILE", type=options.PATH_OR_NAME, help="A PNG or JPEG in place of a test image.")
@click.option(
    "--label", metavar="CLASS", help="True class of the image; for an --image, the network's answer by default."
)
@click.option("--all", "everything", is_flag=True, help="Print all terms, not only the largest.")
@click.option("--optimizer", metavar="NAME", help="Use another optimizer, at its first step: sgd, momentum, adam, …")
@click.option(
    "--learning-rate",
    "--lr",
    "learning_rate",
    type=options.NUMBER,
    metavar="X",
    help="Use another learning rate.",
)
@click.option(
    "--data",
    type=options.PATH_OR_NAME,
    metavar="WHAT",
    shell_complete=options.completer(options.data_names),
    help="Data other than the run's own: a data set's name, a folder or a FILE.npz.",
)
@options.skip_damaged
@options.data_location
@options.accept_changes
@options.as_json
@page_options.page_options
@click.pass_context
def explain(
    context: click.Context,
    run: Path | None,
    cells: tuple[str, ...],
    everything: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Explain how any activation, gradient, parameter or update of the next training step is computed.

    RUN is a run folder or a model.safetensors file. Without it, the newest run under runs/ is used, or, if there is
    none, numpy-cnn before its first step.

    With --cell, the step is computed for one sample, and the command prints the equation of the element, its terms,
    largest first, and where in the code it is computed. For a whole tensor, such as conv1.y, it prints the shape,
    statistics, and how to name one of its elements. Without --cell, a page opens in the browser that shows how every
    number is computed, and where training can be continued; nothing in RUN is changed.
    """
    page_options.check(context, with_cell=bool(cells))
    if not cells:
        page_options.open_or_write(run, given)
        return
    from chainrule.cli.explained_subject import subject
    from chainrule.cli.output import print_json

    found = subject(run, given)
    answers = [(cell, _answer(found.trace, cell)) for cell in cells]
    if as_json:
        print_json({**found.to_json(), "cells": [each.to_json() for _, each in answers]})
        return
    click.echo(found.heading())
    for cell, each in answers:
        click.echo(f"\n{_text(cell, each, everything)}")


def _answer(trace: "Trace", cell: str) -> "Explanation | Overview":
    """Return the explanation of one element, or the overview of a whole tensor."""
    return trace.overview(cell.strip()) if trace.is_tensor(cell) else trace.explain(cell)


def _alias(cell: str, canonical: str) -> str:
    """Return a line with the canonical name of a cell if another name was used for it, else ""."""
    called = "".join(cell.split())
    return "" if called == canonical else f"{called} is {canonical}:\n"


def _text(cell: str, answer: "Explanation | Overview", everything: bool) -> str:
    from chainrule.explain.cataloguing import Overview
    from chainrule.explain.text import text

    if isinstance(answer, Overview):
        return str(answer)
    return _alias(cell, answer.cell) + text(answer, everything=everything)
