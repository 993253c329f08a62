"""The table targets.csv of an image folder, with the targets of each image."""

import csv
import io
import math
import os
from pathlib import Path

from chainrule._io.reading import read_bytes
from chainrule.data.folder_tree import FolderTree, leads_outside
from chainrule.errors import DataError, FormatError, printable, quoted

TABLE = "targets.csv"
FILE, WEIGHT, GROUP = "file", "weight", "group"  # columns of the table
MAX_TABLE, MOST_TARGETS = 1 << 26, 1000  # maximum bytes of the table; maximum number of targets
DIGITS = 40  # maximum number of characters of a number

Row = tuple[Path, list[float], str]


def has_targets(folder: Path) -> bool:
    """Return whether a folder contains a table of targets."""
    return os.path.isfile(folder / TABLE)  # Path.is_file would raise an error for an inaccessible folder


def file_names(folder: Path) -> list[Path]:
    """Return the paths of the image files listed in a folder's table."""
    return [path for path, *_ in read_table(folder)[1]]


def read_table(folder: Path) -> tuple[list[str], list[Row]]:
    """Return the names of the columns of numbers, and the file, numbers and group ("" for none) of each row."""
    path = folder / TABLE
    try:
        text = read_bytes(path, MAX_TABLE, DataError).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not text in UTF-8") from None
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise FormatError(f"{path}: {error}") from None
    heading = [printable(name.strip()) for name in lines[0]] if lines else []
    names = [name for name in heading if name not in (FILE, GROUP)]
    if FILE not in heading or not {*names} - {WEIGHT} or len({*heading}) < len(heading) or "" in names:
        expected = f"expected a heading of {FILE!r} and the names of the targets, each once"
        raise FormatError(f"{path}: {expected}; found {quoted(','.join(heading))}")
    if len(names) > MOST_TARGETS:
        raise FormatError(f"{path}: {len(names)} columns; expected at most {MOST_TARGETS}")
    if len(lines) == 1:
        raise DataError(f"{path}: there are no rows below the heading")
    rows = [_row(folder, heading, line, number) for number, line in enumerate(lines[1:], 2)]
    top = FolderTree(folder).top.real
    outside = next((number for number, (file, *_) in enumerate(rows, 2) if leads_outside(file, top)), None)
    if outside is not None:
        raise FormatError(f"{path}, row {outside}: {quoted(rows[outside - 2][0].name)} is a link out of the folder")
    return names, rows


def _row(folder: Path, heading: list[str], line: list[str], number: int) -> Row:
    """Return the entries of a row; FormatError for a wrong number of entries, an invalid number or no group."""
    position = f"{folder / TABLE}, row {number}"
    if len(line) != len(heading):
        raise FormatError(f"{position}: {len(line)} columns; the heading has {len(heading)}")
    entries = dict(zip(heading, line, strict=True))
    file, group = entries.pop(FILE), entries.pop(GROUP, "").strip()
    relative = Path(file.strip())
    if relative.is_absolute() or ".." in relative.parts or "\0" in file or not relative.parts:
        raise FormatError(f"{position}: {quoted(file)} is not a path of a file in this folder")
    if GROUP in heading and not group:
        raise FormatError(f"{position}: {GROUP}: expected a name or number")
    values = {name: _number(text) for name, text in entries.items()}
    for name, value in values.items():
        if not math.isfinite(value) or (name == WEIGHT and value < 0):
            raise FormatError(
                f"{position}: {name}: expected a {'weight of at least 0' if name == WEIGHT else 'number'}"
            )
    return folder / relative, [*values.values()], group


def _number(text: str) -> float:
    try:
        return float(text) if len(text) <= DIGITS else math.nan
    except ValueError:
        return math.nan
