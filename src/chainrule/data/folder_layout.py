"""Layouts of image folders: sets, classes, image files, and unused files."""

import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from chainrule.data.folder_tree import AROUND, LISTED, OUTSIDE, UNREADABLE, EntryKind, FolderEntry, FolderTree
from chainrule.data.images import CONVERT, FORMATS_TEXT, SUFFIXES
from chainrule.data.inventory import LeftOut
from chainrule.errors import DataError, printable, printable_name

TABLE = "targets.csv"
CLASSES, NUMBERS = "classes", "numbers"  # values of the option `targets`
ALL, TRAIN, VALIDATION, TEST = "all", "train", "validation", "test"
PART_NAMES = {
    TRAIN: ("train", "training"),
    VALIDATION: ("val", "valid", "validation"),
    TEST: ("test", "testing"),
}
PHONE_SUFFIXES = (".heic", ".heif", ".hif", ".avif")
EMPTY = "class without images"
REMEDY = "add images or remove the folder, since training requires images of every class"
REPEATED = "link to an image that is already used"
OTHER_IMAGE_SUFFIXES = (
    *(".svg", ".psd", ".jxl", ".jp2", ".ico", ".tga", ".eps", ".pdf"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw", ".rw2", ".orf"),
)


@dataclass
class ClassFolder:
    """A class of a set: its first folder, and the entries below all its folders, since links may lead to others."""

    folder: FolderEntry
    entries: list[FolderEntry] = field(default_factory=list[FolderEntry])


Contents = dict[str, dict[str, ClassFolder]]  # set → class


class LabeledFile(NamedTuple):
    """An image file.

    target   class index, or numbers to predict
    weight   weight in the loss; None: all are 1
    """

    path: Path
    target: int | list[float]
    weight: float | None = None


@dataclass
class Layout:
    """The layout of an image folder.

    classes      printable names of the classes or targets; numeric names of classes are sorted by value
    parts        set → its images. The sets are "train", "validation" and "test", as far as they exist; if the images
                 are not divided, there is only the set "all"
    left_out     unused files and folders
    notes        remarks, if the folder could be interpreted in several ways
    has_classes  whether the images have classes rather than targets
    """

    folder: Path
    classes: tuple[str, ...]
    parts: dict[str, list[LabeledFile]] = field(default_factory=dict[str, list[LabeledFile]])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    notes: tuple[str, ...] = ()
    has_classes: bool = True

    @property
    def files(self) -> dict[Path, str]:
        """Set that each file is in; the last one for a file in several rows."""
        part_of = dict[Path, str]()
        for part, rows in self.parts.items():
            for row in rows:
                part_of[row.path] = part
        return part_of


def read_layout(folder: Path, *, allow_empty: bool = False, min_classes: int = 2) -> Layout:
    """Determine the layout of a folder: FOLDER/CLASS/…, or FOLDER/train/CLASS/… with optional `val` and `test`.

    All images below a class folder belong to this class. Hidden files and system files (`__MACOSX`, `Thumbs.db`) are
    ignored and not reported. Links are followed only within FOLDER. An image is used only once, even if several links
    point to it.

    allow_empty   whether to list classes without images among the unused folders instead of raising an error

    min_classes   minimum number of classes, 1 or 2

    Errors   DataError for too few classes, a class without images, an unreadable folder, or sets with different
             classes
    """
    is_enabled = gc.isenabled()
    gc.disable()  # a million entries, which contain no cycles, are listed in two thirds of the time
    try:
        return _read_layout(folder, allow_empty, min_classes)
    finally:
        if is_enabled:
            gc.enable()


def _read_layout(folder: Path, allow_empty: bool, min_classes: int) -> Layout:
    """Return the layout of a folder; see `read_layout`."""
    tree = FolderTree(folder)
    top_entries = tree.entries(tree.top)
    roots = _part_folders(tree, top_entries)
    left_out = list[LeftOut]()
    beside_classes = list(top_entries)  # they belong to no class, unless they are class folders
    if roots is None:
        roots = {ALL: tree.top}
    else:
        for entry in _folders(top_entries):
            if entry not in roots.values():
                left_out.append(_files_beside(entry, tree))
        for root in roots.values():
            beside_classes += tree.entries(root)
    contents, repeated = _contents(tree, roots)
    for entry in beside_classes:
        if entry.kind is not EntryKind.FOLDER:
            left_out.append(_left_out(entry, folder))
    for entry in repeated:
        left_out.append(_left_out(entry, folder))
    classes = _classes(tree, roots, contents, min_classes)
    files_by_subset: dict[str, list[LabeledFile]] = {}
    for subset in roots:
        files_by_subset[subset] = []
        for label, name in enumerate(classes):
            images, unused_in_class = _of_class(contents[subset][name], tree, allow_empty=allow_empty)
            files_by_subset[subset] += [LabeledFile(path, label) for path in images]
            left_out += unused_in_class
    left_out.sort(key=lambda entry: entry.path)
    return with_test_set(Layout(folder, classes, files_by_subset, left_out))


def with_test_set(layout: Layout) -> Layout:
    """Return a layout in which the validation set, if there is no test set, is the test set, with a note."""
    if TEST in layout.parts or VALIDATION not in layout.parts:
        return layout
    parts = dict(layout.parts)
    parts[TEST] = parts.pop(VALIDATION)
    note = "there is no test set: the validation set is used as test set, without a validation set"
    return replace(layout, parts=parts, notes=(*layout.notes, note))


def relative(path: Path, top: Path) -> str:
    """Return the path of a file relative to a folder, for use in messages."""
    return printable_name(path.relative_to(top).as_posix())


def images_below(folder: Path) -> list[tuple[Path, str | None]]:
    """Return the visible image files in and below a folder, sorted, as pairs (path, reason not to open it).

    The reason is None for files that may be opened. The list includes images in unsupported formats, and entries that
    may contain images: links out of the folder, cyclic links, and unreadable entries. Pipes and other special files
    are omitted.

    Errors   DataError if the folder cannot be read
    """
    suffixes = (*SUFFIXES, *PHONE_SUFFIXES, *OTHER_IMAGE_SUFFIXES)
    tree = FolderTree(folder)
    [entries] = tree.walk([tree.top])
    _check_readable(tree.top, entries)
    files: list[tuple[Path, str | None]] = []
    for entry in entries:
        if entry.kind is EntryKind.FILE and entry.suffix in suffixes:
            files.append((entry.path, None))
        elif entry.reason in (UNREADABLE, OUTSIDE, AROUND):
            files.append((entry.path, entry.problem))
    return files


def _folders(entries: Sequence[FolderEntry]) -> list[FolderEntry]:
    return [entry for entry in entries if entry.kind is EntryKind.FOLDER]


def _part_folders(tree: FolderTree, inside: Sequence[FolderEntry]) -> dict[str, FolderEntry] | None:
    """Return set → folder; None if the subfolders are classes rather than sets.

    A folder "train" may be a set or a class of trains. It is a set if there is also one of "val" or "test", or if no
    other folder contains images.

    Errors   DataError if the subfolders cannot be interpreted in either way
    """
    folder = tree.top.path
    folders = _folders(inside)
    parts = _folders_named_like_sets(folder, folders)
    others = [entry for entry in folders if entry not in parts.values()]
    if TRAIN not in parts:
        if parts and not others:
            names = " and ".join(entry.path.name for entry in parts.values())
            expected = "expected train/CLASS, val/CLASS, test/CLASS"
            raise DataError(f"{folder}: contains {names}, but no train folder; {expected}")
        return None
    if len(parts) > 1:
        return parts
    for other in others:
        if not _count_images(other, tree):
            continue
        if _folders(tree.entries(parts[TRAIN])):
            train = parts[TRAIN].path.name
            both = f"{train} has subfolders, so it is not a class, but {other.path.name} next to it contains images"
            raise DataError(f"{folder}: {both}; expected one folder per class, or only train, val and test")
        return None
    return parts


def _folders_named_like_sets(folder: Path, folders: Sequence[FolderEntry]) -> dict[str, FolderEntry]:
    """Return set → folder with one of its names; DataError if a set has two folders."""
    parts: dict[str, FolderEntry] = {}
    for part, names in PART_NAMES.items():
        for entry in folders:
            if entry.path.name.casefold() in names and parts.setdefault(part, entry) is not entry:
                both = f"both {parts[part].path.name} and {entry.path.name}"
                raise DataError(f"{folder}: {both}; expected one {part} folder")
    return parts


def _contents(tree: FolderTree, roots: dict[str, FolderEntry]) -> tuple[Contents, list[FolderEntry]]:
    """Return the entries of all class folders, by set and class, and links to class folders included elsewhere."""
    parts: list[str] = []
    folders: list[FolderEntry] = []
    for part, root in roots.items():
        for entry in _folders(tree.entries(root)):
            parts.append(part)
            folders.append(replace(entry, is_link=entry.is_link or root.is_link))
    contents: Contents = {part: {} for part in roots}
    repeated: list[FolderEntry] = []
    walked = _mark_repeats(tree.walk(folders))
    for part, folder, entries in zip(parts, folders, walked, strict=True):
        if entries and entries[0].path == folder.path and entries[0].reason == LISTED:
            repeated += entries
            continue
        name = printable_name(folder.path.name)
        contents[part].setdefault(name, ClassFolder(folder)).entries.extend(entries)
    return contents, repeated


def _mark_repeats(contents: Sequence[Sequence[FolderEntry]]) -> list[list[FolderEntry]]:
    """Return the entries with redundant links to images marked as unusable, so that each image is used only once."""
    # A link is redundant if its image is also used without a link, or by an earlier link.
    used: set[str] = set()
    for entries in contents:
        used.update(entry.real for entry in entries if _is_image(entry) and not entry.is_link)
    marked: list[list[FolderEntry]] = []
    for entries in contents:
        marked.append([])
        for entry in entries:
            if entry.is_link and _is_image(entry):
                if entry.real in used:
                    entry = replace(entry, kind=EntryKind.UNUSABLE, reason=REPEATED)
                used.add(entry.real)
            marked[-1].append(entry)
    return marked


def _classes(tree: FolderTree, roots: dict[str, FolderEntry], contents: Contents, min_classes: int) -> tuple[str, ...]:
    """Return the names of the classes; DataError for too few, or if the sets have different classes."""
    first, *others = roots
    for part in others:  # a network has the same classes on all sets
        _check_same(roots[first].path, set(contents[first]), roots[part].path, set(contents[part]))
    root = roots[first]
    names = list(contents[first])
    if not names:
        raise DataError(
            f"{root.path}: expected one subfolder of images per class, or a table {TABLE}, "
            f"found {_describe_contents(root, tree)}"
        )
    only_class = contents[first][names[0]]
    if len(names) < min_classes and any(map(_is_image, only_class.entries)):
        problem = f"{root.path}: only one class, {names[0]!r}; expected at least two"
        inner = _folders(tree.entries(only_class.folder))
        if inner:
            inner_names = ", ".join(entry.path.name for entry in inner[:3])
            problem += f"; if its subfolders ({inner_names}) are the classes, load {names[0]}"
        raise DataError(problem + _describe_unusable(tree.entries(root)))
    return ordered_classes(names)


def ordered_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of classes, sorted by value if all of them are numbers."""
    in_order = sorted(names)
    if all(name.isdecimal() for name in in_order):
        in_order.sort(key=int)
    return tuple(in_order)


def _check_same(first: Path, first_names: set[str], second: Path, second_names: set[str]) -> None:
    lacking = list[str]()
    for path, names in ((second, first_names - second_names), (first, second_names - first_names)):
        if names:
            lacking.append(f"{path} has no class {', '.join(map(repr, sorted(names)))}")
    if lacking:
        raise DataError(f"{' and '.join(lacking)}; expected the same classes in {first.name} and {second.name}")


def _of_class(class_folder: ClassFolder, tree: FolderTree, *, allow_empty: bool) -> tuple[list[Path], list[LeftOut]]:
    """Return the images and the unused entries below a class folder; DataError if there are no images."""
    folder = class_folder.folder
    _check_readable(folder, class_folder.entries)
    images = list[Path]()
    left_out = list[LeftOut]()
    for entry in class_folder.entries:
        if _is_image(entry):
            images.append(entry.path)
        else:
            left_out.append(_left_out(entry, tree.top.path))
    if not images:
        contents = _describe_contents(folder, tree)
        if not allow_empty:
            raise DataError(f"{folder.path}: expected {FORMATS_TEXT} images, found {contents}")
        left_out.append(LeftOut(f"{relative(folder.path, tree.top.path)}/", EMPTY, f"found {contents}", REMEDY))
    return images, left_out


def _check_readable(folder: FolderEntry, entries: Sequence[FolderEntry]) -> None:
    """Raise DataError if a folder could not be listed.

    entries   result of `FolderTree.walk` for the folder
    """
    if entries and entries[0].path == folder.path:
        raise DataError(f"{folder.path}: {entries[0].problem}")


def _is_image(entry: FolderEntry) -> bool:
    return entry.kind is EntryKind.FILE and entry.suffix in SUFFIXES


def _count_images(folder: FolderEntry, tree: FolderTree) -> int:
    [entries] = tree.walk([folder])
    return sum(map(_is_image, entries))


def _files_beside(folder: FolderEntry, tree: FolderTree) -> LeftOut:
    count = _count_images(folder, tree)
    detail = f"{count:,} {'image' if count == 1 else 'images'}"
    return LeftOut(f"{relative(folder.path, tree.top.path)}/", "folder beside train, val and test", detail)


def _left_out(entry: FolderEntry, top: Path) -> LeftOut:
    """Return the inventory entry for an unused file, with the reason."""
    name = relative(entry.path, top)
    suffix = entry.suffix
    if entry.reason is not None:
        detail = entry.detail and printable(entry.detail)
        return LeftOut(name, entry.reason, detail)
    if suffix in SUFFIXES:
        return LeftOut(name, "image outside the class folders")
    if suffix in PHONE_SUFFIXES:
        return LeftOut(name, f"{suffix[1:].upper()}, which is not read", remedy=CONVERT)
    if suffix in OTHER_IMAGE_SUFFIXES:
        return LeftOut(name, f"{suffix[1:].upper()}, which is not read", remedy=f"convert to {FORMATS_TEXT}")
    return LeftOut(name, "no image")


def _describe_unusable(entries: Sequence[FolderEntry]) -> str:
    """Describe the first few unusable entries, which may have been intended as classes; "" if there are none."""
    problems = list[str]()
    for entry in entries:
        if entry.reason is not None:
            problems.append(f"{printable(entry.path.name)}: {entry.reason}")
    if not problems:
        return ""
    return f" (not used: {', '.join(problems[:3])})"


def _describe_contents(folder: FolderEntry, tree: FolderTree) -> str:
    """Describe the first few entries of a folder, with advice on phones' image formats."""
    entries = tree.entries(folder)
    if not entries:
        return "nothing"
    names = list[str]()
    for entry in entries[:3]:
        name = printable(entry.path.name)
        if entry.reason is not None:
            name += f" ({entry.reason})"
        names.append(name)
    description = f"only {', '.join(names)}"
    if len(entries) > 3:
        description += f" and {len(entries) - 3} more"
    [nested] = tree.walk([folder])
    suffixes = {entry.suffix for entry in nested}
    if not suffixes.isdisjoint(PHONE_SUFFIXES):
        description += f"; {CONVERT}"
    return description
