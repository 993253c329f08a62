"""Data sets: images with labels and class names, validated on construction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core.arrays import Array, Floats, Ints, Shape
from chainrule.core.lazy_methods import function_of
from chainrule.core.options import checked_options
from chainrule.core.randomness import generator
from chainrule.core.shapes import text
from chainrule.data.containers import Column, Data
from chainrule.data.sources import SampleSource, as_array, as_samples, checked_weights, subset
from chainrule.errors import DataError, OptionError, printable_name, quoted, unknown_name

MAX_CLASSES = 1_000_000
ROW_AXES, IMAGE_AXES = 2, 4  # of all rows (N, F), and of all images (N, C, H, W)
NOUNS = {1: "row", 3: "image"}  # by the number of axes of a sample; others are called samples
Images: TypeAlias = (
    NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.float64]
)  # or a `SampleSource`, which is used like an array


class SampleIndexError(DataError, IndexError):
    """A sample index is out of range."""


def noun_of(shape: Shape) -> str:
    """Return what a sample of a shape is called."""
    return NOUNS.get(len(shape), "sample")


@checked_options
@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Data):
    """A data set: images, or rows of numbers, with labels or targets.

    x           images (N, C, H, W), uint8 (0 … 255) or float32: an array, or a `SampleSource`; or rows (N, F) of these
                types or float64
    y           labels (N,), int64, from 0 to len(classes) − 1; or targets (N, K), float64: numbers to predict, or zeros
                and ones for K labels of a multi-label problem. Dense targets are labels of pixels (N, H, W), int64,
                which may include other values to be ignored, or images (N, K, H, W), float32
    classes     names of the classes or targets; by default "0", "1", … up to the largest label
    name        name of the data set in messages
    source      origin: a folder, a host or a package
    validation  for training data, the validation set provided by the source; None if there is none
    remarks     of an image folder: a line for each file that is not used, and for each conversion of images
    weights     weight of each image in the loss, (N,), float64; None: all are 1
    names       name of each image, (N,), the path of its file; None if the images are read when needed, or are no files
    digits      whether the images are digits that were centered and scaled as in MNIST. A network trained on them
                prepares the digits in image files in the same way (`as_mnist`)

    ``data[3]`` is a pair (image (C, H, W), label). ``data[:100]``, ``data[data.y == 2]`` and ``data[[5, 1]]`` are data
    sets with the same class names. Iteration yields pairs (image, label).

    Errors   DataError if images, labels and class names are inconsistent
    """

    x: Images
    y: Array
    classes: tuple[str, ...] = ()
    name: str = "data"
    source: str = ""
    validation: "Dataset | None" = None  # pyright: ignore[reportIncompatibleVariableOverride]
    remarks: tuple[str, ...] = ()
    weights: Floats | None = None
    digits: bool = False
    names: Array | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.x, SampleSource):
            object.__setattr__(self, "x", _as_images(self.x))
        if not isinstance(self.y, SampleSource):
            object.__setattr__(self, "y", _as_labels(self.y))
        classes = self.classes or map(str, range(_class_count(self.y, self.name)))
        # Class names come from folder names or files, and may contain control characters.
        object.__setattr__(self, "classes", tuple(map(printable_name, classes)))
        object.__setattr__(self, "x", as_samples(self.x))
        _check_images(self.x, self.name)
        if self.validation is not None and not isinstance(self.validation, Dataset):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DataError(f"{self.name}: validation {quoted(self.validation)}: expected a Dataset")
        _check_targets(self)
        if self.weights is not None:
            object.__setattr__(self, "weights", checked_weights(self.weights, len(self)))
        if self.names is not None:
            shape = np.array(self.names, object).shape
            if shape != (len(self),):
                raise DataError(f"{self.name}: names of shape ({text(shape)}); expected one for each sample")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def inputs(self) -> dict[str, Column]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The images or rows as the only input."""
        return {"": Column(self.x)}

    @property
    def targets(self) -> dict[str, Column]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The labels or targets of the only output."""
        return {"": Column(self.y)}

    @property
    def has_classes(self) -> bool:
        """Whether the images have class labels rather than targets."""
        return self.y.ndim in (0, 1, 3) or self.y.dtype.kind != "f"

    @property
    def is_dense(self) -> bool:
        """Whether there is a label or target for each pixel."""
        return self.y.ndim > 2

    @overload
    def __getitem__(self, index: int) -> tuple[Images, Any]: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | Sequence[bool] | Array) -> "Dataset": ...

    def __getitem__(self, index: Any) -> "tuple[Images, Any] | Dataset":
        """Return a sample as (image, label or targets (K,)), or a data set for a slice, a mask or indices.

        Errors   SampleIndexError if an index is out of range; DataError for a mask of another length, or if no sample
                 is selected
        """
        if isinstance(index, tuple):  # (samples, ...), as scikit-learn selects samples
            parts: tuple[Any, ...] = cast("Any", index)
            return cast("Any", self)[parts[0]] if parts[1:] == (...,) else self.take([*parts])
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        if np.ndim(index) == 0:
            position = self._indices(index)[0]
            return self.x[position], self._answer(self.y[position])
        return self.take(index)

    def __iter__(self) -> Iterator[tuple[Images, Any]]:
        """Yield the samples in order, each as (image (C, H, W), label or targets (K,))."""
        for image, answer in zip(self.x, self.y, strict=True):
            yield image, self._answer(answer)

    def _answer(self, target: Any) -> Any:
        return int(target) if self.has_classes and not self.is_dense else target

    def _indices(self, index: ArrayLike) -> Ints:
        """Convert indices (possibly negative) or a mask to non-negative indices."""
        values = np.asarray(index)
        if values.dtype == np.bool_:
            if values.shape != (len(self),):
                raise DataError(f"{self.name}: a mask of shape ({text(values.shape)}) for {len(self)} samples")
            return np.flatnonzero(values)
        if values.ndim > 1:
            raise DataError(f"{self.name}: an index of shape {text(values.shape)}; expected one axis")
        if values.size and values.dtype.kind not in "iu":
            raise DataError(f"{self.name}: cannot select samples by {values.dtype}; expected integers or a mask")
        indices = values.reshape(-1).astype(np.int64)
        outside = indices[(indices < -len(self)) | (indices >= len(self))]
        if outside.size:
            raise SampleIndexError(f"{self.name}: no sample {outside[0]}; there are {len(self)}, counted from 0")
        return indices % len(self)

    def __repr__(self) -> str:
        samples = f"{len(self)} {self.noun}s {text(self.sample_shape)} {self.x.dtype}"
        targets = "classes" if self.has_classes else "targets"
        if self.is_dense:
            targets += " per pixel"
        return f"Dataset({self.name!r}: {samples}, {len(self.classes)} {targets})"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        return function_of("Dataset._repr_html_")(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all images, (N, C, H, W)."""
        return self.x.shape

    @property
    def sample_shape(self) -> Shape:
        """Shape of one image, (C, H, W), or row, (F,)."""
        return self.x.shape[1:]

    @property
    def noun(self) -> str:
        """What a sample is called: an image, a row or, in another shape, a sample."""
        return noun_of(self.sample_shape)

    def take(self, samples: int | ArrayLike) -> "Dataset":
        """Return the first samples, or the samples at given indices, in the order of the indices.

        samples  number of samples (if there are fewer, all are returned), or indices (M,) or a mask (N,)
        Errors   DataError for a number below 1, or for indices as in ``data[…]``
        """
        if isinstance(samples, int):
            if samples < 1:
                raise DataError(f"{self.name}: cannot take {samples} samples; expected at least 1")
            return self.take(np.arange(min(samples, len(self))))
        indices = self._indices(samples)
        columns = dict[str, Array]()
        for name, values in (("weights", self.weights), ("names", self.names)):
            if values is not None:
                columns[name] = values[indices]
        return replace(self, x=subset(self.x, indices), y=subset(self.y, indices), **columns)

    def split(self, fraction: float, seed: int) -> tuple["Dataset", "Dataset"]:
        """Select a fraction of the samples at random, and return (rest, selection), both in their original order.

        If there are classes, the fraction of every class is the same.

        Errors   DataError for an invalid fraction, or for fewer than two samples
        """
        rest, selected = self.split_indices(fraction, seed)
        return self.take(rest), self.take(selected)

    def split_indices(self, fraction: float, seed: int) -> tuple[Ints, Ints]:
        """Return the indices of the samples that `split` returns."""
        from chainrule.data import splits

        try:
            labels = self.y if self.has_classes and not self.is_dense else None
            return splits.split_validation(len(self), fraction, seed, labels)
        except OptionError as error:
            raise DataError(f"{self.name}: {error}") from None

    def only(self, labels: Sequence[int | str]) -> "Dataset":
        """Return the samples of some classes. The classes are renumbered 0, 1, … in the order of ``labels``.

        labels   indices or names of the classes
        Errors   DataError for an unknown class, a duplicate, or a data set without classes
        """
        self._require_classes()
        numbers = list(map(self._class_number, labels))
        if len(set(numbers)) != len(numbers):
            raise DataError(f"{self.name}: classes {list(labels)} name one class twice")
        new_label = np.full(len(self.classes), -1, np.int64)
        new_label[numbers] = np.arange(len(numbers))
        y = new_label[self.y]
        selected = y >= 0
        names = tuple(map(self.classes.__getitem__, numbers))
        validation = self.validation and self.validation.only(labels)
        return replace(self.take(np.flatnonzero(selected)), y=y[selected], classes=names, validation=validation)

    def per_class(self, count: int, seed: int) -> "Dataset":
        """Return ``count`` samples of every class, chosen at random with the seed, in their original order.

        Errors   DataError if a class has fewer samples, or for a data set without classes
        """
        self._require_classes()
        selected = list[Ints]()
        for label, name in enumerate(self.classes):
            members = np.flatnonzero(self.y == label)
            if not 1 <= count <= len(members):
                raise DataError(f"{self.name}: cannot take {count} samples of class {name!r}, which has {len(members)}")
            members = generator(seed, "per class", label).permutation(members)
            selected.append(members[:count])
        return self.take(np.sort(np.concatenate(selected)))

    def _require_classes(self) -> None:
        if not self.has_classes or self.is_dense:
            raise DataError(f"{self.name}: the images have targets instead of classes")

    def _class_number(self, label: int | str) -> int:
        if isinstance(label, str) and label in self.classes:
            return self.classes.index(label)
        if not isinstance(label, str) and 0 <= label < len(self.classes):
            return int(label)
        raise DataError(f"{self.name}: {unknown_name('class', label, self.classes)}")


def _as_images(x: ArrayLike) -> Array:
    """Convert lists to an array, and images of float64 to float32; DataError for other values than numbers."""
    images = as_array(x)
    if images.dtype.kind not in "fiub":
        raise DataError(f"images are {images.dtype}; expected uint8 or float32")
    if images.ndim == IMAGE_AXES and images.dtype == np.float64 and as_samples(images) is images:  # in memory
        return images.astype(np.float32)
    return images


def _as_labels(y: ArrayLike) -> Array:
    """Convert integers to int64, and lists to an array."""
    labels = as_array(y)
    return labels.astype(np.int64) if labels.dtype.kind in "iub" else labels


def _class_count(y: Array, name: str) -> int:
    """Return the number of targets, or the largest label plus 1; 0 for arrays that contain neither."""
    if y.ndim in (2, 4):
        return y.shape[1]
    if isinstance(y, SampleSource) or not y.size or y.dtype.kind != "i":
        return 0
    largest = int(y.max())
    if largest >= MAX_CLASSES:
        raise DataError(f"{name}: label {largest}: expected below {MAX_CLASSES:,}")
    return largest + 1


def _check_images(x: Images, name: str) -> None:
    if x.ndim not in (ROW_AXES, IMAGE_AXES):
        expected = "expected four axes, samples×channels×height×width, or two, samples×columns"
        raise DataError(f"{name}: images of shape {text(x.shape)}; {expected}")
    if x.size == 0:
        raise DataError(f"{name}: the data is empty (shape {text(x.shape)})")
    if x.dtype.name not in ("uint8", "float32") and (x.dtype.name, x.ndim) != ("float64", ROW_AXES):
        raise DataError(f"{name}: images are {x.dtype}; expected uint8 or float32")


def _check_targets(data: Dataset) -> None:
    """Raise DataError unless y contains labels from 0 to K − 1 (or, of pixels, any), or finite targets."""
    y = data.y
    samples = len(data)
    names = len(data.classes)
    if y.ndim == 2:
        axes, dtype, shape = "targets (N, K)", np.float64, (samples, names)
    elif y.ndim == 3:
        axes, dtype, shape = "labels of pixels (N, H, W)", np.int64, (samples, *y.shape[1:])
    elif y.ndim == 4:
        axes, dtype, shape = "images (N, K, H, W)", np.float32, (samples, names, *y.shape[2:])
    else:
        axes, dtype, shape = "one label per image (N,)", np.int64, (samples,)
    if y.dtype != dtype or y.shape != shape:
        shapes = f"{samples} images but targets {y.dtype} of shape ({text(y.shape)})"
        raise DataError(f"{data.name}: {shapes}; expected {axes}, {np.dtype(dtype)} of shape ({text(shape)})")
    if y.ndim == 1:
        outside = np.flatnonzero((y < 0) | (y >= names))
        if outside.size:
            label = f"label {y[outside[0]]} of sample {outside[0]}"
            raise DataError(f"{data.name}: {label} is outside the classes 0 … {names - 1}")
    elif dtype != np.int64:  # labels of pixels may have other values, which are ignored
        is_finite = np.isfinite(y).reshape(samples, -1).all(1)
        if not is_finite.all():
            raise DataError(f"{data.name}: targets must be finite; those of sample {is_finite.argmin()} are not")


TEST_SHARE = 0.2  # default fraction of every class for the test set, of data without one


def order(count: int, seed: int, epoch: int) -> Ints:
    """Return a permutation of 0 … count − 1, (count,), that depends only on the seed and the epoch."""
    return generator(seed, "shuffle", epoch).permutation(count).astype(np.int64, copy=False)


def batch_count(count: int, batch_size: int) -> int:
    """Return the number of batches for ``count`` samples: ⌈count / batch_size⌉. The last batch may be smaller."""
    if batch_size < 1:
        raise OptionError(f"batch size {batch_size}: expected at least 1")
    return -(-count // batch_size)
