"""Layout of an image folder: its parts, its classes, their image files, and all other files."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chainrule.data.images import CONVERT, FORMATS_TEXT, SUFFIXES
from chainrule.data.inventory import LeftOut
from chainrule.errors import DataError, printable

ALL, TRAIN, VALIDATION, TEST = "all", "train", "validation", "test"
PART_NAMES = {
    TRAIN: ("train", "training"),
    VALIDATION: ("val", "valid", "validation"),
    TEST: ("test", "testing"),
}
QUIET = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")  # ignored, like names that begin with a dot
TELEPHONE = (".heic", ".heif", ".hif", ".avif")
OTHER_IMAGES = (
    *(".gif", ".bmp", ".svg", ".psd", ".jxl", ".jp2", ".ico", ".tga", ".ppm", ".pgm", ".eps", ".pdf"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw", ".rw2", ".orf"),
)


@dataclass
class Layout:
    """The image files of a folder.

    classes   class names, numbers sorted by value; unprintable characters are escaped
    parts     "all", or those of "train", "validation" and "test" that exist → (file, class index)
    left_out  everything that is not an image file of a class
    notes     remarks on how the folder was interpreted, where that may surprise
    """

    folder: Path
    classes: tuple[str, ...]
    parts: dict[str, list[tuple[Path, int]]] = field(default_factory=dict[str, list[tuple[Path, int]]])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    notes: tuple[str, ...] = ()


def read_layout(folder: Path) -> Layout:
    """Determine the layout of a folder: FOLDER/CLASS/…, or FOLDER/train/CLASS/… with `val` and `test` beside it.

    Every image at any depth below a class folder belongs to that class. Hidden files and system files (`__MACOSX`,
    `Thumbs.db`) are ignored and not reported.

    Errors   DataError when there is no class or only one, a class has no image, or parts have different classes
    """
    left_out = [_left_out(path, folder) for path in _visible(folder) if not path.is_dir()]
    roots = _part_folders(folder)
    if roots is None:
        roots = {ALL: folder}
    else:
        others = [path for path in _folders(folder) if path not in roots.values()]
        left_out += [_files_beside(path, folder) for path in others]
        for root in roots.values():
            left_out += [_left_out(path, folder) for path in _visible(root) if not path.is_dir()]
    names = {part: [path.name for path in _folders(root)] for part, root in roots.items()}
    classes = _classes(roots, names)
    parts: dict[str, list[tuple[Path, int]]] = {}
    for part, root in roots.items():
        parts[part] = []
        for label, name in enumerate(classes):
            images, others = _of_class(root / name, folder)
            parts[part] += [(path, label) for path in images]
            left_out += others
    left_out.sort(key=lambda entry: entry.path)
    classes = tuple(map(printable, classes))
    if TRAIN in parts and TEST not in parts and VALIDATION in parts:
        note = f"there is no test folder: {roots[VALIDATION].name} is the test set, and no validation set is left"
        parts[TEST] = parts.pop(VALIDATION)
        return Layout(folder, classes, parts, left_out, (note,))
    return Layout(folder, classes, parts, left_out)


def relative(path: Path, top: Path) -> str:
    """Return the path of a file relative to a folder, for reports."""
    return printable(path.relative_to(top).as_posix())


def images_below(folder: Path) -> list[Path]:
    """Return every visible image file in and below a folder, sorted, including those of unsupported formats.

    Broken links are included; pipes and other special files are not.
    """
    images = (*SUFFIXES, *TELEPHONE, *OTHER_IMAGES)
    found = [path for path in _files_below(folder, frozenset()) if path.suffix.lower() in images]
    return [path for path in found if path.is_file() or not path.exists()]


def _visible(folder: Path) -> list[Path]:
    """Return the entries of a folder, sorted, without hidden files and system files."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error
    return [path for path in entries if not path.name.startswith(".") and path.name.casefold() not in QUIET]


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _part_folders(folder: Path) -> dict[str, Path] | None:
    """Return the folders of the parts; None if the sub-folders are the classes."""
    folders = _folders(folder)
    named: dict[str, Path] = {}
    for part, names in PART_NAMES.items():
        found = [path for path in folders if path.name.casefold() in names]
        if len(found) > 1:
            raise DataError(f"{folder}: both {found[0].name} and {found[1].name}; expected one {part} folder")
        if found:
            named[part] = found[0]
    others = [path for path in folders if path not in named.values()]
    if TRAIN not in named:
        if named and not others:
            names = " and ".join(path.name for path in named.values())
            raise DataError(
                f"{folder}: holds {names}, but no train folder; expected train/CLASS, val/CLASS, test/CLASS"
            )
        return None
    if len(named) > 1 or not any(_holds_images(path) for path in others):
        return named
    if _folders(named[TRAIN]):
        both = f"{named[TRAIN].name} has sub-folders, and so is no class, but {others[0].name} beside it holds images"
        raise DataError(f"{folder}: {both}; expected one folder per class, or only train, val and test")
    return None


def _classes(roots: dict[str, Path], names: dict[str, list[str]]) -> tuple[str, ...]:
    """Return the class names, which must be the same in every part."""
    first = next(iter(roots))
    for part in list(roots)[1:]:
        _check_same(roots[first], set(names[first]), roots[part], set(names[part]))
    found = names[first]
    if not found:
        raise DataError(
            f"{roots[first]}: expected one sub-folder of images per class, found {_describe_contents(roots[first])}"
        )
    if len(found) == 1 and _holds_images(roots[first] / found[0]):
        inner = [path.name for path in _folders(roots[first] / found[0])]
        hint = f"; are the classes its sub-folders ({', '.join(inner[:3])})? Then name {found[0]}" if inner else ""
        raise DataError(f"{roots[first]}: only one class, {found[0]!r}; expected at least two{hint}")
    return tuple(sorted(found, key=int) if all(name.isdecimal() for name in found) else found)


def _check_same(one: Path, own: set[str], other: Path, theirs: set[str]) -> None:
    lacking = [
        f"{place} has no class {', '.join(map(repr, sorted(names)))}"
        for place, names in ((other, own - theirs), (one, theirs - own))
        if names
    ]
    if lacking:
        raise DataError(f"{' and '.join(lacking)}; expected the same classes in {one.name} and {other.name}")


def _of_class(folder: Path, top: Path) -> tuple[list[Path], list[LeftOut]]:
    """Return the sorted image files below a class folder, and the other files there; DataError without any image."""
    images: list[Path] = []
    left_out: list[LeftOut] = []
    for path in _files_below(folder, frozenset()):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            images.append(path)
        else:
            left_out.append(_left_out(path, top))
    if not images:
        raise DataError(f"{folder}: expected {FORMATS_TEXT} images, found {_describe_contents(folder)}")
    return images, left_out


def _files_below(folder: Path, above: frozenset[str]) -> Iterator[Path]:
    """Yield every visible file below a folder, sorted; a link to one of its own parent folders counts as a file."""
    above = above | {os.path.realpath(folder)}
    for path in _visible(folder):
        if path.is_dir() and os.path.realpath(path) not in above:
            yield from _files_below(path, above)
        else:
            yield path


def _holds_images(folder: Path) -> bool:
    return any(path.suffix.lower() in SUFFIXES for path in _files_below(folder, frozenset()))


def _files_beside(folder: Path, top: Path) -> LeftOut:
    count = sum(path.suffix.lower() in SUFFIXES for path in _files_below(folder, frozenset()))
    detail = f"{count:,} {'image' if count == 1 else 'images'}"
    return LeftOut(f"{relative(folder, top)}/", "folder beside train, val and test", detail)


def _left_out(path: Path, top: Path) -> LeftOut:
    """Return the inventory entry with the reason why a file is not used."""
    name, suffix = relative(path, top), path.suffix.lower()
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return LeftOut(name, "cannot be read", error.strerror or "")
    if stat.S_ISDIR(mode):
        return LeftOut(name, "link to a folder around it")
    if not stat.S_ISREG(mode):
        return LeftOut(name, "no regular file")
    if suffix in SUFFIXES:
        return LeftOut(name, "image outside the class folders")
    if suffix in TELEPHONE:
        return LeftOut(name, f"{suffix[1:].upper()}, which is not read", remedy=CONVERT)
    if suffix in OTHER_IMAGES:
        return LeftOut(name, f"{suffix[1:].upper()}, which is not read", remedy=f"convert to {FORMATS_TEXT}")
    return LeftOut(name, "no image")


def _describe_contents(folder: Path) -> str:
    """Return the first few names in a folder, and advice on images in the formats of telephones."""
    others = [printable(path.name) for path in _visible(folder)]
    if not others:
        return "nothing"
    telephone = any(path.suffix.lower() in TELEPHONE for path in _files_below(folder, frozenset()))
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    advice = f"; {CONVERT}" if telephone else ""
    return f"only {', '.join(others[:3])}{more}{advice}"
