"""Loading of image folders with one subfolder per class, or with a table targets.csv.

The table contains the targets of each image: numbers to predict, or zeros and ones for multiple labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from chainrule.core.words import checked_options_with
from chainrule.data import masks
from chainrule.data.dataset import TEST_SHARE, Dataset
from chainrule.data.folder_layout import ALL, TEST, TRAIN, VALIDATION, Layout, read_layout
from chainrule.data.image_files import header_shapes
from chainrule.data.image_reader import FolderOptions, ImageOptions, ImageReader, UsableFile
from chainrule.data.inventory import Inventory
from chainrule.data.target_table import TABLE, WEIGHT, file_names, has_targets, read_table
from chainrule.errors import DataError

MAX_UNRESIZED = 64  # pixels; by default, larger images or images of different sizes are resized
MULTIPLE = 4  # pixels; the default network for masks halves and doubles the size twice


# ------------------------------------------------------------------ one subfolder per class


@checked_options_with(FolderOptions.__annotations__, vars(ImageOptions))
def load_folder(
    folder: str | Path, *, test_share: float = TEST_SHARE, seed: int = 0, **options: Unpack[FolderOptions]
) -> tuple[Dataset, Dataset]:
    """Return (training set, test set) from FOLDER/CLASS/…, or from FOLDER/train/CLASS/… and FOLDER/test/CLASS/….

    If there is a table FOLDER/targets.csv, the images listed there are read, with their targets. If there are the
    subfolders images and masks, the masks are the labels of pixels (`masks.read_masks`).

    Image files (`images.FORMATS_TEXT`) are read at any depth below the class folders. The folders of the sets may be
    called training, testing, val, valid or validation. Images in a validation folder become the ``validation`` set of
    the training set, or the test set if there is no test folder. The ``inventory`` of the training set lists the used
    files, and the unused files with reasons.

    size          (H, W) to resize every image to; None if all have the same size
    channels      1 for gray, 3 for color; None for gray if all images are gray, and color otherwise
    test_share    fraction of every class used for the test set if there is no test folder
    seed          seed of the random choice of test images
    skip_damaged  whether to skip damaged images instead of raising an error
    lazy          whether to decode each image again when it is needed, for folders larger than memory. Every file is
                  read once in advance, so that the same folders are accepted, and must not change afterwards
    group_pattern regular expression of the part of a path that names what the image belongs to, such as a patient. If
                  it contains a group in parentheses, this group is the name. A test set then contains other patients
    min_classes   minimum number of classes: 2, or 1 for data to evaluate a model on
    Errors        DataError for an empty folder, images of different sizes without ``size``, or sets with different
                  classes; FormatError for damaged images

    >>> training, test = load_folder("photos", size=(64, 64))
    """
    training, test = read_sets(Path(folder), **options)
    return training.split(test_share, seed) if test is None else (training, test)


def inspect_folder(folder: str | Path) -> tuple[tuple[str, ...], tuple[int, ...], Inventory]:
    """Return the class names, the shape (C, H, W) and the inventory of a folder, as `load_folder` would read it.

    Damaged images, and classes without images, are listed in the inventory.

    Errors   DataError for other problems of `load_folder`
    """
    path = Path(folder)
    layout = read_layout(path, allow_empty=True)
    reader = ImageReader(path, ImageOptions(suggested_size(path, image_paths(path)), lazy=True))
    labels = {part: _read_labels(reader, entries)[1] for part, entries in layout.parts.items()}
    inventory = _inventory(layout, reader, labels, allow_empty=True)
    return layout.classes, reader.shape, inventory


def read_sets(path: Path, **folder_options: Unpack[FolderOptions]) -> tuple[Dataset, Dataset | None]:
    """Return the training set and the test set of a folder, or all images and None. The options are as in `load`."""
    options = ImageOptions(**folder_options)
    if has_targets(path):
        return _read_targets(path, options), None
    if masks.has_masks(path):
        return masks.read_masks(path, options), None
    layout = read_layout(path, min_classes=options.min_classes)
    reader = ImageReader(path, options)
    usable = {part: _read_labels(reader, entries) for part, entries in layout.parts.items()}
    reader.check()
    inventory = _inventory(layout, reader, {part: labels for part, (_, labels) in usable.items()})
    about: Any = (layout.classes, path.name, str(path))
    sets = {
        part: Dataset(reader.images(files), np.array(labels, np.int64), *about, groups=reader.groups(files))
        for part, (files, labels) in usable.items()
    }
    training = sets[ALL] if ALL in sets else sets[TRAIN]
    return replace(training, validation=sets.get(VALIDATION), inventory=inventory), sets.get(TEST)


def _read_labels(reader: ImageReader, entries: Sequence[tuple[Path, int]]) -> tuple[list[UsableFile], list[int]]:
    """Read images with their labels, and return the usable ones."""
    files = reader.read([(path, None) for path, _ in entries])
    return files, [entries[file.number][1] for file in files]


def _inventory(
    layout: Layout, reader: ImageReader, labels: dict[str, list[int]], *, allow_empty: bool = False
) -> Inventory:
    """Return the inventory of a folder; DataError if all images of a class are damaged, unless ``allow_empty``."""
    used: dict[str, dict[str, int]] = {}
    for part, class_labels in labels.items():
        counts = np.bincount(np.array(class_labels, np.int64), minlength=len(layout.classes)).tolist()
        used[part] = dict(zip(layout.classes, counts, strict=True))
        missing = [name for name, count in used[part].items() if not count]
        if missing and not allow_empty:
            where = "" if part == ALL else f" in {part}"
            raise DataError(f"{layout.folder}: every image of class {missing[0]!r}{where} is damaged")
    left_out = sorted([*layout.left_out, *reader.left_out()], key=lambda entry: entry.path)
    return Inventory(str(layout.folder), used, tuple(left_out), dict(reader.changed), layout.notes)


# ------------------------------------------------------------------ a table of targets


def _read_targets(folder: Path, options: ImageOptions) -> Dataset:
    """Return the images listed in FOLDER/targets.csv, with their targets.

    The table has a header row. The column `file` contains paths relative to the folder. The optional column `weight`
    contains the weight of each image in the loss, and the optional column `group` what the image belongs to, unless
    there is a ``group_pattern``. Each other column is a target, named in the header.

    Errors   FormatError, with the row number, for an invalid table; DataError for unusable images
    """
    names, rows = read_table(folder)
    reader = ImageReader(folder, options)
    files = reader.read([(path, None) for path, *_ in rows])
    reader.check()
    values, groups = np.array([rows[file.number][1] for file in files]), reader.groups(files)
    if groups is None and rows[0][2]:
        groups = np.array([rows[file.number][2] for file in files])
    columns = [place for place, name in enumerate(names) if name != WEIGHT]
    x, targets = reader.images(files), tuple(names[place] for place in columns)
    used = {ALL: {f"images of {TABLE}": len(files)}}
    inventory = Inventory(str(folder), used, tuple(reader.left_out()), dict(reader.changed))
    data = Dataset(x, values[:, columns], targets, folder.name, str(folder), inventory=inventory)
    return replace(data, weights=values[:, names.index(WEIGHT)] if WEIGHT in names else None, groups=groups)


# ------------------------------------------------------------------ images


def image_paths(folder: Path) -> list[Path]:
    """Return the paths of all images of a folder that are used, of all sets; DataError as in `load_folder`."""
    if has_targets(folder):
        return file_names(folder)
    if masks.has_masks(folder):
        return masks.image_paths(folder)
    return [path for files in read_layout(folder, allow_empty=True).parts.values() for path, _ in files]


def suggested_size(folder: Path, paths: Sequence[Path]) -> tuple[int, int] | None:
    """Return the default size (H, W) for resizing the image files of a folder; None if no resizing is needed.

    No resizing is needed if all images have the same size of at most 64×64 pixels. Otherwise, the size is a square with
    the longest side of any image, but at most 64×64. Only image headers are decoded; of more than 10,000 images, those
    of a random sample. Damaged files are ignored. With masks, height and width are increased to multiples of 4.
    """
    sizes = {shape[1:] for shape in header_shapes(paths)}
    longest = min(max((max(size) for size in sizes), default=MAX_UNRESIZED), MAX_UNRESIZED)
    common = next(iter(sizes)) if len(sizes) == 1 else (0, 0)
    height, width = common if 0 < max(common) <= MAX_UNRESIZED else (longest, longest)
    multiple = MULTIPLE if masks.has_masks(folder) else 1
    size = -(-height // multiple) * multiple, -(-width // multiple) * multiple
    return None if size == common else size
