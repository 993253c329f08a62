"""Image folders with masks: the label of each pixel is its value in the mask. Predicted masks and overlays."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import read_bytes
from chainrule.core.arrays import Array
from chainrule.data.dataset import Dataset, Images
from chainrule.data.folder_layout import ALL, images_below, relative
from chainrule.data.image_reader import ImageOptions, ImageReader, ImageWithMask, Mask, UsableFile
from chainrule.data.inventory import LeftOut
from chainrule.data.mask_values import GRAY, UNLABELED, MaskValues
from chainrule.errors import DataError, FormatError, printable

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES, MASKS = "images", "masks"  # subfolders
CLASS_NAMES = "classes.txt"
MAX_NAMES = 1 << 16  # bytes
OPACITY = 0.5  # of the colors of an overlay
COLORS = (  # of the labels in masks and overlays, from label 0; label 0 is not drawn in overlays
    *((0, 0, 0), (230, 97, 1), (94, 60, 153), (26, 150, 65), (44, 123, 182), (215, 25, 28)),
    *((253, 184, 99), (178, 171, 210), (166, 217, 106), (171, 217, 233), (255, 255, 191)),
)


def has_masks(folder: Path) -> bool:
    """Return whether a folder contains the subfolders `images` and `masks`."""
    return all(os.path.isdir(folder / name) for name in (IMAGES, MASKS))


def image_paths(folder: Path) -> list[Path]:
    """Return the paths of the images that have masks, sorted; DataError if there are none."""
    files = [path for path, problem in images_below(folder / IMAGES) if problem is None]
    if not files:
        raise DataError(f"{folder / IMAGES}: no images in this folder")
    return files


def read_masks(folder: Path, options: ImageOptions) -> Dataset:
    """Return the images of FOLDER/images, and the masks of FOLDER/masks as labels (N, H, W).

    An image and its mask have the same path in these folders, apart from the suffix, and the same size. The values of
    the pixels of all masks determine the labels, as `MaskValues.of` describes. The names of the classes are the lines
    of FOLDER/classes.txt, if it exists. The ``inventory`` states the values and their shares.

    options   how the images are read. Masks are resized without interpolation

    Errors   DataError for images without a mask, masks of another size, or values that cannot be labels; FormatError
             for damaged files
    """
    reader = ImageReader(folder, options)
    names = _class_names(folder)
    pairs, left_out = _pairs(folder)
    files = reader.read(pairs)
    reader.check()
    values, counts = _mask_values(files, names, folder)
    files = _with_classes(files, values, reader)
    masks = _masks(files)
    x = reader.images(files)
    classes = names or values.names()
    y = np.stack([values.labels(cast("Array", mask.pixels)) for mask in masks])
    used = {ALL: {"images with masks": len(files)}}
    inventory = reader.inventory(used, left_out, (values.remark(counts, classes),))
    groups = reader.groups(files)
    return Dataset(
        cast(Images, x),
        cast(Array, y),
        classes,
        folder.name,
        str(folder),
        groups=groups,
        inventory=inventory,
        mask_values=values,
    )


def _masks(files: Sequence[UsableFile]) -> list[Mask]:
    """Return the masks of images that were read with their masks."""
    masks = list[Mask]()
    for file in files:
        masks.append(cast(Mask, file.mask))
    return masks


def _with_classes(files: list[UsableFile], values: MaskValues, reader: ImageReader) -> list[UsableFile]:
    """Return the files without those whose masks have no pixel of a class, which are added to the damaged files."""
    usable = list[UsableFile]()
    for file, mask in zip(files, _masks(files), strict=True):
        if values.has_class(mask.values):
            usable.append(file)
        else:
            reader.damaged.append((file.path, DataError(f"{mask.path}: all pixels are {UNLABELED}, which is no class")))
    reader.check()
    if not usable:
        raise reader.problem()
    return usable


def _pairs(folder: Path) -> tuple[list[ImageWithMask], list[LeftOut]]:
    """Return the images with their masks, and the files that are not used.

    Errors   DataError for an image without a mask, or if two images or two masks have the same name
    """
    images, unread_images = _paths_by_name(folder, IMAGES)
    masks, unread_masks = _paths_by_name(folder, MASKS)
    if not images:
        raise DataError(f"{folder / IMAGES}: no images in this folder")
    pairs = list[ImageWithMask]()
    for name, path in images.items():
        if name not in masks:
            raise DataError(f"{path}: there is no mask {folder / MASKS / name}.png")
        pairs.append(ImageWithMask(path, masks[name]))
    left_out = unread_images + unread_masks
    for name, path in masks.items():
        if name not in images:
            left_out.append(LeftOut(relative(path, folder), "mask without an image"))
    return pairs, left_out


def _paths_by_name(folder: Path, part: str) -> tuple[dict[str, Path], list[LeftOut]]:
    """Return the images in a subfolder by their path in it, without the suffix, and the files that are not used."""
    paths = dict[str, Path]()
    left_out = list[LeftOut]()
    for path, problem in images_below(folder / part):
        name = os.path.splitext(relative(path, folder / part))[0]
        if problem is not None:
            left_out.append(LeftOut(relative(path, folder), problem))
        elif paths.setdefault(name, path) is not path:
            both = f"{paths[name]} and {path.name}"
            raise DataError(f"{both}: an image and its mask have the same name, apart from the suffix; remove one")
    return paths, left_out


def _mask_values(
    files: Sequence[UsableFile], names: tuple[str, ...] | None, folder: Path
) -> tuple[MaskValues, dict[int, int]]:
    """Return the values in all masks with their labels, and the number of pixels of each value.

    If any mask has colors, gray pixels of the others count as colors, too: 0x80 becomes #808080.
    """
    masks = _masks(files)
    is_colored = any(mask.is_colored for mask in masks)
    counts = Counter[int]()
    for mask in masks:
        values = mask.values.astype(np.int64)
        if is_colored and not mask.is_colored:
            values *= GRAY
        for value, count in zip(values.tolist(), mask.counts.tolist(), strict=True):
            counts[value] += count
    name_count = None
    source = folder / MASKS
    if names is not None:
        name_count = len(names)
        source = folder / CLASS_NAMES
    try:
        return MaskValues.of(counts, name_count, colored=is_colored), counts
    except DataError as error:
        raise DataError(f"{source}: {error}") from None


def _class_names(folder: Path) -> tuple[str, ...] | None:
    """Return the names of the classes, which are the lines of classes.txt; None without this file or names."""
    path = folder / CLASS_NAMES
    if not os.path.isfile(path):
        return None
    try:
        lines = read_bytes(path, MAX_NAMES, DataError).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not text in UTF-8") from None
    names = list[str]()
    for line in map(str.strip, lines):
        if line:
            names.append(printable(line))
    return tuple(names) if names else None


# ------------------------------------------------------------------ predictions


def mask_png(labels: Array, values: MaskValues | None = None) -> bytes:
    """Return labels (H, W) as a PNG file with a palette, in which the value of a pixel is at most 255, or with colors.

    values   value of each label, as in the masks that a model was trained on; None, or fewer than labels: the labels
    """
    from chainrule._io.pillow import Image

    if values is None or labels.max(initial=0) >= len(values.values):
        levels = list(range(256))
    elif values.colored:
        colors = np.array([list(value.to_bytes(3)) for value in values.values], np.uint8)
        return _png(Image.fromarray(colors[labels]))
    else:
        levels = list(values.values)
    image = Image.fromarray(np.array(levels, np.uint8)[labels], "P")
    palette = np.zeros((256, 3), np.uint8)
    palette[levels] = [_color(label) for label in range(len(levels))]
    image.putpalette(palette.tobytes())
    return _png(image)


def overlay_png(image: NDArray[np.uint8], labels: Array) -> bytes:
    """Return an image (C, H, W) as a PNG file, with its pixels of the labels 1, 2, … tinted in the mask's colors."""
    from chainrule._io.pillow import Image

    pixels = np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0).astype(np.float64)
    palette = np.array([_color(label) for label in range(256)], np.float64)
    tinted = np.where(labels[..., None] > 0, (1 - OPACITY) * pixels + OPACITY * palette[labels], pixels)
    return _png(Image.fromarray(np.rint(tinted).astype(np.uint8), "RGB"))


def image_png(values: Array) -> bytes:
    """Return numbers (C, H, W) from 0 to 1 as a gray or RGB PNG file. Numbers outside this range are clipped."""
    from chainrule._io.pillow import Image

    levels = np.rint(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    if len(levels) == 1:
        return _png(Image.fromarray(levels[0], "L"))
    return _png(Image.fromarray(levels.transpose(1, 2, 0)))


def _png(image: Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _color(label: int) -> tuple[int, int, int]:
    """Return the color of a label. Beyond the last color, they repeat without that of label 0."""
    if label < len(COLORS):
        return COLORS[label]
    return COLORS[1 + (label - 1) % (len(COLORS) - 1)]
