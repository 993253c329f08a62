"""Reading of the files of an image folder: one pass over all files, which loaded and streamed data share.

The pass decodes every image and every mask, so that both accept, refuse and report the same. Loaded data keep the
pixels; streamed data keep a hash of every file, and verify it whenever they read the file again.
"""

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Ints
from chainrule.data.folder_layout import CLASSES, NUMBERS, relative
from chainrule.data.image_files import ImageFiles, in_threads
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
from chainrule.data.inventory import Inventory, LeftOut
from chainrule.data.mask_values import MAX_COLORS
from chainrule.errors import ChainruleError, DataError, FormatError, OptionError, quoted, unknown_name

NAMED = 2  # maximum number of damaged files named in an error
MASK_ALONE = "the metadata (EXIF) turn only the image, or only its mask"


class ImageWithMask(NamedTuple):
    """The path of an image, and that of its mask; None for images without masks."""

    image: Path
    mask: Path | None


class FolderOptions(TypedDict, total=False):
    """Options of `load` and `load_test`, which describe them."""

    size: tuple[int, int] | None
    channels: int | None
    skip_damaged: bool
    lazy: bool
    group_pattern: str | None
    min_classes: int
    targets: str | None


@dataclass(frozen=True)
class ImageOptions:
    """How the images of a folder are read: `FolderOptions` with their defaults.

    Errors   OptionError for a height or a width below 1, other channels than 1 and 3, or an unknown kind of targets
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    skip_damaged: bool = False
    lazy: bool = False
    group_pattern: str | None = None
    min_classes: int = 2
    targets: str | None = None

    def __post_init__(self) -> None:
        """Check the options."""
        if self.size is not None and not (min(self.size) >= 1 and math.prod(self.size) <= MAX_PIXELS):
            expected = f"a height and a width of at least 1, and at most {MAX_PIXELS:,} pixels"
            raise OptionError(f"images cannot be resized to {quoted(self.size)}; expected {expected}")
        try:
            re.compile(self.group_pattern or "")
        except re.error as error:
            raise OptionError(f"group pattern {quoted(self.group_pattern)}: no regular expression ({error})") from None
        if self.targets not in (None, CLASSES, NUMBERS):
            raise unknown_name("kind of targets", self.targets, [CLASSES, NUMBERS])
        if self.channels not in (None, 1, 3):
            raise OptionError(f"images have 1 or 3 channels, not {quoted(self.channels)}")


@dataclass(frozen=True, eq=False, slots=True)
class Mask:
    """The mask of an image.

    path             path of the file
    size             height and width in the file
    is_turned        whether the metadata (EXIF) of the file turn it
    values, counts   the values that occur in it (`images.mask_array`), and the number of pixels of each
    digest           hash of the file
    pixels           values (H, W) after resizing; None for streamed data
    """

    path: Path
    size: tuple[int, int]
    is_turned: bool
    values: Array
    counts: Ints
    digest: bytes
    pixels: Array | None

    @property
    def is_colored(self) -> bool:
        """Whether the values are colors 0xRRGGBB."""
        return self.values.dtype != np.uint8


@dataclass(frozen=True, eq=False, slots=True)
class UsableFile:
    """A usable image file.

    number    index in the list of files
    shape     shape (C, H, W) in the file; C is 1 for gray images and 3 for others
    changes   conversions of the image (`images.treatments`)
    digest    hash of the file
    pixels    the image, (C, H, W); None for streamed data
    mask      the mask of the image; None for images without masks
    """

    number: int
    path: Path
    shape: tuple[int, int, int]
    changes: tuple[str, ...]
    digest: bytes
    pixels: NDArray[np.uint8] | None
    mask: Mask | None


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

    def read(self, files: Sequence[ImageWithMask]) -> list[UsableFile]:
        """Read files, and return the usable ones; DataError if the images differ in size."""
        usable = list[UsableFile]()
        for paths, file in zip(files, _examined(files, self.options), strict=True):
            if isinstance(file, ChainruleError):
                self.damaged.append((paths.image, file))
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

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of all images that have been read; DataError if there are none."""
        if self._first is None:
            raise self.problem()
        return self._channels, *self._size

    def images(self, files: Sequence[UsableFile]) -> NDArray[np.uint8] | ImageFiles:
        """Return usable images: an array (N, C, H, W), or for streamed data a source."""
        if self.options.lazy:
            paths = [file.path for file in files]
            digests = [file.digest for file in files]
            return ImageFiles(self.top, paths, self.shape, digests)
        x = np.empty((len(files), *self.shape), np.uint8)
        for place, file in enumerate(files):
            x[place] = cast("NDArray[np.uint8]", file.pixels)  # gray images are broadcast to all channels
        return x

    def groups(self, files: Sequence[UsableFile]) -> Array | None:
        """Return the part of each path that matches ``group_pattern``, or its first group, (N,); None without it.

        Errors   DataError for a path without a match
        """
        if self.options.group_pattern is None:
            return None
        pattern = re.compile(self.options.group_pattern)
        part = 1 if pattern.groups else 0  # the first group, or the whole match
        names = list[str]()
        for file in files:
            path = relative(file.path, self.top)
            match = pattern.search(path)
            if match is None:
                raise DataError(f"{self.top}: {path} has no match of the group pattern {pattern.pattern!r}")
            names.append(match[part] or "")
        return np.array(names)

    def check(self) -> None:
        """Raise `problem` if there are damaged files, unless they are to be skipped."""
        if self.damaged and not self.options.skip_damaged:
            raise self.problem()

    def problem(self) -> ChainruleError:
        """Return an error that names the damaged files or, if there are none, says that there are no images."""
        count = len(self.damaged)
        if not count:
            return DataError(f"{self.top}: there are no usable images")
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
        return kind(f"{self.top}: {count:,} damaged: {'; '.join(named)}; {advice}")

    def inventory(
        self, used: Mapping[str, Mapping[str, int]], left_out: Iterable[LeftOut], notes: tuple[str, ...]
    ) -> Inventory:
        """Return the inventory of the folder, whose entries of left-out files include the damaged ones."""
        unused = list(left_out)
        for path, error in self.damaged:
            reason = str(error).removeprefix(f"{path}: ")
            unused.append(LeftOut(relative(path, self.top), "damaged", reason))
        unused.sort(key=lambda entry: entry.path)
        return Inventory(str(self.top), used, tuple(unused), dict(self.changed), notes)


def _size_text(size: Sequence[int]) -> str:
    """Return a size (H, W) as text, with the width first."""
    height, width = size
    return f"{width}×{height}"


def _examined(files: Sequence[ImageWithMask], options: ImageOptions) -> Iterator[UsableFile | ChainruleError]:
    """Yield the result of reading each file, which threads read."""

    def examine(number: int) -> UsableFile | ChainruleError:
        try:
            return _examine(number, files[number], options)
        except OptionError:  # not a fault of the file: Pillow is missing
            raise
        except ChainruleError as error:
            return error

    yield from in_threads(examine, range(len(files)))


def _examine(number: int, paths: ImageWithMask, options: ImageOptions) -> UsableFile:
    """Decode an image and its mask, and return what the options keep of them; an error for an unusable file."""
    content = read_content(paths.image)
    digest = content_digest(content)
    image = open_image(paths.image, content=content)
    channels = channel_count(image)
    image_size = (image.height, image.width)
    changes = treatments(image)
    mask = None
    if paths.mask is not None:
        mask = _examine_mask(paths.mask, options)
        is_alone = mask.is_turned != (TURNED in changes)
        if mask.size != image_size:
            sizes = f"{_size_text(mask.size)} pixels, but {paths.image.name} has {_size_text(image_size)}"
            problem = f"{paths.mask}: {sizes}"
            if is_alone:
                problem += ", and the metadata (EXIF) of only one of them turn the pixels: save it upright"
            raise DataError(problem)
        if is_alone:
            changes.append(MASK_ALONE)
    pixels = None
    if not options.lazy:
        pixels = to_array(image, options.channels or channels, options.size)
    return UsableFile(number, paths.image, (channels, *image_size), tuple(changes), digest, pixels, mask)


def _examine_mask(path: Path, options: ImageOptions) -> Mask:
    """Decode a mask, and return what the options keep of it; DataError for too many colors."""
    content = read_content(path)
    digest = content_digest(content)
    image = open_mask(path, content)
    values = mask_array(image)
    size = (image.height, image.width)
    occurring, counts = np.unique(values, return_counts=True)
    if len(occurring) > max(256, MAX_COLORS):
        raise DataError(f"{path}: {len(occurring):,} colors; expected at most {MAX_COLORS}, one per class")
    pixels = values if options.size in (None, size) else mask_array(image, options.size)
    return Mask(path, size, TURNED in treatments(image), occurring, counts, digest, pixels)
