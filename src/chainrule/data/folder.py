"""Loading of image folders with one subfolder per class, or with a table targets.csv.

The table contains the targets of each image: numbers to predict, or zeros and ones for multiple labels.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.words import checked_options
from chainrule.data.dataset import Dataset
from chainrule.data.folder_layout import ALL, TEST, TRAIN, VALIDATION, Layout, read_layout, relative
from chainrule.data.images import MAX_PIXELS, image_size, is_grey, open_image, to_array, treatments
from chainrule.data.inventory import Inventory, LeftOut
from chainrule.data.sources import ImageFiles, common_shape, sampled
from chainrule.data.target_table import TABLE, WEIGHT, file_names, has_targets, read_table
from chainrule.errors import ChainruleError, DataError, FormatError, OptionError, quoted

NAMED = 2  # maximum number of damaged files named in an error
MAX_UNRESIZED = 64  # pixels; by default, larger images or images of different sizes are resized
BLOCK = 256  # images that are in memory at a time while a folder is inspected
MAX_HEADERS = 10_000  # number of images from which the common size is determined


@dataclass(frozen=True)
class ImageOptions:
    """How the images of a folder are read; the fields are arguments of `load_folder`.

    Errors   OptionError for a height or a width below 1, or if damaged images are to be skipped, which requires
             decoding them before training
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    skip_damaged: bool = False
    lazy: bool = False

    def __post_init__(self) -> None:
        """Check the options."""
        if self.size is not None and not (min(self.size) >= 1 and math.prod(self.size) <= MAX_PIXELS):
            expected = f"a height and a width of at least 1, and at most {MAX_PIXELS:,} pixels"
            raise OptionError(f"images cannot be resized to {quoted(self.size)}; expected {expected}")
        if self.lazy and self.skip_damaged:
            raise OptionError("skip_damaged requires decoding all images in advance; leave out lazy=True (--stream)")


# ------------------------------------------------------------------ one subfolder per class


@checked_options
def load_folder(
    folder: str | Path,
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    skip_damaged: bool = False,
    lazy: bool = False,
) -> tuple[Dataset, Dataset]:
    """Return (training set, test set) from FOLDER/CLASS/…, or from FOLDER/train/CLASS/… and FOLDER/test/CLASS/….

    Image files (`images.FORMATS_TEXT`) are read at any depth below the class folders. The folders of the sets may be
    called training, testing, val, valid or validation. Images in a validation folder become the ``validation`` set of
    the training set, or the test set if there is no test folder. The ``inventory`` of the training set lists the used
    files, and the unused files with reasons.

    size          (H, W) to resize every image to; None if all have the same size
    channels      1 for gray, 3 for color; None for gray if all images are gray, and color otherwise
    test_share    fraction of every class used for the test set if there is no test folder
    seed          seed of the random choice of test images
    skip_damaged  whether to skip damaged images instead of raising an error
    lazy          whether to decode each image only when it is needed, for folders larger than memory. ``size`` is by
                  default that of the first image, ``channels`` are those of up to 1000 images, and damaged images are
                  found during training
    Errors        DataError for an empty folder, images of different sizes without ``size``, or sets with different
                  classes; FormatError for damaged images

    >>> training, test = load_folder("photos", size=(64, 64))
    """
    sets, inventory = _read_sets(Path(folder), ImageOptions(size, channels, skip_damaged, lazy))
    train = sets[ALL] if ALL in sets else sets[TRAIN]
    train, test = (train, sets[TEST]) if TEST in sets else train.split(test_share, seed)
    return replace(train, validation=sets.get(VALIDATION), inventory=inventory), test


def inspect_folder(folder: str | Path) -> tuple[tuple[str, ...], tuple[int, ...], Inventory]:
    """Return the class names, the shape (C, H, W) and the inventory of a folder, as `load_folder` would read it.

    Damaged images, and classes without images, are listed in the inventory.

    Errors   DataError for other problems of `load_folder`
    """
    path = Path(folder)
    layout = read_layout(path, allow_empty=True)
    reader = ImageReader(path, suggested_size(image_paths(path)), None)
    labels: dict[str, list[int]] = {part: [] for part in layout.parts}
    image_shapes = list[tuple[int, ...]]()
    for part, entries in layout.parts.items():
        for first in range(0, len(entries), BLOCK):
            images, block_labels = reader.read(entries[first : first + BLOCK])
            labels[part] += block_labels
            image_shapes += [image.shape for image in images]
    inventory = _inventory(layout, reader, labels, allow_empty=True)
    if not image_shapes:
        raise DataError(f"{path}: there are no usable images")
    return layout.classes, (max(shape[0] for shape in image_shapes), *image_shapes[0][1:]), inventory


def read_folder(path: Path, **options: Any) -> Dataset:
    """Return the training set of a folder as a data set: without a train folder or a table of targets, all images.

    options  as in `load_folder`
    """
    if has_targets(path):
        return _targets_of_folder(path, ImageOptions(**options))
    sets, inventory = _read_sets(path, ImageOptions(**options))
    train = sets[ALL] if ALL in sets else sets[TRAIN]
    return replace(train, validation=sets.get(VALIDATION), inventory=inventory)


def _read_sets(path: Path, options: ImageOptions) -> tuple[dict[str, Dataset], Inventory]:
    """Return the data set of each set of a folder, and the inventory."""
    layout = read_layout(path)
    reader = ImageReader(path, options.size, options.channels)
    if options.lazy:
        files = {part: [file for file, _ in entries] for part, entries in layout.parts.items()}
        labels = {part: [label for _, label in entries] for part, entries in layout.parts.items()}
        shape = common_shape(next(iter(files.values())), options.size, options.channels)
        resize = options.size is not None
        images: dict[str, Any] = {part: ImageFiles(path, files[part], shape, resize=resize) for part in files}
    else:
        results = {part: reader.read(entries) for part, entries in layout.parts.items()}
        reader.check(options.skip_damaged)
        labels = {part: part_labels for part, (_, part_labels) in results.items()}
        deepest = max(len(image) for pixels, _ in results.values() for image in pixels)
        images = {part: stacked(pixels, deepest) for part, (pixels, _) in results.items()}
    inventory = _inventory(layout, reader, labels)
    sets = {
        part: Dataset(x, np.array(labels[part], np.int64), layout.classes, path.name, str(path))
        for part, x in images.items()
    }
    return sets, inventory


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


def stacked(images: Sequence[NDArray[np.uint8]], channels: int) -> NDArray[np.uint8]:
    """Return images stacked to (N, channels, H, W). Gray images are broadcast to all channels."""
    x = np.empty((len(images), channels, *images[0].shape[1:]), np.uint8)
    for index, image in enumerate(images):
        x[index] = image
    return x


# ------------------------------------------------------------------ a table of targets


def load_targets(folder: Path, *, test_share: float = 0.2, seed: int = 0, **options: Any) -> tuple[Dataset, Dataset]:
    """Return (training set, test set) from FOLDER/targets.csv and the image files listed there.

    The table has a header row. The column `file` contains paths relative to the folder. The optional column `weight`
    contains the weight of each image in the loss. Each other column is a target, named in the header.

    seed, options   as in `load_folder`
    test_share      fraction of the images used for the test set

    Errors   FormatError, with the row number, for an invalid table; DataError for unusable images
    """
    return _targets_of_folder(folder, ImageOptions(**options)).split(test_share, seed)


def _targets_of_folder(folder: Path, options: ImageOptions) -> Dataset:
    """Return all images of a folder with a table of targets."""
    names, rows = read_table(folder)
    if options.lazy:
        paths, rows_read = [path for path, _ in rows], [*range(len(rows))]
        shape = common_shape(paths, options.size, options.channels)
        x: Any = ImageFiles(folder, paths, shape, resize=options.size is not None)
    else:
        reader = ImageReader(folder, options.size, options.channels)
        images, rows_read = reader.read([(path, place) for place, (path, _) in enumerate(rows)])
        reader.check(options.skip_damaged)
        if not images:
            raise DataError(f"{folder}: every image of {TABLE} is damaged")
        x = stacked(images, max(map(len, images)))
    values = np.array([rows[place][1] for place in rows_read])
    weights = values[:, names.index(WEIGHT)] if WEIGHT in names else None
    columns = [place for place, name in enumerate(names) if name != WEIGHT]
    data = Dataset(x, values[:, columns], tuple(names[place] for place in columns), folder.name, str(folder))
    return replace(data, weights=weights)


# ------------------------------------------------------------------ images


def image_paths(folder: Path) -> list[Path]:
    """Return the paths of all images of a folder that are used, of all sets; DataError as in `load_folder`."""
    if has_targets(folder):
        return file_names(folder)
    return [path for files in read_layout(folder, allow_empty=True).parts.values() for path, _ in files]


def suggested_size(paths: Sequence[Path]) -> tuple[int, int] | None:
    """Return the default size (H, W) for resizing image files; None if no resizing is needed.

    No resizing is needed if all images have the same size of at most 64×64 pixels. Otherwise, the size is a square with
    the longest side of any image, but at most 64×64. Only image headers are decoded; of more than 10,000 images, those
    of a random sample. Damaged files are ignored.
    """
    sizes = set[tuple[int, int]]()
    for path in sampled(paths, MAX_HEADERS):
        with suppress(ChainruleError):
            sizes.add(image_size(path))
    if len(sizes) == 1 and max(next(iter(sizes))) <= MAX_UNRESIZED:
        return None
    longest = max((max(size) for size in sizes), default=MAX_UNRESIZED)
    return (MAX_UNRESIZED, MAX_UNRESIZED) if longest >= MAX_UNRESIZED else (longest, longest)


class ImageReader:
    """Reads image files into arrays of equal size, and records damaged files and conversions of images.

    top       folder of the files, for messages
    size      (H, W) to resize every image to; None if all have the same size
    channels  1 for gray, 3 for color; None: the channels of each file
    damaged   damaged files and their errors
    changed   description of a conversion → number of images
    """

    def __init__(self, top: Path, size: tuple[int, int] | None, channels: int | None) -> None:
        self.top = top
        self._size = size
        self._channels = channels
        self._first: tuple[Path, tuple[int, ...]] | None = None
        self.damaged: list[tuple[Path, ChainruleError]] = []
        self.changed: Counter[str] = Counter()

    def read(self, files: Sequence[tuple[Path, int]]) -> tuple[list[NDArray[np.uint8]], list[int]]:
        """Return the images (C, H, W) and labels of the readable files; DataError if the images differ in size.

        files   pairs (path, label)
        """
        images: list[NDArray[np.uint8]] = []
        labels: list[int] = []
        for path, label in files:
            try:
                image = open_image(path)
                pixels = to_array(image, self._channels or (1 if is_grey(image) else 3), self._size)
            except OptionError:
                raise
            except ChainruleError as error:
                self.damaged.append((path, error))
                continue
            self.changed.update(treatments(image))
            self._check_size(path, pixels.shape[1:])
            images.append(pixels)
            labels.append(label)
        return images, labels

    def _check_size(self, path: Path, size: tuple[int, ...]) -> None:
        if self._first is None:
            self._first = path, size
        if size != self._first[1]:
            here, first = (f"{width}×{height}" for height, width in (size, self._first[1]))
            raise DataError(
                f"{path}: {here} pixels, but {self._first[0]} has {first}; set a size to resize all images to"
            )

    def check(self, skip_damaged: bool) -> None:
        """Raise an error with the names of damaged files, if any, unless ``skip_damaged`` is true."""
        if not self.damaged or skip_damaged:
            return
        count = len(self.damaged)
        shown = [str(error) for _, error in self.damaged[:NAMED]]
        first = "; ".join(text.removeprefix(f"{self.top}{os.sep}") if count > 1 else text for text in shown)
        more = f"; and {count - NAMED:,} more" if count > NAMED else ""
        prefix = f"{self.top}: {count:,} images cannot be used: " if count > 1 else ""
        kind = FormatError if any(isinstance(error, FormatError) for _, error in self.damaged) else DataError
        raise kind(
            f"{prefix}{first}{more}; to leave {'them' if count > 1 else 'it'} out: skip_damaged=True (--skip-damaged)"
        )

    def left_out(self) -> list[LeftOut]:
        """Return inventory entries for the damaged files."""
        return [
            LeftOut(relative(path, self.top), "damaged", str(error).removeprefix(f"{path}: "))
            for path, error in self.damaged
        ]
