"""Layouts of image folders: which files are used, and the class, the numbers or the mask that belongs to each.

FOLDER/CLASS/…                  a subfolder for each class, with images at any depth
FOLDER/labels.csv               a table of the columns file and label, or file and numbers to predict
FOLDER/images, FOLDER/masks     images and, under the same names, masks of one channel whose values are labels

If there is a folder FOLDER/train, the images are divided: FOLDER/train/CLASS/…, and optionally test and validation.
"""

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from chainrule._io.reading import read_bytes
from chainrule.data.images import CONVERT, FORMATS_TEXT, SUFFIXES
from chainrule.errors import DataError, FormatError, printable, printable_name, quoted

ALL, TRAIN, VALIDATION, TEST = "all", "train", "validation", "test"
SET_NAMES = {  # other names that the folder of a set may have been given
    TRAIN: ("train", "training"),
    TEST: ("test", "testing"),
    VALIDATION: ("validation", "valid", "val"),
}
TABLE, FILE, LABEL = "labels.csv", "file", "label"  # the table, and the names of its columns
IMAGES, MASKS, CLASS_NAMES = "images", "masks", "classes.txt"
UNLABELED = 255  # value of the pixels of a mask that have no class
MAX_UNNAMED = 64  # maximum number of labels in masks without names
MAX_TABLE, MAX_NAMES = 1 << 26, 1 << 16  # bytes
MAX_COLUMNS = 1000
MAX_DIGITS = 40  # characters of a number
PHONE_SUFFIXES = (".heic", ".heif", ".hif", ".avif")
SYSTEM_FILES = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")  # ignored, as are names like .git
NO_IMAGE = "no image"  # reason why a file is not used
NAMED = 3  # maximum number of files named in an error


class LabeledFile(NamedTuple):
    """An image file, and its class, its numbers to predict, or the path of its mask."""

    path: Path
    target: int | list[float] | Path


@dataclass
class Layout:
    """The layout of an image folder.

    classes    printable names of the classes or of the numbers; numeric names of classes are sorted by value. Of masks,
               the lines of classes.txt; empty without this file
    parts      set → its images. The sets are "train", "validation" and "test", as far as they exist; if the images are
               not divided, there is only the set "all"
    left_out   path of each unused file, relative to the folder → reason
    """

    folder: Path
    classes: tuple[str, ...] = ()
    parts: dict[str, list[LabeledFile]] = field(default_factory=dict[str, list[LabeledFile]])
    left_out: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def paths(self) -> list[Path]:
        """Paths of the images of all sets."""
        paths = list[Path]()
        for files in self.parts.values():
            for file in files:
                paths.append(file.path)
        return paths

    def leave_out(self, path: Path, reason: str) -> None:
        """Record that a file is not used."""
        self.left_out[relative(path, self.folder)] = reason


def read_layout(folder: Path, min_classes: int = 2) -> Layout:
    """Return the layout of a folder. Hidden files and system files, such as Thumbs.db, are not mentioned.

    min_classes   minimum number of classes, 1 or 2

    Errors   DataError for a folder of another layout, too few classes or a class without images; FormatError, with the
             row, for an invalid table
    """
    roots = _sets(folder)
    layout = Layout(folder, parts={part: [] for part in roots})
    if os.path.isfile(folder / TABLE):
        _read_table(layout, min_classes)
    elif os.path.isfile(folder / "targets.csv"):
        columns = f"the columns {FILE} and {LABEL}, or {FILE} and numbers"
        raise DataError(f"{folder}: targets.csv is not read; expected a table {TABLE} with {columns}")
    elif has_masks(folder):
        layout.classes = _class_names(folder / CLASS_NAMES)
        for part, root in roots.items():
            layout.parts[part] = _pairs(layout, root)
    else:
        _read_classes(layout, roots, min_classes)
    if ALL not in roots:
        for path, _ in files_below(folder):
            if path.relative_to(folder).parts[0] not in (*roots, TABLE, CLASS_NAMES):
                layout.leave_out(path, f"outside of {', '.join(roots)}")
    layout.left_out = dict(sorted(layout.left_out.items()))
    return layout


def relative(path: Path, top: Path) -> str:
    """Return the path of a file relative to a folder, for use in messages."""
    return printable_name(path.relative_to(top).as_posix())


def has_masks(folder: Path) -> bool:
    """Return whether a folder, or its training set, contains the subfolders `images` and `masks`, and no table."""
    top = folder / TRAIN if os.path.isdir(folder / TRAIN) else folder
    return all(os.path.isdir(top / name) for name in (IMAGES, MASKS)) and not os.path.isfile(folder / TABLE)


def _sets(folder: Path) -> dict[str, Path]:
    """Return set → folder; "all" if there is no folder train.

    Errors   DataError for a folder with another name of a set, whose images could also be those of a class
    """
    roots = dict[str, Path]()
    for entry in _visible_entries(folder):
        if not _is_folder(entry):
            continue
        for part, names in SET_NAMES.items():
            if entry.name == part:
                roots[part] = folder / part
            elif entry.name.casefold() in names:
                advice = f"rename it to {part} or, if it is a class, to another name"
                raise DataError(f"{folder / entry.name}: {advice}")
    if not roots:
        return {ALL: folder}
    if TRAIN not in roots:
        raise DataError(f"{folder}: contains {' and '.join(roots)}, but no folder {TRAIN}")
    return {part: roots[part] for part in (TRAIN, VALIDATION, TEST) if part in roots}


# ------------------------------------------------------------------ files


def images_below(folder: Path) -> list[tuple[Path, str | None]]:
    """Return the files of `files_below` that are images or could be: also links and what cannot be read."""
    return [file for file in files_below(folder) if file[1] != NO_IMAGE]


def files_below(folder: Path) -> list[tuple[Path, str | None]]:
    """Return the visible files in and below a folder, sorted, with the reason why each is not read; None for images.

    Links are not followed: they may lead out of the folder, or to an image that is used already.

    Errors   DataError if the folder itself cannot be listed
    """
    files = list[tuple[Path, str | None]]()
    pending = [folder]
    while pending:
        inner = pending.pop()
        try:
            entries = _visible_entries(inner)
        except DataError as error:
            if inner == folder:
                raise
            files.append((inner, str(error).removeprefix(f"{inner}: ")))
            continue
        for entry in entries:
            path = inner / entry.name
            if _is_folder(entry):
                pending.append(path)
            else:
                files.append((path, _reason(entry, path.suffix.lower())))
    files.sort(key=lambda file: file[0].parts)
    return files


def _visible_entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Return the visible entries of a folder, sorted by name; DataError if it cannot be listed."""
    try:
        with os.scandir(folder) as scan:
            entries = [entry for entry in scan if _is_visible(entry.name)]
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return sorted(entries, key=lambda entry: entry.name)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in SYSTEM_FILES


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a folder and no link to one; False if this cannot be determined."""
    try:
        return entry.is_dir(follow_symlinks=False) and not _is_junction(entry)
    except OSError:
        return False


def _is_junction(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a junction, a link to a folder on Windows. Requires Python 3.12; otherwise False."""
    return getattr(entry, "is_junction", bool)()


def _reason(entry: "os.DirEntry[str]", suffix: str) -> str | None:
    """Return why a file is not read; None for an image."""
    try:
        is_link = entry.is_symlink() or _is_junction(entry)
        is_regular = entry.is_file(follow_symlinks=False)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if is_link:
        return "a link, which is not followed; copy the file"
    if not is_regular:
        return "no regular file"
    if suffix in PHONE_SUFFIXES:
        return f"{suffix[1:].upper()}, which is not read; {CONVERT}"
    return None if suffix in SUFFIXES else NO_IMAGE


# ------------------------------------------------------------------ subfolders of classes


def _read_classes(layout: Layout, roots: Mapping[str, Path], min_classes: int) -> None:
    """Add the images in subfolders of classes to a layout."""
    folders = {part: _class_folders(layout, root) for part, root in roots.items()}
    first, *others = roots
    for part in others:  # a network has the same classes on all sets
        _check_same(roots[first], {*folders[first]}, roots[part], {*folders[part]})
    layout.classes = ordered_classes(folders[first])
    _check_count(roots[first], layout.classes, folders[first], min_classes)
    for part, files in layout.parts.items():
        for label, name in enumerate(layout.classes):
            paths = list[Path]()
            for folder in folders[part][name]:
                paths += _usable(layout, folder)
            if not paths:
                folder = folders[part][name][0]
                raise DataError(f"{folder}: expected {FORMATS_TEXT} images, found {_contents(folder)}")
            for path in paths:
                files.append(LabeledFile(path, label))


def _class_folders(layout: Layout, root: Path) -> dict[str, list[Path]]:
    """Return the folders of each class in a set; names in other Unicode normal forms are the same. Record the files."""
    folders = dict[str, list[Path]]()
    for entry in _visible_entries(root):
        path = root / entry.name
        if _is_folder(entry):
            folders.setdefault(printable_name(entry.name), []).append(path)
        else:
            layout.leave_out(path, _reason(entry, path.suffix.lower()) or "image outside the folders of classes")
    return folders


def _usable(layout: Layout, folder: Path) -> list[Path]:
    """Return the images below a folder that may be opened, and record the other files."""
    paths = list[Path]()
    for path, problem in files_below(folder):
        if problem is None:
            paths.append(path)
        else:
            layout.leave_out(path, problem)
    return paths


def _check_same(first: Path, first_names: set[str], second: Path, second_names: set[str]) -> None:
    lacking = list[str]()
    for path, names in ((second, first_names - second_names), (first, second_names - first_names)):
        if names:
            lacking.append(f"{path} has no class {', '.join(map(repr, sorted(names)))}")
    if lacking:
        raise DataError(f"{' and '.join(lacking)}; expected the same classes in {first.name} and {second.name}")


def _check_count(root: Path, classes: Sequence[str], folders: Mapping[str, Sequence[Path]], min_classes: int) -> None:
    """Raise DataError for fewer classes than ``min_classes``, with the names of folders that may be the classes."""
    if not classes:
        expected = f"expected one subfolder of images per class, or a table {TABLE}"
        raise DataError(f"{root}: {expected}, found {_contents(root)}")
    if len(classes) >= min_classes:
        return
    problem = f"{root}: only one class, {classes[0]!r}; expected at least two"
    inner = list[str]()
    for entry in _visible_entries(folders[classes[0]][0]):
        if _is_folder(entry):
            inner.append(printable(entry.name))
    if inner:
        problem += f"; if its subfolders ({', '.join(inner[:NAMED])}) are the classes, load {classes[0]}"
    raise DataError(problem)


def _contents(folder: Path) -> str:
    """Describe the first few entries of a folder, with advice on images of phones."""
    names = list[str]()
    for entry in _visible_entries(folder):
        names.append(printable(entry.name))
    if not names:
        return "nothing"
    contents = f"only {', '.join(names[:NAMED])}"
    if len(names) > NAMED:
        contents += f" and {len(names) - NAMED} more"
    if any(name.lower().endswith(PHONE_SUFFIXES) for name in names):
        contents += f"; {CONVERT}"
    return contents


def ordered_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of classes, sorted by value if all of them are numbers."""
    in_order = sorted(names)
    if all(name.isdecimal() for name in in_order):
        in_order.sort(key=int)
    return tuple(in_order)


# ------------------------------------------------------------------ table


def _read_table(layout: Layout, min_classes: int) -> None:
    """Add the images that a table lists to a layout, with their classes or numbers."""
    path = layout.folder / TABLE
    names, *rows = _rows(path)
    place = names.index(FILE)
    paths = _listed_paths(layout, place, rows)
    targets = list[int | list[float]]()
    if LABEL in names:
        labels = [_label(path, number, row[1 - place]) for number, row in enumerate(rows, 2)]
        layout.classes = ordered_classes({*labels})
        if len(layout.classes) < min_classes:
            raise DataError(f"{path}: only one class, {layout.classes[0]!r}; expected at least two")
        place_of = dict(zip(layout.classes, range(len(layout.classes)), strict=True))
        for label in labels:
            targets.append(place_of[label])
    else:
        layout.classes = (*names[:place], *names[place + 1 :])
        for number, row in enumerate(rows, 2):
            targets.append(_numbers(path, number, names, row))
    for image, target in zip(paths, targets, strict=True):
        part = image.relative_to(layout.folder).parts[0]
        layout.parts[ALL if ALL in layout.parts else part].append(LabeledFile(image, target))
    layout.parts = {part: files for part, files in layout.parts.items() if files}
    if not {ALL, TRAIN} & layout.parts.keys():
        raise FormatError(f"{path}: no row has a file in {TRAIN}")


def _rows(path: Path) -> list[list[str]]:
    """Return the rows of a table, its heading first; FormatError for another heading or rows of other lengths."""
    try:
        text = read_bytes(path, MAX_TABLE, DataError).decode("utf-8-sig")
        rows = list[list[str]]()
        for line in csv.reader(io.StringIO(text, newline=""), strict=True):
            if line:  # the file may end in empty lines
                rows.append(list(map(str.strip, line)))
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not text in UTF-8") from None
    except csv.Error as error:
        raise FormatError(f"{path}: {error}") from None
    names = list[str]()
    for row in rows[:1]:
        names += map(printable_name, row)
    are_names = len({*names} - {""}) == len(names) and FILE in names and 2 <= len(names) <= 1 + MAX_COLUMNS
    if not are_names or (LABEL in names and len(names) > 2):
        expected = f"expected the heading {FILE},{LABEL}, or {FILE} and the names of numbers"
        raise FormatError(f"{path}: {expected}, found {quoted(','.join(names))}")
    if len(rows) < 2:
        raise DataError(f"{path}: there are no rows below the heading")
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise FormatError(
                f"{path}, row {number}: expected {len(names)} entries, as in the heading, found {len(row)}"
            )
    return [names, *rows[1:]]


def _listed_paths(layout: Layout, column: int, rows: Sequence[Sequence[str]]) -> list[Path]:
    """Return the path of the image in each row, and record the images that no row lists.

    Errors   FormatError for a file that is not in the folder or its sets, is no image, or is listed twice
    """
    folder = layout.folder
    files = dict[str, tuple[Path, str | None]]()
    for path, problem in files_below(folder):
        files[relative(path, folder)] = path, problem
    row_of = dict[str, int]()
    paths = list[Path]()
    for number, row in enumerate(rows, 2):
        name = printable_name(row[column])
        path, problem = files.get(name, (folder, "is not in the folder; expected a path such as sub/name.png"))
        if problem is None and name in row_of:
            problem = f"is in row {row_of[name]} already"
        if problem is None and ALL not in layout.parts and name.partition("/")[0] not in layout.parts:
            problem = f"is outside of {', '.join(layout.parts)}"
        if problem is not None:
            raise FormatError(f"{folder / TABLE}, row {number}: {quoted(row[column])}: {problem}")
        row_of[name] = number
        paths.append(path)
    for name, (_, problem) in files.items():
        if name not in (TABLE, *row_of):
            layout.left_out[name] = problem or f"not in {TABLE}"
    return paths


def _label(path: Path, row: int, entry: str) -> str:
    """Return the name of a class in a table; FormatError if it is missing."""
    if entry.casefold() in ("", "nan"):
        raise FormatError(f"{path}, row {row}: expected the name of a class, found {quoted(entry)}")
    return printable_name(entry)


def _numbers(path: Path, row: int, names: Sequence[str], entries: Sequence[str]) -> list[float]:
    """Return the numbers in a row of a table; FormatError for an entry that is no finite number."""
    numbers = list[float]()
    for name, entry in zip(names, entries, strict=True):
        if name == FILE:
            continue
        number = math.nan
        if len(entry) <= MAX_DIGITS:
            with suppress(ValueError):
                number = float(entry)
        if not math.isfinite(number):
            expected = f"expected a number, such as 0.5; names of classes are in a column {LABEL}"
            raise FormatError(f"{path}, row {row}: {name}: {expected}; found {quoted(entry)}")
        numbers.append(number)
    return numbers


# ------------------------------------------------------------------ masks


def _pairs(layout: Layout, root: Path) -> list[LabeledFile]:
    """Return the images of a set with their masks, and record the other files.

    Errors   DataError for an image without a mask, or if two images or two masks have the same name
    """
    images = _paths_by_name(layout, root / IMAGES)
    masks = _paths_by_name(layout, root / MASKS)
    if not images:
        raise DataError(f"{root / IMAGES}: no images in this folder")
    pairs = list[LabeledFile]()
    for name, path in images.items():
        if name not in masks:
            raise DataError(f"{path}: there is no mask {root / MASKS / name}.png")
        pairs.append(LabeledFile(path, masks.pop(name)))
    for path in masks.values():
        layout.leave_out(path, "mask without an image")
    for entry in _visible_entries(root):
        if entry.name not in (IMAGES, MASKS, CLASS_NAMES):
            layout.leave_out(root / entry.name, f"outside of {IMAGES} and {MASKS}")
    return pairs


def _paths_by_name(layout: Layout, folder: Path) -> dict[str, Path]:
    """Return the images in a folder by their path in it, without the suffix; record the other files."""
    paths = dict[str, Path]()
    for path in _usable(layout, folder):
        name, _ = os.path.splitext(relative(path, folder))
        if paths.setdefault(name, path) is not path:
            both = f"{paths[name]} and {path.name}"
            raise DataError(f"{both}: an image and its mask have the same name, apart from the suffix; remove one")
    return paths


def _class_names(path: Path) -> tuple[str, ...]:
    """Return the names of the classes, which are the lines of classes.txt; () without this file or names."""
    if not os.path.isfile(path):
        return ()
    try:
        lines = read_bytes(path, MAX_NAMES, DataError).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not text in UTF-8") from None
    names = list[str]()
    for line in map(str.strip, lines):
        if line:
            names.append(printable(line))
    if len(names) > UNLABELED:
        raise DataError(f"{path}: {len(names)} names; expected at most {UNLABELED}")
    return tuple(names)
