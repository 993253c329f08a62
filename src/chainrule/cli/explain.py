"""The command `chainrule explain`."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from chainrule.cli import options, page_options
from chainrule.cli.output import print_json
from chainrule.cli.page_options import DataOptions, PageOptions, StepOptions

if TYPE_CHECKING:
    from chainrule.explain import Explanation, Trace
    from chainrule.explain.cataloguing import Overview


@click.command(short_help="Explain any value of a training step.")
@click.argument("run", required=False, type=options.PATH)
@options.passed_as("step", StepOptions, page_options.step_options)
@options.declared
@options.passed_as("data", DataOptions, page_options.data_options)
@options.as_json
@options.passed_as("page", PageOptions, options.option_group()(PageOptions))
@click.pass_context
def explain(
    context: click.Context,
    run: Path | None,
    *,
    step: StepOptions,
    cells: options.Texts = (),
    everything: bool = False,
    digits: Annotated[int, options.BoundedInteger(1, 17)] = 3,
    data: DataOptions,
    as_json: bool,
    page: PageOptions,
) -> None:
    """Explain how any activation, gradient, parameter or update of the next training step is computed.

    RUN is a run folder or a model.safetensors file. By default, it is the newest run under runs/, or the untrained
    numpy-cnn if there is none.

    Without --cell, open a page in the browser that shows how every number is computed. On the page, training can be
    continued after the end of a run, or repeated from its start; RUN itself is not changed.

    With --cell, compute the step for a single sample, and print the equation of the element, its terms in order of
    size, and the code that computes it. For a whole tensor, such as conv1.y, print its shape, statistics, and how to
    name one of its elements.

    cells       (--cell CELL) Element to explain: "conv2.dw[3,1,0,2]", also .y .x .w .b .dx .dy .db .update, loss; can
                be repeated.
    everything  (--all) Print all terms, not only the largest.
    digits      Significant digits of numbers; 17 is full precision.
    """
    page_options.check(context, with_cell=bool(cells))
    if not cells:
        page_options.open_or_write(run, step, data, page)
        return
    from chainrule.cli.explained_subject import subject

    explained = subject(run, step, data)
    answers = [_answer(explained.trace, cell, digits) for cell in cells]
    if as_json:
        print_json({**explained.to_json(), "cells": [answer.to_json() for answer in answers]})
        return
    click.echo(explained.heading())
    for cell, answer in zip(cells, answers, strict=True):
        click.echo(f"\n{_text(explained.trace, cell, answer, everything, digits)}")


def _answer(trace: "Trace", cell: str, digits: int) -> "Explanation | Overview":
    """Return the explanation of one element, or the overview of a whole tensor."""
    if trace.is_tensor(cell):
        return trace.overview(cell.strip())
    return trace.explain(cell, digits=digits)


def _text(trace: "Trace", cell: str, answer: "Explanation | Overview", everything: bool, digits: int) -> str:
    """Return an answer as text, preceded by an explanation of the cell's name if it is not the canonical name."""
    from chainrule.explain.cataloguing import Overview
    from chainrule.explain.text import screen_width

    if isinstance(answer, Overview):
        return answer.text(digits=digits)
    text = answer.text(everything=everything)
    alias = textwrap.fill(trace.alias_sentences(cell), screen_width())
    if alias:
        return f"{alias}\n\n{text}"
    return text
