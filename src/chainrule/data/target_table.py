"""The table targets.csv of an image folder: the class or the targets of each image, and what it belongs to."""

import csv
import io
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

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
WEIGHT, GROUP, SPLIT = "weight", "group", "split"  # columns that are no targets
LABELS = "labels, 0 or 1,"  # kind of targets beside `CLASSES` and `NUMBERS`
AS_CLASSES, AS_NUMBERS = '--classes or targets="classes"', '--regression or targets="numbers"'
MAX_TABLE, MOST_TARGETS = 1 << 26, 1000  # maximum bytes of the table; maximum number of targets
DIGITS = 40  # maximum number of characters of a number

Columns = dict[str, Sequence[str]]
Numbers = Floats


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
    columns = _columns(path)
    heading = next(name for name in FILES if name in columns)
    # Columns with a meaning are taken out one after the other. Those that remain are the targets.
    images = {relative(image, folder): image for image, _ in images_below(folder)}
    files = _files(path, heading, columns.pop(heading), images)
    groups = columns.pop(GROUP, [None] * len(files))
    splits = columns.pop(SPLIT, None)
    weights: list[float | None] = [None] * len(files)
    if WEIGHT in columns:
        weights = [number_in(text) for text in columns.pop(WEIGHT)]
    check_entries(path, GROUP, groups, lambda group: group != "", "a name or number")
    check_entries(
        path, WEIGHT, weights, lambda weight: weight is None or 0 <= weight < math.inf, "a weight of at least 0"
    )
    numbers = np.array([[*map(number_in, texts)] for texts in columns.values()])
    target_kind = targets or kind_of_targets(numbers)
    if target_kind == CLASSES:
        class_names, labels_or_numbers = class_entries(path, columns)
        if len(class_names) < min_classes:
            raise DataError(f"{path}: only one class, {class_names[0]!r}; expected at least two")
    else:
        class_names, labels_or_numbers = number_entries(path, columns, numbers)
    labeled_files = [*map(LabeledFile, files, labels_or_numbers, weights, groups)]
    as_classes = AS_CLASSES if len(columns) == 1 else ""  # the classes are in a single column
    alternative = as_classes if target_kind == NUMBERS else AS_NUMBERS
    all_whole = bool((numbers == np.rint(numbers)).all())  # only whole numbers may be either kind of target
    note = f"{TABLE}: files in the column {heading}, {target_kind} in {', '.join(columns)}"
    note += f"; to change it: {alternative}" if all_whole and alternative else ""
    used = {relative(file, folder) for file in files}
    left_out = [LeftOut(name, f"not in {TABLE}") for name in sorted(images) if name not in used]
    notes = (note, *_repeated(labeled_files, folder))
    return with_test_set(
        Layout(folder, class_names, _parts(path, labeled_files, splits), left_out, notes, target_kind == CLASSES)
    )


def _columns(path: Path) -> Columns:
    """Return the entries of each column, by heading. Headings with a meaning are in lower case.

    The lines "File,age" and "a.png,3" become {"file": ("a.png",), "age": ("3",)}.

    Errors   FormatError for an unusable heading, or a row of another length; DataError if there are no rows
    """
    heading, *lines = table_lines(path) or [[]]  # an empty file has an empty heading
    meanings = (*FILES, WEIGHT, GROUP, SPLIT)
    names = list[str]()
    for text in heading:
        name = printable_name(text)
        names.append(name.casefold() if name.casefold() in meanings else name)
    file = next((name for name in FILES if name in names), "")
    targets = {*names} - {file, WEIGHT, GROUP, SPLIT}
    are_distinct = len({*names} - {""}) == len(names)  # and none is empty
    if not file or not 0 < len(targets) <= MOST_TARGETS or not are_distinct:
        expected = f"expected a heading of {FILES[0]!r} and the names of at most {MOST_TARGETS} targets, each once"
        others = f"{FILES[0]!r} may also be {', '.join(FILES[1:])}"
        raise FormatError(f"{path}: {expected}; found {quoted(','.join(names))}; {others}")
    return columns_of(path, names, lines)


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
        mark = max(",;\t", key=re.sub('".*?"', "", text.partition("\n")[0]).count)
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
        return [[entry.strip() for entry in line] for line in lines if line]
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not text in UTF-8") from None
    except csv.Error as error:
        raise FormatError(f"{path}: {error}") from None


def check_entries(
    path: Path, column: str, entries: Sequence[Any], accepts: Callable[[Any], bool], expected: str
) -> None:
    """Raise FormatError for the first entry of a column that is not accepted."""
    for row, entry in enumerate(entries, 2):
        if not accepts(entry):
            raise FormatError(f"{path}, row {row}: {column}: expected {expected}, found {quoted(entry)}")


def _files(path: Path, heading: str, texts: Sequence[str], images: Mapping[str, Path]) -> list[Path]:
    """Return the file of each row: an image with this path, in any Unicode normal form, also without its suffix.

    A file that is no image of the folder is returned as written, so that reading it raises the error.

    images   path relative to the folder → path
    """
    with_stem = defaultdict[str, list[Path]](list)
    for name, image in images.items():
        stem, _ = os.path.splitext(name)
        with_stem[stem].append(image)
    unique = {stem: alike[0] for stem, alike in with_stem.items() if len(alike) == 1}
    by_name = {**unique, **images}
    top = FolderTree(path.parent).top.real

    def is_inside(text: str) -> bool:
        file = Path(text)
        is_below = not file.is_absolute() and ".." not in file.parts and "\0" not in text
        return is_below and bool(file.parts) and not leads_outside(path.parent / file, top)

    check_entries(path, heading, texts, is_inside, "the path of a file in this folder, and no link out of it")
    return [by_name.get(printable_name(Path(text).as_posix()), path.parent / text) for text in texts]


def kind_of_targets(numbers: Numbers) -> str:
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
    place_of = {name: place for place, name in enumerate(names)}
    return names, [place_of[name] for name in entries]


def number_entries(path: Path, columns: Columns, numbers: Numbers) -> tuple[tuple[str, ...], list[list[float]]]:
    """Return the names of the columns, and the numbers of each row."""
    expected = "a number, such as 0.5" + ("" if len(columns) > 1 else f" (for class names: {AS_CLASSES})")
    for column, texts in columns.items():
        check_entries(path, column, texts, lambda text: math.isfinite(number_in(text)), expected)
    return tuple(columns), numbers.T.tolist()


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
    differing = [relative(row.path, folder) for row in rows if row.target != first[row.path].target]
    line = f"{repeated:,} rows have the image of an earlier row, {len(differing):,} of them with other targets"
    if differing:
        line += f": {', '.join(differing[:3])}"
    return [line]


def _parts(path: Path, rows: list[LabeledFile], splits: Sequence[str] | None) -> dict[str, list[LabeledFile]]:
    """Return the rows of each set; FormatError for an unknown set, or no training images."""
    if splits is None:
        return {ALL: rows}
    part_of = dict[str, str]()
    for part, names in PART_NAMES.items():
        part_of |= dict.fromkeys(names, part)
    check_entries(path, SPLIT, splits, lambda text: text.casefold() in part_of, "train, val or test")
    rows_of: dict[str, list[LabeledFile]] = {part: [] for part in PART_NAMES}
    for row, text in zip(rows, splits, strict=True):
        rows_of[part_of[text.casefold()]].append(row)
    if not rows_of[TRAIN]:
        raise FormatError(f"{path}: {SPLIT}: no row is for training; expected train, val or test")
    return {part: own_rows for part, own_rows in rows_of.items() if own_rows}
