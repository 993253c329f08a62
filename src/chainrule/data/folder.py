"""Loading of image folders with one subfolder per class, or with a table targets.csv of classes or targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeAlias, Unpack, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.data import masks
from chainrule.data.dataset import Dataset, Images
from chainrule.data.folder_layout import ALL, NUMBERS, TABLE, TEST, TRAIN, VALIDATION, LabeledFile, Layout, read_layout
from chainrule.data.image_files import header_shapes
from chainrule.data.image_reader import FolderOptions, ImageOptions, ImageReader, ImageWithMask, UsableFile
from chainrule.data.inventory import Inventory
from chainrule.data.sources import SampleSource
from chainrule.data.target_table import has_targets, read_table
from chainrule.errors import DataError, OptionError


class UsableImage(NamedTuple):
    """An image that could be read, and its entry in the layout, with the target."""

    file: UsableFile
    entry: LabeledFile


Usable: TypeAlias = dict[str, list[UsableImage]]  # set → images

MAX_UNRESIZED = 64  # pixels; by default, larger images or images of different sizes are resized
MULTIPLE = 4  # pixels; the default network for masks halves and doubles the size twice


def inspect_folder(folder: str | Path, targets: str | None = None) -> tuple[Layout, tuple[int, ...], Inventory]:
    """Return the layout, the shape (C, H, W) of the images and the inventory of a folder, as `load` reads it.

    Damaged images, and classes without images, are listed in the inventory.

    Errors   DataError for other problems of `load`
    """
    path = Path(folder)
    layout = _layout(path, targets, allow_empty=True)
    reader = ImageReader(path, ImageOptions(suggested_size(path, [*layout.files]), lazy=True))
    inventory = _inventory(layout, reader, _usable(layout, reader), allow_empty=True)
    return layout, reader.shape, inventory


def _layout(folder: Path, targets: str | None = None, *, min_classes: int = 2, allow_empty: bool = False) -> Layout:
    """Return the layout of a folder that has a table, or a subfolder per class."""
    if has_targets(folder):
        return read_table(folder, targets, min_classes=min_classes)
    if targets == NUMBERS:
        raise OptionError(f"{folder}: numbers to predict (--regression, targets={targets!r}) require a table {TABLE}")
    return read_layout(folder, allow_empty=allow_empty, min_classes=min_classes)


def read_sets(path: Path, **folder_options: Unpack[FolderOptions]) -> tuple[Dataset, Dataset | None]:
    """Return the training set and the test set of a folder, or all images and None. The options are as in `load`.

    The sets are those of FOLDER/CLASS/…, or FOLDER/train/CLASS/… and FOLDER/test/CLASS/…. If there is a table
    FOLDER/targets.csv, the images listed there are read, with their classes or targets (`target_table.read_table`). If
    there are the subfolders images and masks, the masks are the labels of pixels (`masks.read_masks`).

    Image files (`images.FORMATS_TEXT`) are read at any depth below the class folders. The folders of the sets may be
    called training, testing, val, valid or validation. Images in a validation folder become the ``validation`` set of
    the training set, or the test set if there is no test folder. The ``inventory`` of the training set lists the used
    files, and the unused files with reasons.

    Errors   DataError for an empty folder, images of different sizes without ``size``, or sets with different classes;
             FormatError for damaged images
    """
    options = ImageOptions(**folder_options)
    if masks.has_masks(path) and not has_targets(path):
        return masks.read_masks(path, options), None
    layout = _layout(path, options.targets, min_classes=options.min_classes)
    reader = ImageReader(path, options)
    usable = _usable(layout, reader)
    reader.check()
    inventory = _inventory(layout, reader, usable)
    sets = {part: _dataset(layout, reader, images) for part, images in usable.items()}
    training = sets[TRAIN if TRAIN in sets else ALL]
    return replace(training, validation=sets.get(VALIDATION), inventory=inventory), sets.get(TEST)


def _usable(layout: Layout, reader: ImageReader) -> Usable:
    """Read the images of a layout, and return the usable ones of each set."""
    usable: Usable = {}
    for part, entries in layout.parts.items():
        usable[part] = []
        for file in reader.read([ImageWithMask(entry.path, None) for entry in entries]):
            usable[part].append(UsableImage(file, entries[file.number]))
    return usable


def _dataset(layout: Layout, reader: ImageReader, images: Sequence[UsableImage]) -> Dataset:
    """Return a set of a folder as a data set."""
    files = list[UsableFile]()
    targets = list[int | list[float]]()
    weights = list[float | None]()
    for file, entry in images:
        files.append(file)
        targets.append(entry.target)
        weights.append(entry.weight)
    x = reader.images(files)
    names = None
    if not isinstance(x, SampleSource):
        names = np.array([str(file.path) for file in files])
    return Dataset(
        cast(Images, x),
        np.array(targets, np.int64 if layout.has_classes else np.float64),
        layout.classes,
        layout.folder.name,
        str(layout.folder),
        weights=_column(weights),
        names=names,
    )


def _column(values: Sequence[float | str | None]) -> Array | None:
    """Return the values of a column; None without this column: a table has it for all rows or for none."""
    if None in values:
        return None
    return np.array(values)


def _inventory(layout: Layout, reader: ImageReader, usable: Usable, *, allow_empty: bool = False) -> Inventory:
    """Return the inventory of a folder; DataError if all images of a class are damaged, unless ``allow_empty``."""
    names = layout.classes if layout.has_classes else (f"images of {TABLE}",)
    used = dict[str, dict[str, int]]()
    for part, entries in layout.parts.items():
        count_of = dict.fromkeys(names, 0)
        for image in usable[part]:
            count_of[names[_label(image.entry)]] += 1
        for entry in entries:
            name = names[_label(entry)]
            if not count_of[name] and not allow_empty:
                damaged = f"every image of class {name!r}"
                if part != ALL:
                    damaged += f" in {part}"
                raise DataError(f"{layout.folder}: {damaged} is damaged")
        used[part] = count_of
    return reader.inventory(used, layout.left_out, layout.notes)


def _label(entry: LabeledFile) -> int:
    """Return the label of an image; 0 for an image with numbers to predict, since all of these are counted together."""
    return entry.target if isinstance(entry.target, int) else 0


def image_paths(folder: Path, targets: str | None = None) -> list[Path]:
    """Return the paths of all images of a folder that are used, of all sets; DataError as in `load`."""
    if masks.has_masks(folder) and not has_targets(folder):
        return masks.image_paths(folder)
    return [*_layout(folder, targets, min_classes=1, allow_empty=True).files]


def suggested_size(folder: Path, paths: Sequence[Path]) -> tuple[int, int] | None:
    """Return the default size (H, W) for resizing the image files of a folder; None if no resizing is needed.

    No resizing is needed if all images have the same size of at most 64×64 pixels. Otherwise, the size is a square with
    the longest side of any image, but at most 64×64. Only image headers are decoded; of more than 10,000 images, those
    of a random sample. Damaged files are ignored. With masks, height and width are increased to multiples of 4.
    """
    sizes = set[tuple[int, int]]()
    for _, image_height, image_width in header_shapes(paths):
        sizes.add((image_height, image_width))
    longest = max(map(max, sizes), default=MAX_UNRESIZED)
    if len(sizes) == 1 and longest <= MAX_UNRESIZED:
        [(height, width)] = sizes
    else:
        height = width = min(longest, MAX_UNRESIZED)
    if masks.has_masks(folder):
        height = math.ceil(height / MULTIPLE) * MULTIPLE
        width = math.ceil(width / MULTIPLE) * MULTIPLE
    size = (height, width)
    return None if sizes == {size} else size
