"""`chainrule explain` without --cell: the page in a browser or in a single file."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from chainrule._io.extras import missing
from chainrule.cli import options, run_paths
from chainrule.cli.output import print_line
from chainrule.cli.program import print_message
from chainrule.errors import OptionError

if TYPE_CHECKING:
    from chainrule.training.optimizers import Optimizer
    from chainrule.web.subjects import PageSubject

PAGE_OPTIONS = ("html", "walk", "port", "no_browser")  # allowed only without --cell
SHARED_OPTIONS = [
    "run",
    "model",
    "cells",
    "sample",
    "data",
]  # allowed with and without --cell


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    """Declare the training step.

    model          Explain an untrained network instead of a RUN.
    sample         Index of the test image; the page offers 200 of them.  [default: 0]
    image          (--image FILE) PNG or JPEG to use instead of a test image.
    label          (--label CLASS) True class of the image.  [default for an --image: the predicted class]
    optimizer      (--optimizer NAME) Use another optimizer, at its first step: sgd, momentum, adam, …
    learning_rate  (--learning-rate,--lr) Use another learning rate.
    """

    model: options.ModelName = None
    sample: options.Whole = None
    image: options.PathOrName = None
    label: options.Text = None
    optimizer: options.Text = None
    learning_rate: options.Real = None

    def chosen_optimizer(self) -> "Optimizer | None":
        """Return the other optimizer, or None for that of the run."""
        from chainrule.training import optimizers

        if self.optimizer is None:
            return None
        return optimizers.find(self.optimizer)


@dataclass(frozen=True)
class DataOptions:
    """Where the samples are from.

    data   name or path; None: the data of the run
    """

    data: str | None
    skip_damaged: bool


step_options = options.option_group()(StepOptions)
data_options = options.combine(options.data, options.skip_damaged)


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """Declare the page.

    html        Write the page to a single file that works offline.
    walk        (--walk FILE.md) Custom guided walk: a Markdown file with addresses of cells.
    port        Port of the page.  [default: any free port]
    no_browser  Print the page's address without opening a browser.
    """

    html: options.OutputFile = None
    walk: options.InputPath = None
    port: Annotated[int | None, options.BoundedInteger(0, 65535)] = None
    no_browser: bool = False


def check(context: click.Context, with_cell: bool) -> None:
    """Raise OptionError if an option on the command line requires --cell, or cannot be combined with --cell."""
    for parameter in context.command.params:
        name = parameter.name or ""
        on_command_line = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if on_command_line and with_cell and name in PAGE_OPTIONS:
            raise OptionError(f"{parameter.opts[0]} cannot be combined with --cell: it configures the page")
        if on_command_line and not with_cell and name not in (*PAGE_OPTIONS, *SHARED_OPTIONS):
            raise OptionError(f"{parameter.opts[0]} requires --cell; use the controls of the page instead")
    if context.params["html"] is not None and (context.params["port"] or context.params["no_browser"]):
        raise OptionError("--html cannot be combined with --port and --no-browser: it only writes a file")


def open_or_write(run: Path | None, step: StepOptions, data: DataOptions, page: PageOptions) -> None:
    """Serve the page until Ctrl-C, or write it to a file."""
    subject = _subject(run, step, data, page.walk)
    if page.html is not None:
        from chainrule.web import single_file

        result = single_file.write(page.html, subject, needs_data=data.data is not None)
        if result.lacking is not None:
            print_message(result.lacking)
        if result.size > single_file.BUDGET:
            print_message(f"{page.html} has {result.size / 1e6:.1f} MB; a smaller network needs less")
        print_line(page.html)
        return
    try:
        from chainrule.web import launch
    except ModuleNotFoundError as error:
        raise missing(str(error.name), "page", "serving the page, unlike writing it with --html,") from None

    def announce(address: str) -> None:
        print_message(f"{subject.title}, {_describe_progress(subject)}; press Ctrl-C to stop")
        click.echo(address)

    launch.serve(subject, port=page.port or 0, browser=not page.no_browser, announce=announce)


def _subject(run: Path | None, step: StepOptions, data: DataOptions, walk: Path | None) -> "PageSubject":
    """Return the subject of the page with the data and the walk set by the options.

    The subject is the run, model file or named network; by default the newest run or, without runs, the default model.
    """
    from chainrule import zoo
    from chainrule.web import subjects
    from chainrule.web.walks import read_walk

    path = run_paths.explained(run, step.model)
    if path is None:
        subject = subjects.of_name(step.model or subjects.DEFAULT)
    elif str(path) in zoo.NAMED and not path.exists():
        subject = subjects.of_name(str(path))
    else:
        subject = subjects.of_path(path)
    if data.data is not None:
        subject = subjects.with_data(subject, data.data)
    if step.sample is not None:
        subject = replace(subject, start=f"#/network?sample={step.sample}")
    if walk is not None:
        subject = replace(subject, walk=tuple(read_walk(walk, list(subject.model.names))))
    return subject


def _describe_progress(subject: "PageSubject") -> str:
    if subject.history:
        return f"after {len(subject.history)} training steps"
    if subject.untrainable is not None:
        return "a model without a run"
    return "before its first training step"
