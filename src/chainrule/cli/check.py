"""`chainrule check`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options

if TYPE_CHECKING:
    from chainrule.check.report import Report

against = click.option(
    "--against",
    metavar="LAYER",
    help='What it is meant to be: "Conv2D(4, (3, 2), stride=2)", or the name of a loss.',
)
input_shape = click.option("--input-shape", metavar="C,H,W", help="Shape of one input, such as 3,7,6; or C,W or F.")
seed = click.option("--seed", type=click.IntRange(min=0), default=0, metavar="N", help="Of the probes; 0 by default.")


@click.command(short_help="Check gradients, and name what is wrong with them.")
@click.argument("subject", required=False, metavar="[MODEL|FILE.py:NAME]")
@against
@input_shape
@click.option("--loss", metavar="NAME", help="Of a model; its own when not given.")
@options.engine
@seed
@options.as_json
def check(
    subject: str | None,
    against: str | None,
    input_shape: str | None,
    loss: str | None,
    engine: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Check every gradient by numbers alone, and name the classic mistake behind a wrong one.

    MODEL is a network by name (chainrule models), a run folder, a model file, a layer such as "Conv2D(4, 3)", or the
    name of a loss. FILE.py:NAME is a layer of your own: a class or an object with forward(x) and backward(dy);
    FILE.py alone will do where it has only one, or two functions forward(x, w, b) and backward(dy, x, w, b).
    Without either, every layer and loss of this library is checked.

    Exits with 0 when all is right, 1 when a gradient is wrong, 2 when the file cannot be used.
    """
    from chainrule.check import expressions
    from chainrule.check.entry import check_gradients
    from chainrule.cli.output import json_out

    shape = expressions.shape(input_shape) if input_shape is not None else None
    with redirect_stdout(sys.stderr):  # what a learner's code prints
        found, name = _found(subject, engine)
        report = check_gradients(
            found, against=against, input_shape=shape, loss=loss, engine=engine, seed=seed, name=name
        )
    if as_json:
        json_out(report.to_json())
    else:
        _print(report)
    if not report.ok:
        raise SystemExit(1)


def _found(text: str | None, engine: str | None) -> tuple[Any, str | None]:
    """What is named on the command line, and what to call it."""
    from chainrule import losses, zoo
    from chainrule.check import expressions, sources
    from chainrule.cli.opened import model_and_job
    from chainrule.errors import one_of
    from chainrule.layers import NAMED

    if text is None:
        return None, None
    if ".py" in text:
        return sources.find(text)
    if text in zoo.NAMED:
        return zoo.find(text).build(engine=engine), text
    if text.replace("-", "_") in losses.NAMES:
        return text, None
    if Path(text).exists():
        return model_and_job(Path(text), engine=engine)[0], None
    if "(" in text or text in NAMED:
        return expressions.layer(text), None
    raise one_of("model", text, [*zoo.NAMED, "a layer, a loss, a run folder, FILE.py:NAME"])


def _print(report: "Report") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if console.is_terminal:
        report.show(console)
    else:
        click.echo(str(report))
