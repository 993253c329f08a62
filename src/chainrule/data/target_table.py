"""The table targets.csv of an image folder: the class or the targets of each image, and what it belongs to."""

import csv
import io
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

from chainrule._io.reading import read_bytes
from chainrule.core.arrays import Floats
from chainrule.data.folder_layout import (
    ALL,
    CLASSES,
    NUMBERS,
    PART_NAMES,
    TABLE,
    TRAIN,
    LabeledFile,
    Layout,
    images_below,
    ordered_classes,
    relative,
    with_test_set,
)
from chainrule.data.folder_tree import FolderTree, leads_outside
from chainrule.data.inventory import LeftOut
from chainrule.errors import DataError, FormatError, printable_name, quoted

FILES = ("file", "filename", "file_name", "image", "image_name", "path", "id")  # headings of paths; the first is used
WEIGHT, SPLIT = "weight", "split"  # columns that are no targets
LABELS = "labels, 0 or 1,"  # kind of targets beside `CLASSES` and `NUMBERS`
NUMBER = "a number, such as 0.5"  # expected in columns of numbers
AS_CLASSES, AS_NUMBERS = '--classes or targets="classes"', '--regression or targets="numbers"'
MAX_TABLE, MOST_TARGETS = 1 << 26, 1000  # maximum bytes of the table; maximum number of targets
DIGITS = 40  # maximum number of characters of a number
MARKS = ",;\t"  # between the entries of a row
QUOTED = '".*?"'  # part of a heading where marks have no meaning
Entry = TypeVar("Entry")

Columns = dict[str, Sequence[str]]
TargetValues: TypeAlias = list[int] | list[list[float]]


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table targets.csv, by their meaning.

    heading   heading of the column of paths
    paths     path of the image of each row
    targets   entries of the columns of targets, by heading
    weights, sets   entries of these columns; None: the table has no such column
    """

    heading: str
    paths: Sequence[str]
    targets: Columns
    weights: Sequence[str] | None
    sets: Sequence[str] | None


class TableTargets(NamedTuple):
    """What a table contains to be predicted.

    kind        `CLASSES`, `LABELS` or `NUMBERS`
    names       names of the classes, or headings of the columns
    values      class, or numbers, of each row
    are_whole   whether all entries are whole numbers, which may also be classes
    """

    kind: str
    names: tuple[str, ...]
    values: TargetValues
    are_whole: bool


def has_targets(folder: Path) -> bool:
    """Return whether a folder contains a table of targets."""
    return os.path.isfile(folder / TABLE)  # Path.is_file would raise an error for an inaccessible folder


def read_table(folder: Path, targets: str | None = None, *, min_classes: int = 2) -> Layout:
    """Return the layout of a folder with a table. A note states how its columns are read.

    targets      whether the table contains `CLASSES` or `NUMBERS`. None: a single column contains classes if no entry
                 is a number, or if the entries are the whole numbers 0 … K − 1, each of them twice on average
    min_classes  minimum number of classes, 1 or 2

    Errors   FormatError, with the row, for an invalid table; DataError for no rows, or too few classes
    """
    path = folder / TABLE
    table = _read_columns(path)
    images = dict[str, Path]()
    for image, _ in images_below(folder):
        images[relative(image, folder)] = image
    files = _files(path, table, images)
    weights: Sequence[float | None] = [None] * len(files)
    if table.weights is not None:
        weights = _weights(path, table.weights)
    answers = read_targets(path, table.targets, targets)
    if answers.kind == CLASSES and len(answers.names) < min_classes:
        raise DataError(f"{path}: only one class, {answers.names[0]!r}; expected at least two")
    rows = list[LabeledFile]()
    for file, target, weight in zip(files, answers.values, weights, strict=True):
        rows.append(LabeledFile(file, target, weight))
    used = {relative(file, folder) for file in files}
    left_out = list[LeftOut]()
    for name in sorted(images):
        if name not in used:
            left_out.append(LeftOut(name, f"not in {TABLE}"))
    notes = (_note(table, answers), *_repeated(rows, folder))
    parts = _parts(path, rows, table.sets)
    return with_test_set(Layout(folder, answers.names, parts, left_out, notes, answers.kind == CLASSES))


def _note(table: TableColumns, targets: TableTargets) -> str:
    """Return the line that states how the columns of a table are read and, if it is not certain, how to change it."""
    note = f"{TABLE}: files in the column {table.heading}, {targets.kind} in {', '.join(table.targets)}"
    if not targets.are_whole:
        return note
    if targets.kind != NUMBERS:
        return f"{note}; to change it: {AS_NUMBERS}"
    if len(table.targets) == 1:  # classes are in a single column
        return f"{note}; to change it: {AS_CLASSES}"
    return note


def _weights(path: Path, texts: Sequence[str]) -> list[float]:
    """Return the weights of the rows; FormatError for a weight that is not a finite number of at least 0."""
    weights = list(map(number_in, texts))
    check_entries(path, WEIGHT, weights, lambda weight: 0 <= weight < math.inf, "a weight of at least 0")
    return weights


def _read_columns(path: Path) -> TableColumns:
    """Return the columns of a table. Headings with a meaning are found in any case, such as File and WEIGHT.

    Errors   FormatError for an unusable heading, or a row of another length; DataError if there are no rows
    """
    heading, lines = heading_and_lines(path)
    meanings = (*FILES, WEIGHT, SPLIT)
    names = list[str]()
    for text in heading:
        name = printable_name(text)
        names.append(name.casefold() if name.casefold() in meanings else name)
    file = next((name for name in FILES if name in names), None)
    targets = {*names} - {file, WEIGHT, SPLIT}
    are_distinct = len({*names} - {""}) == len(names)  # and none is empty
    if file is None or not 0 < len(targets) <= MOST_TARGETS or not are_distinct:
        expected = f"expected a heading of {FILES[0]!r} and the names of at most {MOST_TARGETS} targets, each once"
        others = f"{FILES[0]!r} may also be {', '.join(FILES[1:])}"
        raise FormatError(f"{path}: {expected}; found {quoted(','.join(names))}; {others}")
    columns = columns_of(path, names, lines)
    return TableColumns(
        heading=file,
        paths=columns.pop(file),
        weights=columns.pop(WEIGHT, None),
        sets=columns.pop(SPLIT, None),
        targets=columns,  # those that remain
    )


def heading_and_lines(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the entries of the first row of a table, none for an empty file, and those of the other rows."""
    lines = table_lines(path)
    if not lines:
        return [], []
    heading, *others = lines
    return heading, others


def columns_of(path: Path, names: Sequence[str], lines: Sequence[Sequence[str]]) -> Columns:
    """Return the entries of each column; FormatError for a row of another length, DataError if there are no rows."""
    if not lines:
        raise DataError(f"{path}: there are no rows below the heading")
    check_entries(path, "entries", lines, lambda line: len(line) == len(names), f"{len(names)}, as in the heading")
    return dict(zip(names, zip(*lines, strict=True), strict=True))


def table_lines(path: Path) -> list[list[str]]:
    """Return the entries of the rows of a table, separated by the mark that is most frequent in its heading."""
    try:
        text = read_bytes(path, MAX_TABLE, DataError).decode("utf-8-sig")
        heading, _, _ = text.partition("\n")
        mark = max(MARKS, key=re.sub(QUOTED, "", heading).count)
        lines = list[list[str]]()
        for line in csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True):
            if line:  # empty lines may separate rows, or end the file
                lines.append([entry.strip() for entry in line])
        return lines
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not text in UTF-8") from None
    except csv.Error as error:
        raise FormatError(f"{path}: {error}") from None


def check_entries(
    path: Path, column: str, entries: Sequence[Entry], accepts: Callable[[Entry], bool], expected: str
) -> None:
    """Raise FormatError for the first entry of a column that is not accepted."""
    for row, entry in enumerate(entries, 2):
        if not accepts(entry):
            problem = f"{path}, row {row}: {column}: expected {expected}, found {quoted(entry)}"
            raise FormatError(f"{problem}; correct the entry, or remove the row")


def _files(path: Path, table: TableColumns, images: Mapping[str, Path]) -> list[Path]:
    """Return the file of each row: an image with this path, in any Unicode normal form, also without its suffix.

    A file that is no image of the folder is returned as written, so that reading it raises the error.

    images   path relative to the folder → path
    """
    with_stem = defaultdict[str, list[Path]](list)
    for name, image in images.items():
        stem, _ = os.path.splitext(name)
        with_stem[stem].append(image)
    by_name = dict[str, Path]()
    for stem, alike in with_stem.items():
        if len(alike) == 1:
            [by_name[stem]] = alike
    by_name.update(images)  # a whole path precedes a stem
    top = FolderTree(path.parent).top.real

    def is_inside(text: str) -> bool:
        file = Path(text)
        is_below = not file.is_absolute() and ".." not in file.parts and "\0" not in text
        return is_below and bool(file.parts) and not leads_outside(path.parent / file, top)

    expected = "the path of a file in this folder, and no link out of it"
    check_entries(path, table.heading, table.paths, is_inside, expected)
    files = list[Path]()
    for text in table.paths:
        name = printable_name(Path(text).as_posix())
        files.append(by_name.get(name, path.parent / text))
    return files


def read_targets(path: Path, columns: Columns, kind: str | None) -> TableTargets:
    """Return the targets in columns of a table.

    kind     `CLASSES` or `NUMBERS`; None: as in `read_table`
    Errors   FormatError, with the row, for an entry that is not of this kind, and for classes in several columns
    """
    numbers = np.array([list(map(number_in, texts)) for texts in columns.values()])
    kind = kind or kind_of_targets(numbers)
    are_whole = bool((numbers == np.rint(numbers)).all())
    if kind == CLASSES:
        names, classes = class_entries(path, columns)
        return TableTargets(kind, names, classes, are_whole)
    _check_numbers(path, columns)
    return TableTargets(kind, tuple(columns), numbers.T.tolist(), are_whole)


def kind_of_targets(numbers: Floats) -> str:
    """Return the kind of targets (columns, rows): `CLASSES`, `LABELS` or `NUMBERS`. Texts are NaN."""
    labels = np.unique(numbers)
    is_count = 2 <= len(labels) <= numbers.size / 2 and np.array_equal(labels, np.arange(len(labels)))
    if len(numbers) == 1 and (is_count or np.isnan(numbers).all()):
        return CLASSES
    return LABELS if {*labels.tolist()} <= {0, 1} else NUMBERS


def class_entries(path: Path, columns: Columns) -> tuple[tuple[str, ...], list[int]]:
    """Return the names of the classes in the only column, and the class of each row."""
    if len(columns) > 1:
        raise FormatError(f"{path}: the columns {', '.join(columns)}; expected one column of classes")
    ((column, texts),) = columns.items()
    check_entries(path, column, texts, lambda text: text.casefold() not in ("", "nan"), "a class")
    entries = list[str]()
    for text in texts:
        value = number_in(text)
        entries.append(str(int(value)) if value.is_integer() else printable_name(text))
    names = ordered_classes({*entries})
    place_of = dict(zip(names, range(len(names)), strict=True))
    return names, [place_of[name] for name in entries]


def _check_numbers(path: Path, columns: Columns) -> None:
    """Raise FormatError for the first entry that is no finite number."""
    expected = NUMBER
    if len(columns) == 1:
        expected += f" (for class names: {AS_CLASSES})"
    for column, texts in columns.items():
        check_entries(path, column, texts, is_number, expected)


def is_number(text: str) -> bool:
    """Return whether a text is a finite number."""
    return math.isfinite(number_in(text))


def number_in(text: str) -> float:
    """Return a number; NaN for other texts."""
    try:
        return float(text) if len(text) <= DIGITS else math.nan
    except ValueError:
        return math.nan


def _repeated(rows: Sequence[LabeledFile], folder: Path) -> list[str]:
    """Return a list with one line on rows with the image of an earlier row; [] if there are none."""
    first = {row.path: row for row in reversed(rows)}
    repeated = len(rows) - len(first)
    if not repeated:
        return []
    differing = list[str]()
    for row in rows:
        if row.target != first[row.path].target:
            differing.append(relative(row.path, folder))
    line = f"{repeated:,} rows have the image of an earlier row, {len(differing):,} of them with other targets"
    if differing:
        line += f": {', '.join(differing[:3])}"
    return [line]


def _parts(path: Path, rows: list[LabeledFile], sets: Sequence[str] | None) -> dict[str, list[LabeledFile]]:
    """Return the rows of each set; FormatError for an unknown set, or no training images.

    sets   entries of the column `SPLIT`; None: the rows are not divided
    """
    if sets is None:
        return {ALL: rows}
    part_of = dict[str, str]()
    for part, names in PART_NAMES.items():
        part_of |= dict.fromkeys(names, part)
    check_entries(path, SPLIT, sets, lambda text: text.casefold() in part_of, "train, val or test")
    rows_of: dict[str, list[LabeledFile]] = {part: [] for part in PART_NAMES}
    for row, text in zip(rows, sets, strict=True):
        rows_of[part_of[text.casefold()]].append(row)
    if not rows_of[TRAIN]:
        raise FormatError(f"{path}: {SPLIT}: no row is for training; expected train, val or test")
    return {part: own_rows for part, own_rows in rows_of.items() if own_rows}
