"""The command `chainrule check`."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from chainrule.cli import options
from chainrule.cli.output import print_json, print_line
from chainrule.errors import OptionError, StudentError

if TYPE_CHECKING:
    from chainrule.check.learner_task import LearnerTask
    from chainrule.check.report import Report

MISSING_MODULE = re.compile(r"No module named '([^'.]+)")
TRUSTED = "none: the file ran in a separate process with your permissions"
SECONDS, LONGEST = 60, 86_400  # default and maximum time limit in seconds


@options.option_group()
def task_options(
    *,
    against: options.Text = None,
    input_shape: options.Text = None,
    ties: Annotated[str | None, click.Choice(["first"])] = None,
    samples: Annotated[str | None, click.Choice(["one"])] = None,
    contract: options.Text = None,
    course: options.Text = None,
    hints: Annotated[int | None, options.BoundedInteger(0, 3)] = None,
) -> None:
    """Declare what code should compute, and what is revealed.

    against      (--against LAYER) The layer it should compute, such as "Conv2D(4, (3, 2), stride=2)", the name of a
                 loss, or names of functions and classes with the interfaces of courses, such as
                 "conv_forward, svm_loss, Linear".
    input_shape  (--input-shape C,H,W) Shape of one input, such as 3,7,6; or C,W or F.
    ties         Max pooling must pass the gradient to the first of several largest elements, instead of to any of them.
    samples      The code should take one sample at a time, so that it may fail for batches.
    contract     (--contract FILE|TEXT) How the code is called, such as "self = Linear(D, O); self.W = w; self.b = b;
                 y = self.forward(x); dx = self.backward(dy); dw = self.dW; db = self.db".
    course       (--course NAME|FILE.toml) Use the contracts of a course, such as cs231n, or those in a file.
    hints        How much to reveal: 0 verdicts, 1 the first wrong number, 2 its terms, 3 the mistake (default).
    """


@click.command(short_help="Check gradients, and diagnose wrong ones.")
@click.argument("code", metavar="FILE.py[:NAME]")
@task_options
@options.declared
@options.as_json
def check(
    code: str,
    *,
    against: str | None,
    input_shape: str | None,
    seconds: Annotated[int, options.BoundedInteger(1, LONGEST)] = SECONDS,
    root: Annotated[Path | None, click.Path(exists=True, file_okay=False, path_type=Path)] = None,
    ties: str | None,
    samples: str | None,
    contract: str | None,
    course: str | None,
    seed: Annotated[int, options.BoundedInteger(0)] = 0,
    hints: int | None,
    as_json: bool,
) -> None:
    """Check the layers, losses and optimizers in FILE.py, and diagnose classic mistakes.

    Each class, and each pair of functions such as conv_forward and conv_backward, is called under a contract, which is
    printed. With FILE.py:NAME, only this one is checked. A notebook, FILE.ipynb, is run cell by cell.

    Code in a file runs in a separate process with your permissions: check only code that you would run. The first
    40 lines of its output are printed to stderr.

    Exits with 0 if everything is correct, 1 if something is wrong, 2 if the file cannot be used, and 3 if nothing is
    wrong but something could not be judged, such as a function that no contract covers.

    seconds    Time limit for the code in FILE.py, or for each of its functions and classes.
    root       (--root FOLDER) Folder that FILE.py imports its packages from; by default, FILE's own folder and its
               package.
    seed       Seed of the random inputs.
    """
    from chainrule.check import sources
    from chainrule.check.assignments import quiet
    from chainrule.check.file_checks import file_report
    from chainrule.check.homework import ALL, limit_hints
    from chainrule.check.host import Limits, open_file

    if sources.split(code)[0].suffix.lower() not in sources.SUFFIXES:
        raise OptionError(
            f"{code}: expected FILE.py or FILE.ipynb; in Python, check_gradients checks a layer of your own"
        )
    base = _task(input_shape, ties, samples, contract, course)
    path, name = sources.split(code)
    opened = open_file(path, Limits(seconds), on_output=_echo, root=root)
    with _import_hints(path), opened as file, quiet():
        report = file_report(file, path.name, None if name is None else [name], against, base, seed)
    _finish(limit_hints(report, ALL if hints is None else hints), TRUSTED, as_json)


def _task(
    input_shape: str | None,
    ties: str | None,
    samples: str | None,
    contract: str | None,
    course: str | None,
) -> "LearnerTask":
    """Return what the options of the command say about the code in a file."""
    from chainrule.check import contracts
    from chainrule.check.learner_task import LearnerTask
    from chainrule.layers import expressions

    return LearnerTask(
        shape=None if input_shape is None else expressions.shape(input_shape),
        ties=ties,
        samples=samples,
        contract=None if contract is None else contracts.read(contract),
        course=course,
    )


def _finish(report: "Report", protection: str, as_json: bool) -> None:
    """Print a report, and exit with its code unless it is 0.

    protection  what protected the user from the code in the file
    """
    if as_json:
        print_json({**report.to_json(), "protection": protection})
    else:
        _print(report)
        click.echo(f"protection: {protection}")
    if report.exit_code:
        raise SystemExit(report.exit_code)


@contextmanager
def _import_hints(path: Path) -> Generator[None]:
    """Add advice to an error about a package that a file cannot import."""
    try:
        yield
    except StudentError as error:
        missing = MISSING_MODULE.search(str(error))
        is_absent = missing is not None and find_spec(missing[1]) is None
        if missing is None or not is_absent:
            raise
        raise StudentError(f"{error}{_import_hint(missing[1], path.resolve())}") from None


def _import_hint(package: str, path: Path) -> str:
    """Return advice on a package that a file cannot import: one in a folder near the file, or one to add or install."""
    for folder in path.parents[:3]:
        for match in folder.glob(f"*/{package}"):
            if match.is_dir():
                return f"; pass --root {match.parent}"
    return f"; if {package} belongs to the submission, put it next to {path.name}; otherwise, install it"


def _echo(printed: str) -> None:

    for output_line in printed.splitlines():
        print_line(output_line.expandtabs(), err=True)


def _print(report: "Report") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if console.is_terminal:
        report.show(console)
    else:
        click.echo(str(report))
