"""Targets of images: a table targets.csv in a folder of images, with numbers to predict or labels of yes and no."""

import csv
import io
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from chainrule._io.reading import read_bytes
from chainrule.data.dataset import Dataset
from chainrule.data.folder import ImageReader
from chainrule.data.folder_tree import FolderTree, leads_outside
from chainrule.errors import DataError, FormatError, OptionError, printable, quoted

TABLE = "targets.csv"
FILE, WEIGHT = "file", "weight"
LARGEST, MOST_TARGETS = 1 << 26, 1000  # bytes of a table; targets of an image
DIGITS = 40  # characters of a number

Row = tuple[Path, list[float]]


def has_targets(folder: Path) -> bool:
    """Return whether a folder holds a table of targets."""
    return os.path.isfile(folder / TABLE)  # unlike Path.is_file, it does not raise for a folder that is not accessible


def load_targets(
    folder: Path,
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    skip_damaged: bool = False,
) -> tuple[Dataset, Dataset]:
    """Read (training set, test set) from FOLDER/targets.csv and the image files that it names.

    The table has a heading. The column `file` holds paths relative to the folder, `weight`, which may be missing, the
    weight of each image in the loss, and every other column a target, whose name is the heading.

    size, channels, skip_damaged   as for `load_folder`
    test_share   share of the images that becomes the test set, chosen by `seed`

    Errors   FormatError naming the line of the table that is wrong; DataError for images that cannot be used
    """
    if size is not None and min(size) < 1:
        raise OptionError(f"images cannot be resized to {size}; expected a height and a width of at least 1")
    names, rows = _table(folder)
    reader = ImageReader(folder, size, channels)
    images, places = reader.read([(path, place) for place, (path, _) in enumerate(rows)])
    reader.check(skip_damaged)
    if not images:
        raise DataError(f"{folder}: every image of {TABLE} is damaged")
    values = np.array([rows[place][1] for place in places])
    weights = values[:, names.index(WEIGHT)] if WEIGHT in names else None
    kept = [place for place, name in enumerate(names) if name != WEIGHT]
    x = np.empty((len(images), max(map(len, images)), *images[0].shape[1:]), np.uint8)
    for place, image in enumerate(images):
        x[place] = image  # grey images among colour ones get equal channels
    data = Dataset(x, values[:, kept], tuple(names[place] for place in kept), folder.name, str(folder))
    return replace(data, weights=weights).split(test_share, seed)


def file_names(folder: Path) -> list[Path]:
    """Return the image files that the table of a folder names."""
    return [path for path, _ in _table(folder)[1]]


def _table(folder: Path) -> tuple[list[str], list[Row]]:
    """Return the names of the columns other than `file`, and of each row its file and its numbers."""
    path = folder / TABLE
    try:
        text = read_bytes(path, LARGEST, DataError).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not text in UTF-8") from None
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise FormatError(f"{path}: {error}") from None
    heading = [printable(name.strip()) for name in lines[0]] if lines else []
    names = [name for name in heading if name != FILE]
    if heading.count(FILE) != 1 or not {*names} - {WEIGHT} or len({*names}) < len(names) or "" in names:
        expected = f"expected a heading of {FILE!r} and the names of the targets, each once"
        raise FormatError(f"{path}: {expected}; found {quoted(','.join(heading))}")
    if len(names) > MOST_TARGETS:
        raise FormatError(f"{path}: {len(names)} columns; expected at most {MOST_TARGETS}")
    if len(lines) == 1:
        raise DataError(f"{path}: no image is named below the heading")
    rows = [_row(folder, heading, line, number) for number, line in enumerate(lines[1:], 2)]
    top = FolderTree(folder).top.real
    outside = next((number for number, (file, _) in enumerate(rows, 2) if leads_outside(file, top)), None)
    if outside is not None:
        raise FormatError(f"{path}, row {outside}: {quoted(rows[outside - 2][0].name)} is a link out of this folder")
    return names, rows


def _row(folder: Path, heading: list[str], line: list[str], number: int) -> Row:
    """Return the file and the numbers of a row; FormatError when it has another length, or no number."""
    where = f"{folder / TABLE}, row {number}"
    if len(line) != len(heading):
        raise FormatError(f"{where}: {len(line)} columns; the heading has {len(heading)}")
    place = heading.index(FILE)
    relative = Path(line[place].strip())
    if relative.is_absolute() or ".." in relative.parts or "\0" in line[place] or not relative.parts:
        raise FormatError(f"{where}: {quoted(line[place])} is no path of a file in this folder")
    found = [_number(text) for column, text in enumerate(line) if column != place]
    for name, value in zip((name for name in heading if name != FILE), found, strict=True):
        if not math.isfinite(value) or (name == WEIGHT and value < 0):
            raise FormatError(f"{where}: {name}: expected a {'weight of at least 0' if name == WEIGHT else 'number'}")
    return folder / relative, found


def _number(text: str) -> float:
    try:
        return float(text) if len(text) <= DIGITS else math.nan
    except ValueError:
        return math.nan
