"""Options and parameter types shared by several commands."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import cleandoc, signature
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar, get_type_hints

import click
from click.types import FloatParamType, IntParamType, StringParamType

from chainrule.cli import run_paths
from chainrule.errors import quoted

MAX_INTEGER = 2**63 - 1
DIGITS = re.compile(r"[+-]?[0-9]{1,400}")
DECIMAL = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?|[+-]?(nan|inf|infinity)")

F = TypeVar("F", bound=Callable[..., Any])


class _Nonempty(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """A text that is not empty: an empty string would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a command-line argument, and convert it."""
        if not os.fspath(value):
            self.fail("expected a name or a path, found an empty string", param, ctx)
        return super().convert(value, param, ctx)  # pyright: ignore[reportUnknownVariableType]


class _Path(_Nonempty, click.Path):
    """A nonempty path.

    name        placeholder in the help, in capitals
    path_type   `Path`, or `str` for a path that is kept as text
    """

    def __init__(self, name: str = "path", path_type: type = Path) -> None:
        super().__init__(path_type=path_type)
        self.name = name


class _Output(_Path):
    """A path that a command writes, which is checked before the command does any work.

    name    placeholder in the help, in capitals
    check   function that returns the path; RunError if it cannot be written
    """

    def __init__(self, name: str, check: Callable[[Path], Path]) -> None:
        super().__init__(name)
        self._check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a command-line argument to a path, and check it."""
        return self._check(super().convert(value, param, ctx))


class Name(_Nonempty, StringParamType):
    """A nonempty name; the placeholder in the help is in capitals."""

    def __init__(self, name: str = "name") -> None:
        self.name = name


class _Numeric(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """A number whose text has a certain form. Bounds are checked where the number is used."""

    pattern, expected = DIGITS, "a whole number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the form of a command-line argument, and convert it."""
        if not self.pattern.fullmatch(str(value)):
            self.fail(f"expected {self.expected}, found {quoted(str(value))}", param, ctx)
        return super().convert(value, param, ctx)  # pyright: ignore[reportUnknownVariableType]


class Integer(_Numeric, IntParamType):
    """An integer in ASCII digits; forms such as 1_000 or digits of other scripts are rejected."""

    name = "n"


class BoundedInteger(click.IntRange):
    """An integer in ASCII digits from `least` to `most`, inclusive; the help shows the bounds."""

    name = "n"

    def __init__(self, least: int, most: int = MAX_INTEGER) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a command-line argument to an int within the bounds."""
        return super().convert(INTEGER.convert(value, param, ctx), param, ctx)


class Number(_Numeric, FloatParamType):
    """A decimal number with a point as the decimal separator, such as 0.01 or 1e-3."""

    name = "x"
    pattern, expected = DECIMAL, "a number"


INTEGER, NUMBER = Integer(), Number()
PATH = _Path()
FILE, FOLDER = _Output("file", run_paths.require_writable), _Output("folder", run_paths.require_folder)
PATH_OR_NAME = _Path(path_type=str)
MODEL, DATA, ENGINE = Name(), Name("data"), Name("engine")


def combine(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Combine several options into one decorator, in order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


KINDS: Mapping[Any, Any] = {int: INTEGER, float: NUMBER}  # types of options with a default
Switch: TypeAlias = bool | None
Text: TypeAlias = str | None
Texts: TypeAlias = tuple[str, ...]  # of an option that can be repeated
Whole: TypeAlias = Annotated[int | None, INTEGER]
Real: TypeAlias = Annotated[float | None, NUMBER]
InputPath: TypeAlias = Annotated[Path | None, PATH]
OutputFile: TypeAlias = Annotated[Path | None, FILE]
OutputFolder: TypeAlias = Annotated[Path | None, FOLDER]
PathOrName: TypeAlias = Annotated[str | None, PATH_OR_NAME]
DataName: TypeAlias = Annotated[str | None, DATA]
ModelName: TypeAlias = Annotated[str | None, MODEL]


def option_group(*others: Callable[[Any], Any]) -> Callable[[Callable[..., Any]], Callable[[Any], Any]]:
    """Return a decorator that turns a function into one that adds the options it declares, and others, to a command.

    The signature has an option's type and default. A row of the docstring has its name in the signature, its flags and
    placeholder in parentheses unless they follow from the name, and its help. Options of type bool take no value:

        @option_group(as_json)
        def table(*, rows: Whole = 10, output: OutputFile = None) -> None:
            '''Options of tables.

            rows    Number of rows.
            output  (-o,--output FILE.csv) Write a table.
            '''

        @click.command()
        @table
        def show(rows: int, output: Path | None, as_json: bool) -> None: ...

    The rows are removed from the docstring, which is the help of the command itself for `declared`.
    """

    def decorate(declaration: Callable[..., Any]) -> Callable[[Any], Any]:
        parameters = signature(declaration).parameters
        hints = get_type_hints(declaration, include_extras=True)
        row = re.compile(rf"^({'|'.join(parameters)}) {{2,}}(?:\((--[^)]+)\) )?", re.M)
        # A split at two groups returns the text before the rows, then name, flags and help of each row in turn.
        declaration.__doc__, *parts = row.split(cleandoc(declaration.__doc__ or ""))
        rows = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        options = [_option(name, flags, text, hints[name], parameters[name].default) for name, flags, text in rows]
        return combine(*options, *others)

    return decorate


def _option(name: str, form: str | None, text: str, kind: Any, default: Any) -> Callable[[Any], Any]:
    """Return the option for a row of a declaration.

    form   flags and placeholder, such as "-o,--output FILE"; None: the flag of the name, such as --batch-size
    text   help
    kind   annotation, whose metadata may be a type of click
    """
    flags, _, metavar = (form or f"--{name.replace('_', '-')}").partition(" ")
    value: dict[str, Any] = {
        "type": kind.__metadata__[0] if hasattr(kind, "__metadata__") else KINDS.get(kind),
        "default": default,
        "show_default": default not in (None, ()),
        "multiple": default == (),
    }
    keywords: dict[str, Any] = {"is_flag": True} if default is False else value
    help_text = re.sub(r"\s*\n\s*", " ", text).strip()
    return click.option(*flags.split(","), name, metavar=metavar or None, help=help_text, **keywords)


def declared(command: F) -> F:
    """Add the options that the parameters of a command declare (`option_group`)."""
    return option_group()(command)(command)


def passed_as(parameter: str, record: type[object], add_options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds options to a command, which receives their values as one record.

        @click.command()
        @passed_as("execution", Execution, execution)
        def show(execution: Execution) -> None: ...

    record        class whose fields have the names of the options
    add_options   decorator that adds the options, such as that of an `option_group`
    """
    names = list(signature(record).parameters)

    def decorate(command: F) -> F:
        @wraps(command)
        def call(*positional: object, **values: object) -> object:
            fields = {name: values.pop(name) for name in names}
            return command(*positional, **values, **{parameter: record(**fields)})

        return add_options(call)  # pyright: ignore[reportArgumentType, reportReturnType]

    return decorate


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet = click.option("--quiet", is_flag=True, help="Do not show progress on stderr.")
data = click.option(
    "--data",
    type=DATA,
    help="Test data: a data set's name, a folder or a FILE.npz.  [default: the run's data]",
)
skip_damaged = click.option(
    "--skip-damaged", is_flag=True, help="Skip damaged images of a folder instead of exiting with an error."
)
engine = click.option(
    "--engine",
    type=ENGINE,
    help="Engine: compiled, numpy, jax or reference [CHAINRULE_ENGINE].  [default: compiled]",
)
threads = click.option(
    "--threads",
    type=INTEGER,
    help="Number of threads [CHAINRULE_THREADS].  [default: one per processor]",
)
precise = click.option(
    "--precise",
    is_flag=True,
    help="Do not use Winograd's algorithm, whose rounding errors spread from a large input to neighboring outputs.",
)
execution = combine(engine, threads, precise)


@dataclass(frozen=True)
class Execution:
    """The engine that computes a network, and how; None: the default."""

    engine: str | None = None
    threads: int | None = None
    precise: bool = False


@dataclass(frozen=True)
class TestData:
    """The data that a network is tested on.

    data     name or path; None: the data of the run
    """

    data: str | None
    skip_damaged: bool


test_data = combine(data, skip_damaged)
markdown = click.option(
    "--markdown",
    type=FILE,
    help="Write the table and a description of the machine to a Markdown file.",
)
