"""`chainrule explain` without --cell: the page in a browser or in a single file."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click

from chainrule._io.extras import missing
from chainrule.cli import options, run_paths
from chainrule.cli.output import print_line
from chainrule.cli.program import print_message
from chainrule.errors import OptionError

if TYPE_CHECKING:
    from chainrule.web.subjects import PageSubject

PAGE_OPTIONS = ("html", "walk", "port", "no_browser")  # allowed only without --cell
SHARED_OPTIONS = (  # allowed with and without --cell
    "run",
    "model",
    "cells",
    "data_folder",
    "offline",
    "accept_changes",
    "sample",
    "data",
    "optimizer",
    "learning_rate",
)


@options.option_group()
def page_options(
    *,
    html: options.OutputFile = None,
    walk: options.InputPath = None,
    port: Annotated[int | None, options.BoundedInteger(0, 65535)] = None,
    no_browser: bool = False,
) -> None:
    """Declare the page.

    html        Write the page to a single file that works offline.
    walk        (--walk FILE.md) Custom guided walk: a Markdown file with addresses of cells.
    port        Port of the page.  [default: any free port]
    no_browser  Print the page's address without opening a browser.
    """


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


def open_or_write(run: Path | None, arguments: dict[str, Any]) -> None:
    """Serve the page until Ctrl-C, or write it to a file."""
    path: Path | None = arguments["html"]
    subject = _subject(run, arguments)
    for remark in subject.remarks:
        print_message(remark)
    data_location = {"folder": arguments["data_folder"], "offline": arguments["offline"]}
    if path is not None:
        _write(path, subject, data_location)
        return
    try:
        from chainrule.web import launch
    except ModuleNotFoundError as error:
        raise missing(str(error.name), "page", "serving the page, unlike writing it with --html,") from None

    def announce(address: str) -> None:
        print_message(f"{subject.title}, {_describe_progress(subject)}; press Ctrl-C to stop")
        click.echo(address)

    launch.serve(
        subject, port=arguments["port"] or 0, browser=not arguments["no_browser"], announce=announce, **data_location
    )


def _subject(run: Path | None, arguments: dict[str, Any]) -> "PageSubject":
    """Return the subject of the page with the data, optimizer and learning rate set by the options."""
    from chainrule.training import optimizers
    from chainrule.web import subjects

    subject = _load_subject(run, arguments)
    optimizer = None
    if arguments["optimizer"] is not None:
        optimizer = optimizers.find(arguments["optimizer"])
    subject = subjects.with_overrides(
        subject, data=arguments["data"], optimizer=optimizer, learning_rate=arguments["learning_rate"]
    )
    start = ""
    if arguments["sample"] is not None:
        start = f"#/network?sample={arguments['sample']}"
    return replace(subject, start=start, walk=_walk(arguments["walk"], subject))


def _walk(path: Path | None, subject: "PageSubject") -> tuple[dict[str, Any], ...]:
    from chainrule.web.single_file import read_walk

    if path is None:
        return ()
    return tuple(read_walk(path, list(subject.model.names)))


def _load_subject(run: Path | None, arguments: dict[str, Any]) -> "PageSubject":
    """Load the run, model file or named network; by default the newest run or, without runs, the default model."""
    from chainrule.web import subjects

    run = run_paths.explained(run, arguments["model"])
    if run is None:
        return subjects.of_name(arguments["model"] or subjects.DEFAULT)
    return subjects.of_path(run, accept_changes=arguments["accept_changes"])


def _describe_progress(subject: "PageSubject") -> str:
    done = len(subject.history)
    if done:
        return f"after {done} training steps"
    if subject.untrainable:
        return "a model without a run"
    return "before its first training step"


def _write(path: Path, subject: "PageSubject", data_location: dict[str, Any]) -> None:
    from chainrule.web import single_file

    result = single_file.write(path, subject, **data_location)
    if result.lacking:
        print_message(result.lacking)
    if result.size > single_file.BUDGET:
        print_message(f"{path} has {result.size / 1e6:.1f} MB; a smaller network needs less")
    print_line(path)
