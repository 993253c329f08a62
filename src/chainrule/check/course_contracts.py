"""Contracts of courses: those of this library, and those in a teacher's file.

A course is a TOML file with a table for each class, function or pair of functions:

    [[code]]
    names = ["Linear", "Affine"]    usual names; those of classes in any case
    against = "Dense(4)"            the intended layer, loss or optimizer; left out if it is none of this library
    shape = [7]                     shape of one input; left out: choose one
    contract = "self = {C}(D, O); …"  the text of the contract; {C} is the name in the file
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from chainrule._io.files import read_toml
from chainrule.custom.contract import parse
from chainrule.errors import FormatError, OptionError, quoted, unknown_name

SUFFIX = ".toml"
FOLDER = Path(__file__).with_name("courses")
COURSES = tuple(sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}")))  # those of this library
EXPECTED = {"names": "a list of names", "contract": "text", "against": "text", "shape": "a list of whole numbers"}
REQUIRED = ("names", "contract")


@dataclass(frozen=True)
class CourseEntry:
    """The contract of one class, function or pair of functions of a course.

    names     its usual names, in any case
    against   the intended layer, loss or optimizer; None if it is none of this library
    contract  the text of the contract; {C} is the name in the file
    shape     shape of one input; None: choose one
    """

    names: tuple[str, ...]
    contract: str
    against: str | None = None
    shape: tuple[int, ...] | None = None

    def text(self, name: str) -> str:
        """Return the contract for a class or a function with this name."""
        return self.contract.replace("{C}", name)


def course(name: str) -> tuple[CourseEntry, ...]:
    """Return the contracts of a course.

    name     name of a course, or path of a TOML file
    Errors   OptionError for an unknown course; FormatError for a file in another format
    """
    path = course_file(name)
    entries = read_toml(path).get("code")
    if not isinstance(entries, list) or not entries:
        raise FormatError(f"{path}: expected a table [[code]] for each class or function")
    return tuple(_entry(entry, path) for entry in cast("list[Any]", entries))


def course_file(name: str) -> Path:
    """Return the file of a course; OptionError for an unknown course."""
    if name in COURSES:
        return FOLDER / f"{name}{SUFFIX}"
    if name.endswith(SUFFIX):
        return Path(name)
    raise unknown_name("course", name, (*COURSES, f"FILE{SUFFIX}"))


def _entry(entry: Any, path: Path) -> CourseEntry:
    """Return an entry of a file; FormatError if a key is unknown, missing, or of another type."""
    if not isinstance(entry, dict):
        raise FormatError(f"{path}: code is {quoted(entry)}; expected tables [[code]]")
    values = cast("Mapping[str, Any]", entry)
    for key in values:
        if key not in EXPECTED:
            raise FormatError(f"{path}: {unknown_name('entry', key, tuple(EXPECTED))}")
    for key in REQUIRED:
        if key not in values:
            raise FormatError(f"{path}: a table [[code]] without {key}; expected {EXPECTED[key]}")
    names = _listed(values, "names", str, path)
    shape = None
    if "shape" in values:
        shape = _listed(values, "shape", int, path)
    for key in ("contract", "against"):
        if not isinstance(values.get(key, ""), str):
            raise FormatError(f"{path}: {key} is {quoted(values[key])}; expected {EXPECTED[key]}")
    result = CourseEntry(names, values["contract"], values.get("against"), shape)
    try:
        parse(result.text(names[0]))
    except OptionError as error:
        raise FormatError(f"{path}: {names[0]}: {error}") from None
    return result


def _listed(values: Mapping[str, Any], key: str, kind: type, path: Path) -> tuple[Any, ...]:
    """Return the items of a list that is not empty and whose items have a type."""
    value: Any = values[key]
    items = list[Any]()
    if isinstance(value, list):
        items = cast("list[Any]", value)
    if {*map(type, items)} != {kind}:
        raise FormatError(f"{path}: {key} is {quoted(cast('Any', value))}; expected {EXPECTED[key]}")
    return tuple(items)
