"""`chainrule explain` without --cell: the page in a browser, or in a single file."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options, run_paths
from chainrule.cli.output import print_line
from chainrule.cli.program import print_message
from chainrule.errors import OptionError

if TYPE_CHECKING:
    from chainrule.web.subjects import PageSubject

OWN = ("html", "walk", "port", "no_browser")  # options for the page only
# options for the page and for --cell
SHARED = (
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

page_options = options.combine(
    click.option(
        "--html", metavar="FILE", type=options.PATH, help="Write the page to a single file that works offline."
    ),
    click.option(
        "--walk",
        metavar="FILE.md",
        type=options.PATH,
        help="A guided walk of your own: Markdown with addresses of cells.",
    ),
    click.option(
        "--port", type=options.BoundedInteger(0, 65535), metavar="N", help="Port of the page; any free one by default."
    ),
    click.option("--no-browser", is_flag=True, help="Print the page's address without opening a browser."),
)


def check(context: click.Context, with_cell: bool) -> None:
    """Raise OptionError for an option that needs --cell when it is absent, or excludes it when it is present."""
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and with_cell and name in OWN:
            raise OptionError(f"{parameter.opts[0]} is for the page: leave out --cell")
        if given and not with_cell and name not in (*OWN, *SHARED):
            raise OptionError(f"{parameter.opts[0]} is for a number named by --cell; the page has its own")
    if context.params["html"] is not None and (context.params["port"] or context.params["no_browser"]):
        raise OptionError("--html writes a file and opens nothing: leave out --port and --no-browser")


def open_or_write(run: Path | None, given: dict[str, Any]) -> None:
    """Serve the page until Ctrl-C, or write it to a file."""
    path: Path | None = given["html"]
    run_paths.require_writable(path)
    subject = _subject(run, given)
    for remark in subject.remarks:
        print_message(remark)
    where = {"folder": given["data_folder"], "offline": given["offline"]}
    if path is not None:
        _write(path, subject, where)
        return
    try:
        from chainrule.web import launch
    except ModuleNotFoundError as error:
        raise OptionError(f"the page needs {error.name} to be served; --html FILE writes it to a file") from None

    def announce(address: str) -> None:
        print_message(f"{subject.title}, {_step(subject)}; Ctrl-C ends it")
        click.echo(address)

    launch.serve(subject, port=given["port"] or 0, browser=not given["no_browser"], announce=announce, **where)


def _subject(run: Path | None, given: dict[str, Any]) -> "PageSubject":
    """Return the subject of the page, by default the newest run, else the default model, with the changes asked for."""
    from chainrule.training import optimizers
    from chainrule.web import subjects

    found = _opened(run, given)
    chosen = None if given["optimizer"] is None else optimizers.find(given["optimizer"])
    found = subjects.with_overrides(found, data=given["data"], optimizer=chosen, learning_rate=given["learning_rate"])
    start = f"#/network?sample={given['sample']}" if given["sample"] is not None else ""
    return replace(found, start=start, walk=_walk(given["walk"], found))


def _walk(path: Path | None, subject: "PageSubject") -> tuple[dict[str, Any], ...]:
    from chainrule.web.single_file import read_walk

    return () if path is None else tuple(read_walk(path, list(subject.model.names)))


def _opened(run: Path | None, given: dict[str, Any]) -> "PageSubject":
    """Return the run, model file or named network that is asked for."""
    from chainrule.web import subjects

    model: str | None = given["model"]
    if run is not None and model is not None:
        raise OptionError(f"expected a RUN or --model NAME, found both {run} and {model}")
    if run is None and model is None:
        run = subjects.newest_run(run_paths.RUNS)
    if run is None:
        return subjects.of_name(model or subjects.DEFAULT)
    return subjects.of_path(run, accept_changes=given["accept_changes"])


def _step(subject: "PageSubject") -> str:
    if subject.untrainable and not len(subject.history):
        return "a model without a run"
    done = len(subject.history)
    return f"after {done} training steps" if done else "before its first training step"


def _write(path: Path, subject: "PageSubject", where: dict[str, Any]) -> None:
    from chainrule.web import single_file

    written = single_file.write(path, subject, **where)
    if written.lacking:
        print_message(f"no images and no earlier steps: {written.lacking}")
    if written.size > single_file.BUDGET:
        print_message(f"{path} has {written.size / 1e6:.1f} MB: a smaller network makes a smaller file")
    print_line(path)
