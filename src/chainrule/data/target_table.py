"""The table targets.csv of an image folder: the class or the targets of each image, and what it belongs to."""

import csv
import io
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from chainrule._io.reading import read_bytes
from chainrule.data.folder_layout import (
    ALL,
    CLASSES,
    PART_NAMES,
    TABLE,
    TRAIN,
    Layout,
    Row,
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
DELIMITERS = ",;\t"
AS_CLASSES, AS_NUMBERS = '--classes or targets="classes"', '--regression or targets="numbers"'
MAX_TABLE, MOST_TARGETS = 1 << 26, 1000  # maximum bytes of the table; maximum number of targets
MISSING = ("", "nan")  # entries without a value
DIGITS = 40  # maximum number of characters of a number

Columns = dict[str, Sequence[str]]


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
    images = [image for image, _ in images_below(folder)]
    files = _files(path, heading, columns.pop(heading), images)
    weights, groups, splits = (columns.pop(name, None) for name in (WEIGHT, GROUP, SPLIT))
    if groups is not None:
        _check(path, GROUP, groups, bool, "a name or number")
    if weights is not None:
        _check(path, WEIGHT, weights, lambda text: 0 <= _number(text) < math.inf, "a weight of at least 0")
    kind = targets or (CLASSES if len(columns) == 1 and _are_classes(*columns.values()) else None)
    is_class = kind == CLASSES
    names, answers = (_classes if is_class else _numbers)(path, columns)
    if is_class and len(names) < min_classes:
        raise DataError(f"{path}: only one class, {names[0]!r}; expected at least two")
    rows = [
        Row(file, answers[place], _number(weights[place]) if weights else None, groups[place] if groups else None)
        for place, file in enumerate(files)
    ]
    unused = {relative(image, folder) for image in images} - {relative(file, folder) for file in files}
    notes = (_interpretation(heading, columns, kind), *_repeated(rows, folder))
    layout = Layout(folder, names, _parts(path, rows, splits), has_classes=is_class, notes=notes)
    layout.left_out += [LeftOut(name, f"not in {TABLE}") for name in sorted(unused)]
    return with_test_set(layout)


def _columns(path: Path) -> Columns:
    """Return the entries of each column, by heading. Headings with a meaning are in lower case."""
    heading, *lines = _lines(path) or [[]]
    names = [printable_name(name) for name in heading]
    names = [lower if (lower := name.casefold()) in (*FILES, WEIGHT, GROUP, SPLIT) else name for name in names]
    file = next((name for name in FILES if name in names), "")
    targets = {*names} - {file, WEIGHT, GROUP, SPLIT}
    if not file or not targets or len({*names}) < len(names) or "" in targets:
        expected = f"expected a heading of {FILES[0]!r} and the names of the targets, each once"
        others = f"{FILES[0]!r} may also be {', '.join(FILES[1:])}"
        raise FormatError(f"{path}: {expected}; found {quoted(','.join(names))}; {others}")
    if len(targets) > MOST_TARGETS:
        raise FormatError(f"{path}: {len(targets)} columns; expected at most {MOST_TARGETS}")
    if not lines:
        raise DataError(f"{path}: there are no rows below the heading")
    for number, line in enumerate(lines, 2):
        if len(line) != len(names):
            raise FormatError(f"{path}, row {number}: {len(line)} columns; the heading has {len(names)}")
    return dict(zip(names, zip(*lines, strict=True), strict=True))


def _lines(path: Path) -> list[list[str]]:
    """Return the entries of the rows of a table, separated by the mark with which its heading names the files."""
    try:
        text = read_bytes(path, MAX_TABLE, DataError).decode("utf-8-sig")
        heading = text.partition("\n")[0].casefold()
        separated = ({name.strip('"\r ') for name in heading.split(mark)} & {*FILES} for mark in DELIMITERS)
        mark = next((mark for mark, files in zip(DELIMITERS, separated, strict=True) if files), DELIMITERS[0])
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
        return [[entry.strip() for entry in line] for line in lines if line]
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not text in UTF-8") from None
    except csv.Error as error:
        raise FormatError(f"{path}: {error}") from None


def _check(path: Path, column: str, texts: Sequence[str], accepts: Callable[[str], object], expected: str) -> None:
    """Raise FormatError for the first entry of a column that is not accepted."""
    for row, text in enumerate(texts, 2):
        if not accepts(text):
            raise FormatError(f"{path}, row {row}: {column}: expected {expected}, found {quoted(text)}")


def _files(path: Path, heading: str, texts: Sequence[str], images: Sequence[Path]) -> list[Path]:
    """Return the file of each row: an image with this path, in any Unicode normal form, also without its suffix."""
    names = {relative(image, path.parent): image for image in images}
    stems = Counter(os.path.splitext(name)[0] for name in names)
    by_name = {os.path.splitext(name)[0]: image for name, image in names.items()}
    by_name = {name: image for name, image in by_name.items() if stems[name] == 1} | names
    top = FolderTree(path.parent).top.real

    def is_inside(text: str) -> bool:
        file = Path(text)
        is_below = not file.is_absolute() and ".." not in file.parts and "\0" not in text
        return is_below and bool(file.parts) and not leads_outside(path.parent / file, top)

    _check(path, heading, texts, is_inside, "the path of a file in this folder, and no link out of it")
    return [by_name.get(printable_name(Path(text).as_posix()), path.parent / text) for text in texts]


def _are_classes(texts: Sequence[str]) -> bool:
    """Return whether no entry of a column is a number, or all are the numbers 0 … K − 1, each twice on average."""
    values = np.array([*map(_number, texts)])
    labels = np.unique(values)
    is_count = 2 <= len(labels) <= len(values) / 2 and np.array_equal(labels, np.arange(len(labels)))
    return is_count or (any(map(_is_given, texts)) and not np.isfinite(values).any())


def _classes(path: Path, columns: Columns) -> tuple[tuple[str, ...], list[int]]:
    """Return the names of the classes in the only column, and the class of each row."""
    if len(columns) > 1:
        raise FormatError(f"{path}: the columns {', '.join(columns)}; expected one column of classes")
    ((column, texts),) = columns.items()
    _check(path, column, texts, _is_given, "a class")
    entries = [str(int(value)) if (value := _number(text)).is_integer() else printable_name(text) for text in texts]
    names = ordered_classes({*entries})
    number = {name: place for place, name in enumerate(names)}
    return names, [number[name] for name in entries]


def _numbers(path: Path, columns: Columns) -> tuple[tuple[str, ...], list[list[float]]]:
    """Return the names of the columns, and the numbers of each row."""
    expected = "a number, such as 0.5" + ("" if len(columns) > 1 else f" (for class names: {AS_CLASSES})")
    for column, texts in columns.items():
        _check(path, column, texts, lambda text: math.isfinite(_number(text)), expected)
    return tuple(columns), [[*map(_number, row)] for row in zip(*columns.values(), strict=True)]


def _is_given(text: str) -> bool:
    return text.casefold() not in MISSING


def _number(text: str) -> float:
    """Return a number; NaN for other texts."""
    try:
        return float(text) if len(text) <= DIGITS else math.nan
    except ValueError:
        return math.nan


def _interpretation(heading: str, columns: Columns, kind: str | None) -> str:
    """Describe how the columns are read, with the option that changes it.

    kind   `CLASSES`, `NUMBERS`, or None for numbers that are labels if all are 0 or 1
    """
    values = np.array([_number(text) for texts in columns.values() for text in texts])
    is_label = kind is None and bool(((values == 0) | (values == 1)).all())
    content, other = CLASSES if kind == CLASSES else "labels, 0 or 1," if is_label else "numbers to predict", ""
    if (values == np.rint(values)).all() and (kind == CLASSES or is_label):
        other = f"; for numbers to predict: {AS_NUMBERS}"
    elif (values == np.rint(values)).all() and len(columns) == 1:
        other = f"; for classes: {AS_CLASSES}"
    return f"{TABLE}: files in the column {heading}, {content} in {', '.join(columns)}{other}"


def _repeated(rows: Sequence[Row], folder: Path) -> list[str]:
    """Return a list with one line on images in several rows, which names one with different targets if there is one."""
    places = defaultdict[Path, list[int]](list)
    for place, row in enumerate(rows):
        places[row.path].append(place)
    repeated = sorted(
        (len({str(rows[place].target) for place in same}) == 1, same) for same in places.values() if len(same) > 1
    )
    if not repeated:
        return []
    differing, (_, (first, second, *_)) = sum(not consistent for consistent, _ in repeated), repeated[0]
    example = f"{relative(rows[first].path, folder)} in the rows {first + 2} and {second + 2}"
    return [f"{len(repeated):,} images are in several rows, {differing:,} of them with different targets: {example}"]


def _parts(path: Path, rows: list[Row], splits: Sequence[str] | None) -> dict[str, list[Row]]:
    """Return the rows of each set; FormatError for an unknown set, or no training images."""
    if splits is None:
        return {ALL: rows}
    part_of = {name: part for part, names in PART_NAMES.items() for name in names}
    _check(path, SPLIT, splits, lambda text: text.casefold() in part_of, "train, val or test")
    parts = {part: list[Row]() for part in PART_NAMES if part in {part_of[text.casefold()] for text in splits}}
    for row, text in zip(rows, splits, strict=True):
        parts[part_of[text.casefold()]].append(row)
    if TRAIN not in parts:
        raise FormatError(f"{path}: {SPLIT}: no row is for training; expected train, val or test")
    return parts
