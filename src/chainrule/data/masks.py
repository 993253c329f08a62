"""Image folders with masks: the label of each pixel is its value in the mask. Predicted masks and overlays."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import read_bytes
from chainrule.data import folder as folders
from chainrule.data.dataset import Dataset
from chainrule.data.folder import ImageOptions, ImageReader, stacked
from chainrule.data.folder_layout import images_below
from chainrule.data.images import image_size, read_mask
from chainrule.data.sources import ImageFiles, MaskFiles, blocks, common_shape
from chainrule.errors import DataError, FormatError, printable

IMAGES, MASKS = "images", "masks"  # subfolders
CLASS_NAMES = "classes.txt"
MAX_NAMES = 1 << 16  # bytes
MULTIPLE = 4  # pixels
UNLABELED = 255  # label of pixels without a class, by convention
OPACITY = 0.5  # of the colors of an overlay
COLORS = (  # of the labels in masks and overlays, from label 0; label 0 is not drawn in overlays
    *((0, 0, 0), (230, 97, 1), (94, 60, 153), (26, 150, 65), (44, 123, 182), (215, 25, 28)),
    *((253, 184, 99), (178, 171, 210), (166, 217, 106), (171, 217, 233), (255, 255, 191)),
)


def has_masks(folder: Path) -> bool:
    """Return whether a folder contains the subfolders `images` and `masks`."""
    return all(os.path.isdir(folder / name) for name in (IMAGES, MASKS))


def suggested_size(paths: list[Path]) -> tuple[int, int] | None:
    """Return the default size (H, W) for resizing images and masks: as for other images, but a multiple of 4.

    The default network halves and doubles the size twice.
    """
    size = folders.suggested_size(paths)
    if size is None:
        height, width = image_size(paths[0])
        return None if height % MULTIPLE == width % MULTIPLE == 0 else _rounded_up(height, width)
    return _rounded_up(*size)


def image_paths(folder: Path) -> list[Path]:
    """Return the paths of the images that have masks, sorted; DataError if there are none."""
    files = [path for path, problem in images_below(folder / IMAGES) if not problem]
    if not files:
        raise DataError(f"{folder / IMAGES}: no images in this folder")
    return files


def _rounded_up(*size: int) -> tuple[int, int]:
    height, width = (-(-length // MULTIPLE) * MULTIPLE for length in size)
    return height, width


def load_masks(folder: Path, *, test_share: float = 0.2, seed: int = 0, **options: Any) -> tuple[Dataset, Dataset]:
    """Return (training set, test set) from FOLDER/images and FOLDER/masks.

    seed         seed of the random choice of test images
    test_share   fraction of the images used for the test set
    options      as in `read_masks`
    """
    return read_masks(folder, **options).split(test_share, seed)


def read_masks(folder: Path, **named_options: Any) -> Dataset:
    """Return the images of FOLDER/images, and the masks of FOLDER/masks as labels (N, H, W).

    An image and its mask have the same name, apart from the suffix. A mask is gray or has a palette, and the value of a
    pixel is its label: 0, 1, …. The label 255 is for pixels without a class; train with ``ignore_label=255``. If all
    values are 0 or 255, 255 is the label 1. The names of the classes are the lines of FOLDER/classes.txt, if it exists.

    named_options   as in `folder.ImageOptions`. Masks are resized without interpolation. With ``lazy``, and without
                    classes.txt, the labels in 1000 masks determine the classes

    Errors   DataError for images without a mask, or masks of another size; FormatError for damaged images
    """
    options = ImageOptions(**named_options)
    files = image_paths(folder)
    mask_of = {path.stem: path for path, problem in images_below(folder / MASKS) if not problem}
    missing = [path for path in files if path.stem not in mask_of]
    if missing:
        raise DataError(f"{missing[0]}: there is no mask {folder / MASKS / missing[0].stem}.png")
    masks = [mask_of[path.stem] for path in files]
    if options.lazy:
        shape = common_shape(files, options.size, options.channels)
        x, y, labels = _sources(folder, files, masks, shape, options.size is not None)
    else:
        x, y = _read_all(ImageReader(folder, options.size, options.channels), files, masks, options)
        labels = np.unique(y)
        if set(labels) <= {0, UNLABELED}:
            y, labels = (y == UNLABELED).astype(np.uint8), np.array([0, 1])
    return Dataset(x, y, _class_names(folder, labels), folder.name, str(folder))


def _sources(
    folder: Path, files: list[Path], masks: list[Path], shape: tuple[int, int, int], resize: bool
) -> tuple[Any, Any, NDArray[Any]]:
    """Return sources of the images and the masks, and the labels in some of the masks."""
    y = MaskFiles(folder, masks, shape[1:], resize=resize)
    labels = np.unique(np.concatenate([np.unique(block) for block in blocks(y.representative())]))
    if set(labels.tolist()) <= {0, UNLABELED}:
        y, labels = MaskFiles(folder, masks, shape[1:], resize=resize, foreground=UNLABELED), np.array([0, 1])
    return ImageFiles(folder, files, shape, resize=resize), y, labels


def _read_all(
    reader: ImageReader, files: list[Path], masks: list[Path], options: ImageOptions
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return all images (N, C, H, W) and masks (N, H, W)."""
    images, indices = reader.read([(path, number) for number, path in enumerate(files)])
    reader.check(options.skip_damaged)
    if not images:
        raise DataError(f"{reader.top}: every image is damaged")
    x = stacked(images, max(map(len, images)))
    return x, np.stack([_mask(masks[index], files[index], options.size, x.shape[2:]) for index in indices])


def _mask(path: Path, image: Path, size: tuple[int, int] | None, expected: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the labels of a mask, (H, W); DataError if the image has another size."""
    labels = read_mask(path, size)
    if labels.shape != expected:
        here, there = ("×".join(map(str, shape[::-1])) for shape in (labels.shape, expected))
        raise DataError(f"{path}: {here} pixels, but {image.name} has {there}")
    return labels


def _class_names(folder: Path, labels: NDArray[Any]) -> tuple[str, ...]:
    """Return the names of the classes: lines of classes.txt or, without this file, "0", "1", …."""
    count = int(labels[labels != UNLABELED].max(initial=0)) + 1
    path = folder / CLASS_NAMES
    if not os.path.isfile(path):
        return ("background", "foreground") if count == 2 else tuple(map(str, range(count)))
    try:
        lines = read_bytes(path, MAX_NAMES, DataError).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not text in UTF-8") from None
    names = tuple(printable(line.strip()) for line in lines if line.strip())
    if len(names) < count:
        raise DataError(f"{path}: {len(names)} names, but the largest label in the masks is {count - 1}")
    return names


# ------------------------------------------------------------------ predictions


def mask_png(labels: NDArray[Any]) -> bytes:
    """Return labels (H, W) as a PNG file with a palette. The value of a pixel is its label, at most 255."""
    from PIL import Image

    image = Image.fromarray(np.asarray(labels, np.uint8), "P")
    image.putpalette([level for label in range(256) for level in _color(label)])
    return _png(image)


def overlay_png(image: NDArray[np.uint8], labels: NDArray[Any]) -> bytes:
    """Return an image (C, H, W) as a PNG file, with its pixels of the labels 1, 2, … tinted in the mask's colors."""
    from PIL import Image

    pixels = np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0).astype(np.float64)
    palette = np.array([_color(label) for label in range(256)], np.float64)
    tinted = np.where(labels[..., None] > 0, (1 - OPACITY) * pixels + OPACITY * palette[labels], pixels)
    return _png(Image.fromarray(np.rint(tinted).astype(np.uint8), "RGB"))


def image_png(values: NDArray[Any]) -> bytes:
    """Return numbers (C, H, W) from 0 to 1 as a gray or RGB PNG file. Numbers outside this range are clipped."""
    from PIL import Image

    levels = np.rint(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    return _png(Image.fromarray(levels[0], "L") if len(levels) == 1 else Image.fromarray(levels.transpose(1, 2, 0)))


def _png(image: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _color(label: int) -> tuple[int, int, int]:
    return COLORS[label] if label < len(COLORS) else COLORS[1 + (label - 1) % (len(COLORS) - 1)]
