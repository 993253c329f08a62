"""Loading of NumPy archives (.npz) with `x` and `y`, and optionally `x_test`, `y_test` and `classes`, without pickles.

The members of an archive are .npy files (versions 1 to 3) with numbers or strings, in C or Fortran order. The size that
a header states is compared with the archive's directory before memory is allocated. Members are read to the end, where
zipfile verifies the checksum (CRC-32).
"""

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from chainrule._io.reading import check_zip_member, decoding, open_zip, reading
from chainrule.core.arrays import Array, Floats, Ints
from chainrule.core.shapes import text
from chainrule.data.dataset import IMAGE_AXES, ROW_AXES, Dataset, Images
from chainrule.data.sources import finite_extremes
from chainrule.errors import DataError, FormatError

NAMES = ("x", "y", "targets", "weights", "x_test", "y_test", "targets_test", "classes")
OF_KERAS = {"x_train": "x", "y_train": "y"}
MAX_COLORS = 4  # maximum number of channels if the channel axis is last
MAX_CLASSES = 1000  # limit without class names, because larger labels are probably a mistake
MAX_LABEL = 2**53
MAX_HEADER = 4096  # bytes; most headers have 128
NUMBER_KINDS = "biuf"  # kinds of dtypes: booleans, integers and floats
PLAIN_KINDS = f"{NUMBER_KINDS}cSU"  # and complex numbers and strings
WHITE = 255


# ------------------------------------------------------------------ data sets


def read_sets(path: Path) -> tuple[Dataset, Dataset | None]:
    """Return the training set and the test set of a NumPy archive, or all samples and None.

    Its arrays are described in `load`.

    Errors   FormatError for an invalid archive; DataError, with the name of the array, for invalid arrays
    """
    arrays = read_archive(path)
    read_targets = _labels
    target_name = "y"
    if "targets" in arrays:
        read_targets = _targets
        target_name = "targets"
    test_name = f"{target_name}_test"
    _require(("x", target_name), arrays, path)
    if "x_test" in arrays:
        _require((test_name,), arrays, path)
    _number_names(arrays, path)
    x = _images(arrays["x"], path, "x")
    y, count = read_targets(arrays[target_name], path, target_name)
    classes = _class_names(arrays.get("classes"), count, path)
    weights = arrays.get("weights")
    data = Dataset(x, y, classes, path.stem, str(path), weights=weights)
    if "x_test" not in arrays:
        return data, None
    test_x = _images(arrays["x_test"], path, "x_test")
    test_y, _ = read_targets(arrays[test_name], path, test_name)
    return data, Dataset(test_x, test_y, classes, f"{path.stem} test", str(path))


def _number_names(arrays: dict[str, Array], path: Path) -> None:
    """Replace labels that are text by their numbers among the classes, by default those that occur, in order."""
    texts = dict[str, Array]()
    for name in ("y", "y_test"):
        if name in arrays and arrays[name].dtype.kind == "U":
            texts[name] = arrays[name].reshape(-1, 1)
    if texts:
        names = arrays.setdefault("classes", np.unique(np.concatenate([*texts.values()])))
        for name, text_labels in texts.items():
            matches = text_labels == names
            if not matches.any(1).all():
                raise DataError(f"{path}: {name} holds names that are not in the array 'classes'")
            arrays[name] = matches.argmax(1)


def _require(names: Sequence[str], arrays: Mapping[str, Array], path: Path) -> None:
    """Raise DataError, with the arrays of an archive, for the first name that none of them has."""
    for name in names:
        if name not in arrays:
            raise DataError(f"{path}: no array {name!r}; found {', '.join(sorted(arrays)) or 'none'}")


def read_inputs(path: Path, axes: int) -> Images:
    """Return the array x of an archive, which needs no labels: images as in `read_sets`, or series or vectors (N, …).

    axes   number of axes of a sample: 3 for images
    """
    arrays = read_archive(path)
    _require(("x",), arrays, path)
    return _images(arrays["x"], path, "x") if axes == 3 else arrays["x"]


def read_archive(path: Path) -> dict[str, Array]:
    """Read the arrays that a data set may contain, in any shape; FormatError for an invalid archive."""
    with reading(path, ".npz file") as stream:
        if stream.read(2) != b"PK":
            raise FormatError(f"{path}: not an .npz file")
        with open_zip(stream) as archive:
            members = dict[str, zipfile.ZipInfo]()
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                members[OF_KERAS.get(name, name)] = info
            arrays = dict[str, Array]()
            for name in NAMES:
                if name in members:
                    arrays[name] = read_member(archive, members[name], path)
            if members and not arrays:
                raise DataError(f"{path}: no array 'x'; found {', '.join(sorted(members))}")
            return arrays


def _images(array: Array, path: Path, name: str) -> Images:
    """Return images (N, C, H, W): floats as float32, other numbers as bytes, and booleans as 0 and 255.

    The rows of a table, (N, F), become float64.
    """
    if array.ndim == ROW_AXES and array.dtype.kind in NUMBER_KINDS:
        rows = array.astype(np.float64)
        if rows.size:
            finite_extremes(rows, f"{path}: the values of {name}")
        return rows
    x = array[:, None] if array.ndim == 3 else array
    if x.ndim != IMAGE_AXES:
        raise DataError(
            f"{path}: {name} has shape {text(x.shape)}; expected (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C)"
        )
    if x.dtype.kind not in NUMBER_KINDS:
        raise DataError(f"{path}: {name} is {x.dtype}; expected bytes, whole numbers or floats")
    if x.shape[3] <= MAX_COLORS < x.shape[1]:  # (N, H, W, C): few channels at the end, and many rows before
        x = x.transpose(0, 3, 1, 2)
    if x.dtype.kind == "f":
        with np.errstate(over="ignore"):  # overflowing values are refused below
            floats = np.ascontiguousarray(x, np.float32)
        if not np.isfinite(floats).all():
            raise DataError(f"{path}: {name} holds values that are not finite")
        return floats
    if x.size and (x.min() < 0 or x.max() > WHITE):
        raise DataError(f"{path}: {name} holds values from {x.min()} to {x.max()}; expected whole numbers 0 … {WHITE}")
    pixels = np.ascontiguousarray(x, np.uint8)
    if x.dtype.kind == "b":
        pixels *= np.uint8(WHITE)
    return pixels


def _labels(y: Array, path: Path, name: str) -> tuple[Ints, int]:
    """Return the labels (N,) and the number of classes: the largest label + 1."""
    if y.dtype.kind not in NUMBER_KINDS or not np.array_equal(y, np.rint(y)):
        advice = "store names of classes in an array 'classes', and numbers to predict in 'targets'"
        raise DataError(f"{path}: {name} is {y.dtype}; expected integers ({advice})")
    if y.ndim == 2 and y.shape[1] > 1:
        if not np.all(np.isin(y, (0, 1)) & (y.sum(1, keepdims=True) == 1)):
            raise DataError(f"{path}: {name} of shape {text(y.shape)} is not one-hot: expected a single 1 in each row")
        return y.argmax(1).astype(np.int64), y.shape[1]
    if y.ndim != 1 and y.shape[1:] != (1,):
        raise DataError(f"{path}: {name} has shape {text(y.shape)}; expected (N,), or one-hot (N, K)")
    if y.size and not -MAX_LABEL < y.min() <= y.max() < MAX_LABEL:
        raise DataError(f"{path}: {name} holds values from {y.min()} to {y.max()}; expected labels 0, 1, 2, …")
    labels = y.reshape(-1).astype(np.int64)
    return labels, int(labels.max(initial=-1)) + 1


def _targets(y: Array, path: Path, name: str) -> tuple[Floats, int]:
    """Return the targets (N, K) and K; `Dataset` checks that they are finite."""
    if y.dtype.kind not in NUMBER_KINDS or y.ndim not in (1, 2) or y.shape[1:] == (0,):
        raise DataError(f"{path}: {name} is {y.dtype} of shape ({text(y.shape)}); expected numbers (N,) or (N, K)")
    columns = y[:, None] if y.ndim == 1 else y
    return columns.astype(np.float64), columns.shape[1]


def _class_names(names: Array | None, count: int, path: Path) -> tuple[str, ...]:
    """Return the names in the array `classes`; None: the numbers 0 … count − 1."""
    if names is None:
        if count > MAX_CLASSES:
            limit = f"without an array 'classes', expected at most {MAX_CLASSES}"
            raise DataError(f"{path}: y implies {count} classes (0 … {count - 1}); {limit}")
        return tuple(map(str, range(count)))
    if names.ndim != 1:
        raise DataError(f"{path}: classes has shape {text(names.shape)}; expected one name per class")
    texts = list[str]()
    with decoding(path, "array 'classes'"):  # strings may contain invalid Unicode
        for name in names.tolist():
            texts.append(name.decode() if isinstance(name, bytes) else str(name))
    return tuple(texts)


# ------------------------------------------------------------------ members


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Array:
    """Return the array in a member of an archive.

    Errors   FormatError for a header that does not describe a plain array, a wrong size or checksum, encryption, an
             unsupported compression method or a decompression bomb
    """
    label = f"{path}: array {info.filename}"
    check_zip_member(info, label)
    with decoding(label, ".npy file"), archive.open(info) as stream:
        read_header = npy.read_array_header_2_0  # also for version 3
        if npy.read_magic(stream) == (1, 0):
            read_header = npy.read_array_header_1_0
        shape, _, dtype = read_header(stream, max_header_size=MAX_HEADER)
        if dtype.kind not in PLAIN_KINDS or not dtype.itemsize:
            kind = "Python objects" if dtype.hasobject else f"values of type {dtype}"
            raise FormatError(f"{label} holds {kind}; expected numbers")
        expected = stream.tell() + math.prod(shape) * dtype.itemsize
        if expected != info.file_size:
            description = f"its header promises {expected} bytes, found {info.file_size} bytes"
            raise FormatError(f"{label} is damaged: {description}")
        stream.seek(0)
        array = npy.read_array(stream, allow_pickle=False, max_header_size=MAX_HEADER)
        stream.read(1)  # at the end, zipfile verifies the checksum
    return array
