"""Loading of image folders, whose layouts `folder_layout` describes.

One pass, which loaded and streamed images share, decodes every image and every mask, so that both accept, refuse and
report the same. Loaded data keep the pixels; streamed data keep a hash of every file, and verify it whenever they read
the file again.
"""

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypedDict, Unpack, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Bools
from chainrule.data.dataset import Dataset, Images
from chainrule.data.folder_layout import (
    ALL,
    CLASS_NAMES,
    MAX_UNNAMED,
    TEST,
    TRAIN,
    UNLABELED,
    VALIDATION,
    LabeledFile,
    Layout,
    has_masks,
    read_layout,
    relative,
)
from chainrule.data.image_files import ImageFiles, header_shapes, in_threads
from chainrule.data.images import (
    MAX_PIXELS,
    TURNED,
    channel_count,
    content_digest,
    mask_array,
    open_image,
    open_mask,
    read_content,
    to_array,
    treatments,
)
from chainrule.errors import ChainruleError, DataError, FormatError, OptionError, quoted

MAX_UNRESIZED = 64  # pixels; by default, larger images or images of different sizes are resized
MULTIPLE = 4  # pixels; the default network for masks halves and doubles the size twice
NAMED = 2  # maximum number of damaged files named in an error
MASK_ALONE = "the metadata (EXIF) turn only the image, or only its mask"


class FolderOptions(TypedDict, total=False):
    """Options of `load` and `load_test`, which describe them."""

    size: tuple[int, int] | None
    channels: int | None
    skip_damaged: bool
    lazy: bool
    min_classes: int


@dataclass(frozen=True)
class ImageOptions:
    """How the images of a folder are read: `FolderOptions` with their defaults.

    Errors   OptionError for a height or a width below 1, or other channels than 1 and 3
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    skip_damaged: bool = False
    lazy: bool = False
    min_classes: int = 2

    def __post_init__(self) -> None:
        """Check the options."""
        if self.size is not None and not (min(self.size) >= 1 and math.prod(self.size) <= MAX_PIXELS):
            expected = f"a height and a width of at least 1, and at most {MAX_PIXELS:,} pixels"
            raise OptionError(f"images cannot be resized to {quoted(self.size)}; expected {expected}")
        if self.channels not in (None, 1, 3):
            raise OptionError(f"images have 1 or 3 channels, not {quoted(self.channels)}")


@dataclass(frozen=True, eq=False, slots=True)
class UsableFile:
    """A usable image file.

    shape    shape (C, H, W) in the file; C is 1 for gray images and 3 for others
    changes  conversions of the image (`images.treatments`)
    digest   hash of the file
    pixels   the image, (C, H, W); None for streamed data
    target   class, numbers, or the labels of a mask (H, W) after resizing
    labels   the labels in the file of the mask, as `UNLABELED` + 1 booleans; None without a mask
    """

    path: Path
    shape: tuple[int, int, int]
    changes: tuple[str, ...]
    digest: bytes
    pixels: NDArray[np.uint8] | None
    target: int | list[float] | NDArray[np.uint8]
    labels: Bools | None = None


class ImageReader:
    """Reads image files, checks that they have equal sizes, and records damaged files and conversions of images.

    top       folder of the files, for messages
    options   how the images are read
    damaged   damaged files and their errors
    changed   description of a conversion → number of images
    """

    def __init__(self, top: Path, options: ImageOptions) -> None:
        self.top = top
        self.options = options
        self.damaged: list[tuple[Path, ChainruleError]] = []
        self.changed: Counter[str] = Counter()
        self._first: Path | None = None  # usable image, whose size is that of all images
        self._size: tuple[int, int] = (0, 0)
        self._channels = options.channels or 1

    def read(self, entries: Sequence[LabeledFile]) -> list[UsableFile]:
        """Read files, and return the usable ones; DataError if the images differ in size."""
        usable = list[UsableFile]()
        for entry, file in zip(entries, _examined(entries, self.options), strict=True):
            if isinstance(file, ChainruleError):
                self.damaged.append((entry.path, file))
                continue
            self.changed.update(file.changes)
            channels, height, width = file.shape
            self._check_size(file.path, self.options.size or (height, width))
            self._channels = self.options.channels or max(self._channels, channels)
            usable.append(file)
        return usable

    def _check_size(self, path: Path, size: tuple[int, int]) -> None:
        """Raise DataError unless the size (H, W) of an image after resizing is that of the first one."""
        if self._first is None:
            self._first = path
            self._size = size
        if size != self._size:
            difference = f"{_size_text(size)} pixels, but {self._first} has {_size_text(self._size)}"
            raise DataError(f"{path}: {difference}; set a size to resize all images to")

    def images(self, files: Sequence[UsableFile]) -> NDArray[np.uint8] | ImageFiles:
        """Return usable images: an array (N, C, H, W), or for streamed data a source."""
        shape = (self._channels, *self._size)
        if self.options.lazy:
            return ImageFiles(self.top, [file.path for file in files], shape, [file.digest for file in files])
        x = np.empty((len(files), *shape), np.uint8)
        for place, file in enumerate(files):
            x[place] = cast("NDArray[np.uint8]", file.pixels)  # gray images are broadcast to all channels
        return x

    def check(self) -> None:
        """Raise an error that names damaged files, unless they are to be skipped and others are usable."""
        count = len(self.damaged)
        if not count or (self.options.skip_damaged and self._first is not None):
            return
        named = list[str]()
        for _, error in self.damaged[:NAMED]:
            named.append(str(error).removeprefix(f"{self.top}{os.sep}"))
        if count > NAMED:
            named.append(f"and {count - NAMED:,} more")
        kind = DataError
        for _, error in self.damaged:
            if isinstance(error, FormatError):
                kind = FormatError
        advice = "skip_damaged=True (--skip-damaged) leaves them out"
        raise kind(f"{self.top}: {count:,} damaged: {'; '.join(named)}; {advice}")

    def remarks(self, layout: Layout) -> tuple[str, ...]:
        """Return a line for each file that is not used, with the reason, and for each conversion of images."""
        left_out = dict(layout.left_out)
        for path, error in self.damaged:
            left_out[relative(path, self.top)] = f"damaged: {str(error).removeprefix(f'{path}: ')}"
        lines = list[str]()
        for name, reason in sorted(left_out.items()):
            lines.append(f"not used: {name}: {reason}")
        for conversion, count in self.changed.items():
            noun = "image" if count == 1 else "images"
            lines.append(f"{count:,} {noun}: {conversion}")
        return tuple(lines)


def read_sets(path: Path, **folder_options: Unpack[FolderOptions]) -> tuple[Dataset, Dataset | None]:
    """Return the training set and the test set of a folder, or all images and None. The options are as in `load`.

    Images in a folder `validation` become the ``validation`` set of the training set, whose ``remarks`` list the files
    that are not used.

    Errors   DataError for images of different sizes without ``size``, or masks whose values are no labels; FormatError
             for damaged images; and as in `read_layout`
    """
    options = ImageOptions(**folder_options)
    layout = read_layout(path, options.min_classes)
    reader = ImageReader(path, options)
    usable = {part: reader.read(entries) for part, entries in layout.parts.items()}
    reader.check()
    for part, files in usable.items():
        _check_classes(layout, part, files)
    classes = layout.classes
    if has_masks(path):
        classes = _mask_classes(layout, chain(*usable.values()), options.min_classes)
    sets = {part: _dataset(layout, classes, reader, files) for part, files in usable.items()}
    training = sets[TRAIN if TRAIN in sets else ALL]
    remarks = reader.remarks(layout)
    return replace(training, validation=sets.get(VALIDATION), remarks=remarks), sets.get(TEST)


def _check_classes(layout: Layout, part: str, files: Sequence[UsableFile]) -> None:
    """Raise DataError for a set or a class whose images are all damaged."""
    used = set[object]()
    for file in files:
        if isinstance(file.target, int):
            used.add(file.target)
    for entry in layout.parts[part]:
        if isinstance(entry.target, int) and entry.target not in used:
            images = f"every image of class {layout.classes[entry.target]!r}"
            if part != ALL:
                images += f" in {part}"
            raise DataError(f"{layout.folder}: {images} is damaged")
    if not files:
        raise DataError(f"{layout.folder}: every image in {part} is damaged")


def _mask_classes(layout: Layout, files: Iterable[UsableFile], min_classes: int) -> tuple[str, ...]:
    """Return the names of the classes of masks, by default "0", "1", …; DataError if a value is no label."""
    occurring = np.zeros(UNLABELED + 1, np.bool_)
    for file in files:
        occurring |= cast("Bools", file.labels)
    labels = np.flatnonzero(occurring[:UNLABELED])
    largest = int(labels[-1])
    names = layout.classes or tuple(map(str, range(largest + 1)))
    missing = np.flatnonzero(~occurring[: largest + 1])
    problem = None
    if largest >= len(names):
        problem = f"the value {largest} in the masks, but {len(names)} names in {CLASS_NAMES}"
    elif layout.classes:
        return names
    elif missing.size:
        problem = f"the value {largest} in the masks, but no {missing[0]}; name the classes in {CLASS_NAMES}"
    elif len(names) > MAX_UNNAMED:
        problem = f"{len(names)} values in the masks; name the classes in {CLASS_NAMES}"
    elif len(names) < min_classes:
        problem = "only one class in the masks; save those of 0 and 255 as mask // 255"
    if problem is not None:
        expected = f"expected the labels 0, 1, …, and {UNLABELED} for pixels without a class"
        raise DataError(f"{layout.folder}: {problem}; {expected}")
    return names


def _dataset(layout: Layout, classes: tuple[str, ...], reader: ImageReader, files: Sequence[UsableFile]) -> Dataset:
    """Return a set of a folder as a data set."""
    x = reader.images(files)
    names = None
    if not reader.options.lazy:
        names = np.array([str(file.path) for file in files])
    y = np.array([file.target for file in files])
    return Dataset(cast(Images, x), y, classes, layout.folder.name, str(layout.folder), names=names)


def _size_text(size: Sequence[int]) -> str:
    """Return a size (H, W) as text, with the width first."""
    height, width = size
    return f"{width}×{height}"


def _examined(entries: Sequence[LabeledFile], options: ImageOptions) -> Iterator[UsableFile | ChainruleError]:
    """Yield the result of reading each file, which threads read."""

    def examine(number: int) -> UsableFile | ChainruleError:
        try:
            return _examine(entries[number], options)
        except OptionError:  # not a fault of the file: Pillow is missing
            raise
        except ChainruleError as error:
            return error

    yield from in_threads(examine, range(len(entries)))


def _examine(entry: LabeledFile, options: ImageOptions) -> UsableFile:
    """Decode an image and its mask, and return what the options keep of them; an error for an unusable file."""
    content = read_content(entry.path)
    digest = content_digest(content)
    image = open_image(entry.path, content=content)
    channels = channel_count(image)
    size = (image.height, image.width)
    changes = treatments(image)
    target = entry.target
    labels = None
    if isinstance(target, Path):
        target, labels, is_turned = _examine_mask(target, entry.path.name, size, options.size)
        if is_turned != (TURNED in changes):
            changes.append(MASK_ALONE)
    pixels = None
    if not options.lazy:
        pixels = to_array(image, options.channels or channels, options.size)
    return UsableFile(entry.path, (channels, *size), tuple(changes), digest, pixels, target, labels)


def _examine_mask(
    path: Path, image: str, image_size: tuple[int, int], new_size: tuple[int, int] | None
) -> tuple[NDArray[np.uint8], Bools, bool]:
    """Return the labels of a mask after resizing, those that occur before, and whether its metadata turn it.

    image, image_size   name of its image, and the size (H, W) that both have in their files
    Errors              DataError for another size, or a mask without a pixel of a class
    """
    mask = open_mask(path)
    size = (mask.height, mask.width)
    if size != image_size:
        raise DataError(f"{path}: {_size_text(size)} pixels upright, but {image} has {_size_text(image_size)}")
    occurring = np.bincount(mask_array(mask).ravel(), minlength=UNLABELED + 1) > 0
    if not occurring[:UNLABELED].any():
        raise DataError(f"{path}: all pixels are {UNLABELED}, which is no class")
    return mask_array(mask, new_size), occurring, TURNED in treatments(mask)


def image_paths(folder: Path) -> list[Path]:
    """Return the paths of all images of a folder that are used, of all sets; DataError as in `load`."""
    return read_layout(folder, min_classes=1).paths


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
    if has_masks(folder):
        height = math.ceil(height / MULTIPLE) * MULTIPLE
        width = math.ceil(width / MULTIPLE) * MULTIPLE
    size = (height, width)
    return None if sizes == {size} else size
