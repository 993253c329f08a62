"""The command `chainrule grade`."""

import textwrap
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click

from chainrule.cli import options
from chainrule.cli.check import LONGEST, task_options
from chainrule.cli.output import WIDTH, format_table, print_json
from chainrule.errors import OptionError, printable

if TYPE_CHECKING:
    from chainrule.check.autograder import GradedAssignment
    from chainrule.check.homework import Grade
    from chainrule.check.points import PointScheme

UNGRADED = 3  # exit status if a part of an entry could not be graded
UNISOLATED = (
    "submissions cannot be isolated here ({}): grade in a container (SECURITY.md), or pass --trust to run them with "
    "your permissions"
)
FORMATS = ("gradescope", "otter")


@options.option_group(task_options)
def assignment_options(
    *,
    points: options.InputPath = None,
    seconds: Annotated[int | None, options.BoundedInteger(1, LONGEST)] = None,
    memory: Annotated[int | None, options.BoundedInteger(256, 1_000_000)] = None,
    packages: options.Texts = (),
    shared: options.Texts = (),
    seed: Annotated[int | None, options.BoundedInteger(0)] = None,
) -> None:
    """Declare the assignment.

    points    (--points FILE.toml) Points for every part, in a table [points]; one point each by default.
    seconds   Time limit for each submission, or for each of its functions and classes; 30 by default.
    memory    (--memory MB) Memory limit for each submission; 2048 by default.
    packages  (--package NAME) A package that submissions may import in addition to NumPy and the standard library; may
              be repeated.
    shared    (--shared NAME) A file in FOLDER, such as _given.py, that submissions may import; may be repeated.
    seed      Seed of the random inputs; by default a new one each time, which is printed.
    """


@options.option_group(
    click.option(
        "--results",
        "written",
        type=(click.Choice(FORMATS), options.FILE),
        multiple=True,
        metavar="GRADER FILE",
        help=f"Write the file that a grader reads: {', '.join(FORMATS)}; may be repeated.",
    ),
    options.quiet,
    options.as_json,
)
def output_options(
    *,
    table: options.OutputFile = None,
    feedback: options.OutputFolder = None,
    autograders: Annotated[tuple[Any, ...], options.FILE] = (),
) -> None:
    """Declare what is written.

    table        (--csv) Write the table as a CSV file, with the points of each part.
    feedback     (--feedback FOLDER) Write a text for each student, with the points and the reason of each part.
    autograders  (--autograder FILE.zip) Write an autograder for Gradescope.
    """


@click.command(short_help="Grade a folder of homework submissions.")
@click.argument("folder", type=options.PATH, required=False)
@options.declared
@assignment_options
@output_options
def grade(
    folder: Path | None,
    *,
    single: bool = False,
    trust: bool = False,
    protection: bool = False,
    **arguments: Any,
) -> None:
    """Check every submission in FOLDER and diagnose its mistakes.

    A submission is a Python file, a notebook, or a folder that contains one of these. Every other entry is
    listed with the reason why it was not graded. Names that begin with _ or . are ignored.

    Each submission runs in a separate process, which can use NumPy, the standard library and its own files. The
    arrays that it returns are graded outside that process. SECURITY.md describes what this protects against, and what
    it does not; the report states what was used.

    Exits with 0 if every part of every entry was graded, right or wrong, and with 3 if one could not be graded.

    single      FOLDER is one submission, or a file that is one.
    trust       Grade even if this machine cannot isolate the submissions; they then run with your permissions.
    protection  Instead of grading, print how this machine isolates submissions.
    """
    from chainrule.check.host import available_protection

    if protection:
        click.echo(f"protection: {available_protection()}\nThe table in SECURITY.md lists what it prevents.")
        return
    if arguments["against"] is None and arguments["course"] is None:
        raise click.UsageError("Missing option '--against', or '--course'.")
    if folder is None and not arguments["autograders"]:
        raise click.UsageError("Missing argument 'FOLDER'.")
    task = _assignment(arguments)
    _write_autograders(task, arguments["autograders"])
    if folder is None:
        return
    granted = available_protection()
    if not granted.namespaces and not trust:
        raise OptionError(UNISOLATED.format("; ".join(granted.missing)))
    rows, ignored = _graded(folder, task, single, arguments["quiet"])
    if arguments["as_json"]:
        print_json([{**asdict(row), "ok": row.ok, **_points(row, task, arguments)} for row in rows])
    else:
        click.echo(_text(rows, ignored, task.scheme if arguments["points"] else None))
    _write(rows, task, arguments)
    if not all(row.complete for row in rows):
        raise SystemExit(UNGRADED)


def _assignment(arguments: dict[str, Any]) -> "GradedAssignment":
    """Return the assignment defined by the options."""
    from chainrule.check import contracts, points
    from chainrule.check.assignments import Assignment
    from chainrule.check.autograder import GradedAssignment
    from chainrule.layers import expressions

    shape = arguments["input_shape"]
    size = None if shape is None else expressions.shape(shape)
    parts = Assignment.of(arguments["against"], size, arguments["course"]).parts
    if arguments["contract"] is not None:
        arguments["contract"] = contracts.read(arguments["contract"])
    scheme = points.one_point_each(parts) if arguments["points"] is None else points.read(arguments["points"], parts)
    names = {field.name for field in fields(GradedAssignment)} & {*arguments}
    return GradedAssignment(scheme=scheme, **{name: arguments[name] for name in names})


def _graded(folder: Path, task: "GradedAssignment", single: bool, quiet: bool) -> "tuple[list[Grade], list[str]]":
    """Return the grades of all submissions, and the ignored names in the folder."""
    from chainrule.check import homework, submissions
    from chainrule.layers import expressions

    rows = list["Grade"]()
    count = 1 if single else len(submissions.entries(folder, shared=task.shared))
    names = ("seed", "seconds", "memory", "packages", "hints", "ties", "samples", "contract", "course", "shared")
    options: dict[str, Any] = {name: value for name in names if (value := getattr(task, name)) is not None}
    if task.input_shape is not None:
        options["shape"] = expressions.shape(task.input_shape)
    grades = homework.grade(folder, task.against, single=single, **options)
    for row in grades:
        rows.append(row)
        if not quiet:
            click.echo(f"{len(rows)}/{count} {printable(row.submission)}", err=True)
    return rows, [] if single else submissions.ignored_entries(folder)


def _points(row: "Grade", task: "GradedAssignment", arguments: dict[str, Any]) -> dict[str, float]:
    """Return the points of each part by column name, with a point scheme also their sum and the maximum."""
    total = {"points": task.scheme.score(row), "max_points": task.scheme.total} if arguments["points"] else {}
    return total | {f"points_{part}": points for part, points in task.scheme.scores(row).items()}


def _write(rows: "list[Grade]", task: "GradedAssignment", arguments: dict[str, Any]) -> None:
    """Write the table and the files for graders."""
    from chainrule._io.files import write_atomic
    from chainrule.check import homework
    from chainrule.check.grade_files import feedback, results

    if arguments["table"] is not None:
        homework.write_csv(rows, arguments["table"], [_points(row, task, arguments) for row in rows])
    if (folder := arguments["feedback"]) is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for row in rows:
            write_atomic(folder / f"{Path(row.submission).parts[0]}.txt", feedback(row, task.scheme))
    for name, path in arguments["written"]:
        write_atomic(path, results(name, rows, task.scheme))


def _write_autograders(task: "GradedAssignment", paths: tuple[Path, ...]) -> None:
    from chainrule._io.files import write_atomic
    from chainrule.check.autograder import autograder

    for path in paths:
        if path.suffix != ".zip":
            raise OptionError(f"autograder {path}: expected FILE.zip, for Gradescope (docs/checking.md#grading)")
        write_atomic(path, autograder(task))


def _text(rows: "list[Grade]", left_out: "list[str]", scheme: "PointScheme | None") -> str:
    """Return the table as text, with points if there is a scheme; each submission is followed by its remarks."""
    titles = ["submission", "right"]
    if scheme is not None:
        titles.append("points")
    titles.append("diagnosis")
    has_ungraded = any(row.ungraded for row in rows)
    if has_ungraded:
        titles.append("not graded")
    table = [titles]
    for row in rows:
        line = [row.submission, f"{row.passed}/{row.parts}"]
        if scheme is not None:
            line.append(f"{scheme.score(row)}/{scheme.total}")
        line.append(row.diagnosis or "")
        if has_ungraded:
            line.append(", ".join(row.ungraded))
        table.append(line)
    # The table is formatted as a whole, so that its columns align, then split to insert remarks.
    head, *lines = format_table(table).splitlines()
    parts = [head]
    for row, line in zip(rows, lines, strict=True):
        parts.append(line)
        if row.remark:
            text = printable(row.remark)
            parts.append(textwrap.fill(text, WIDTH, initial_indent="    ", subsequent_indent="    "))
    if left_out:
        parts.append(f"\nignored because of their names: {printable(', '.join(left_out))}")
    return "\n".join([*parts, f"\nseed {rows[0].seed}", f"protection: {_protection(rows)}"])


def _protection(rows: "list[Grade]") -> str:
    """Return the protection that all submissions share that were run."""
    from chainrule.check.homework import NOT_RUN

    for row in rows:
        if row.protection != NOT_RUN:
            return row.protection
    return NOT_RUN
