"""A data set: images, labels and class names, checked on construction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core.randomness import generator
from chainrule.core.shapes import text
from chainrule.data.inventory import Inventory
from chainrule.errors import DataError, OptionError, printable, unknown_name

Images: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]


class SampleIndexError(DataError, IndexError):
    """An index that is out of range for a data set."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images with labels or targets.

    x           (N, C, H, W), uint8 (0 … 255) or float32
    y           labels (N,) int64, each from 0 to len(classes) − 1; or targets (N, K) float64: numbers to predict, or
                zeros and ones for labels of which an image may have several
    classes     name of each class, or of each target
    name        name of the data set in messages
    source      origin: a folder, a host, a package
    validation  the source's own validation set, for training data; None if there is none
    inventory   account of the used and unused files of an image folder; None for other sources
    weights     weight of each image in the loss, (N,) float64; None: 1

    ``data[3]`` is (image (C, H, W), label); ``data[:100]``, ``data[data.y == 2]`` and ``data[[5, 1]]`` are data sets
    with the same names. Iterating yields (image, label) pairs.
    """

    x: Images
    y: NDArray[Any]
    classes: tuple[str, ...]
    name: str = "data"
    source: str = ""
    validation: "Dataset | None" = None
    inventory: Inventory | None = field(default=None, compare=False)
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        # Class names come from folder names or files, so they may hold control characters.
        object.__setattr__(self, "classes", tuple(map(printable, self.classes)))
        _check_images(self.x, self.name)
        check = _check_labels if self.has_classes else _check_targets
        check(self.y, len(self.x), len(self.classes), self.name)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def has_classes(self) -> bool:
        """Whether every image is of one class; otherwise it has targets."""
        return self.y.ndim != 2 or self.y.dtype.kind != "f"

    @overload
    def __getitem__(self, index: int) -> tuple[Images, Any]: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | Sequence[bool] | NDArray[Any]) -> "Dataset": ...

    def __getitem__(self, index: Any) -> "tuple[Images, Any] | Dataset":
        """Return one sample as (image, label or targets (K,)), or a data set for a slice, a mask or indices.

        Errors   DataError when an index is out of range (then also an IndexError), a mask has another length, or
                 nothing is selected
        """
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        if np.ndim(index) == 0:
            place = self._indices(index)[0]
            return self.x[place], self._answer(self.y[place])
        return self.take(self._indices(index))

    def __iter__(self) -> Iterator[tuple[Images, Any]]:
        """Yield the samples in order, each as (image (C, H, W), label or targets (K,))."""
        for image, answer in zip(self.x, self.y, strict=True):
            yield image, self._answer(answer)

    def _answer(self, one: Any) -> Any:
        return int(one) if self.has_classes else one

    def _indices(self, index: Any) -> NDArray[np.int64]:
        """Return the sample indices for an index or a mask; negative ones count from the end."""
        given = np.asarray(index)
        if given.dtype == np.bool_:
            if given.shape != (len(self),):
                raise DataError(f"{self.name}: a mask of shape ({text(given.shape)}) for {len(self)} samples")
            return np.flatnonzero(given)
        if given.ndim > 1:
            raise DataError(f"{self.name}: an index of shape {text(given.shape)}; expected one axis")
        if given.size and given.dtype.kind not in "iu":
            raise DataError(f"{self.name}: cannot select samples by {given.dtype}; expected whole numbers or a mask")
        places = given.reshape(-1).astype(np.int64)
        outside = places[(places < -len(self)) | (places >= len(self))]
        if outside.size:
            raise SampleIndexError(f"{self.name}: no sample {outside[0]}; there are {len(self)}, counted from 0")
        return places % len(self)

    def __repr__(self) -> str:
        kind = "classes" if self.has_classes else "targets"
        what = f"{len(self)} images {text(self.shape)} {self.x.dtype}, {len(self.classes)} {kind}"
        return f"Dataset({self.name!r}: {what})"

    def _repr_html_(self) -> str:
        """Show the first images and their classes in a notebook."""
        from chainrule.plotting import figures, mistakes, notebook

        shown = self.x[:40]
        figure = mistakes.batch_grid(shown, self.y[:40] if self.has_classes else None, self.classes)
        row = [self.name, str(len(self)), text(self.shape), ", ".join(self.classes[:12])]
        table = notebook.table(["data set", "images", "each", "classes"], [row], f"and the first {len(shown)} images")
        return table + notebook.image(figures.png(figure), f"the first {len(shown)} images")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image, (C, H, W)."""
        channels, height, width = self.x.shape[1:]
        return channels, height, width

    def take(self, samples: int | ArrayLike) -> "Dataset":
        """Return the first `samples` samples (all, if fewer), or those at the given indices, in that order."""
        if isinstance(samples, int):
            if samples < 1:
                raise DataError(f"{self.name}: cannot take {samples} samples; expected at least 1")
            return self.take(np.arange(min(samples, len(self))))
        indices = np.asarray(samples, np.int64).reshape(-1)
        outside = indices[(indices < 0) | (indices >= len(self))]
        if outside.size:
            raise DataError(f"{self.name}: no sample {outside[0]}; there are {len(self)}, counted from 0")
        weights = None if self.weights is None else self.weights[indices]
        return replace(self, x=self.x[indices], y=self.y[indices], weights=weights)

    def split(self, fraction: float, seed: int) -> tuple["Dataset", "Dataset"]:
        """Split off a share of `fraction` of every class, chosen by the seed; return (rest, share), both in order."""
        try:
            kept, held = split_validation(len(self), fraction, seed, self.y if self.has_classes else None)
        except OptionError as error:
            raise DataError(f"{self.name}: {error}") from None
        return self.take(kept), self.take(held)

    def only(self, labels: Sequence[int | str]) -> "Dataset":
        """Return the samples of some classes (indices or names), which become classes 0, 1, … in the order given."""
        self._require_classes()
        kept = [self._class_number(label) for label in labels]
        if len(set(kept)) != len(kept):
            raise DataError(f"{self.name}: classes {list(labels)} name one class twice")
        new_label = np.full(len(self.classes), -1, np.int64)
        new_label[kept] = np.arange(len(kept))
        y = new_label[self.y]
        chosen = y >= 0
        names = tuple(self.classes[number] for number in kept)
        validation = self.validation and self.validation.only(labels)
        return replace(self.take(np.flatnonzero(chosen)), y=y[chosen], classes=names, validation=validation)

    def per_class(self, count: int, seed: int | None = None) -> "Dataset":
        """Return `count` samples of every class, in order: the first ones or, with a seed, randomly chosen ones."""
        self._require_classes()
        members = [np.flatnonzero(self.y == label) for label in range(len(self.classes))]
        for name, found in zip(self.classes, members, strict=True):
            if not 1 <= count <= len(found):
                raise DataError(f"{self.name}: cannot take {count} samples of class {name!r}, which has {len(found)}")
        if seed is not None:
            members = [generator(seed, "per class", k).permutation(found) for k, found in enumerate(members)]
        return self.take(np.sort(np.concatenate([found[:count] for found in members])))

    def _require_classes(self) -> None:
        if not self.has_classes:
            raise DataError(f"{self.name}: its images have targets, not classes")

    def _class_number(self, label: int | str) -> int:
        if isinstance(label, str) and label in self.classes:
            return self.classes.index(label)
        if not isinstance(label, str) and 0 <= label < len(self.classes):
            return int(label)
        raise DataError(f"{self.name}: {unknown_name('class', label, self.classes)}")


def _check_images(x: Images, name: str) -> None:
    if x.ndim != 4:
        raise DataError(f"{name}: images of shape {text(x.shape)}; expected four axes, samples×channels×height×width")
    if x.size == 0:
        raise DataError(f"{name}: the data is empty (shape {text(x.shape)})")
    if x.dtype.name not in ("uint8", "float32"):
        raise DataError(f"{name}: images are {x.dtype}; expected uint8 or float32")


def _check_labels(y: NDArray[np.int64], samples: int, classes: int, name: str) -> None:
    if y.dtype.name != "int64":
        raise DataError(f"{name}: labels are {y.dtype}; expected int64")
    if y.shape != (samples,):
        raise DataError(f"{name}: {samples} images but labels of shape ({text(y.shape)}); expected one label per image")
    outside = np.flatnonzero((y < 0) | (y >= classes))
    if outside.size:
        first = int(outside[0])
        raise DataError(f"{name}: label {y[first]} of sample {first} is outside the classes 0 … {classes - 1}")


def _check_targets(y: NDArray[np.float64], samples: int, names: int, data: str) -> None:
    if y.dtype.name != "float64" or y.shape != (samples, names):
        raise DataError(
            f"{data}: targets {y.dtype} of shape ({text(y.shape)}); expected float64 of shape ({samples}, {names})"
        )
    wrong = np.flatnonzero(~np.isfinite(y).all(axis=1))
    if wrong.size:
        raise DataError(f"{data}: targets must be finite; that of sample {wrong[0]} is not")


ENOUGH, FEWEST = 1000, 50  # validation samples: enough for any purpose; the least that are of use
MAX_VALIDATION = 0.2


def order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return a permutation of 0 … count − 1, shape (count,), as a function of the seed and the epoch alone."""
    return generator(seed, "shuffle", epoch).permutation(count).astype(np.int64, copy=False)


def batch_count(count: int, batch_size: int) -> int:
    """Return the number of batches of `count` samples, the last perhaps shorter: ⌈count / batch_size⌉."""
    if batch_size < 1:
        raise OptionError(f"batch size {batch_size}: expected at least 1")
    return -(-count // batch_size)


def split_validation(
    count: int, share: float, seed: int, labels: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split 0 … count − 1 into indices to keep and to hold back, both in ascending order, chosen by the seed.

    labels   (count,) class of each sample, to hold back the share of every class (see `class_quotas`); None: one class
    Errors   as `validation_count`
    """
    total = validation_count(count, share)
    mixed = generator(seed, "split").permutation(count).astype(np.int64, copy=False)
    if labels is None:
        return np.sort(mixed[total:]), np.sort(mixed[:total])
    _, numbered = np.unique(labels, return_inverse=True)
    quotas = class_quotas(np.bincount(numbered), total)
    held = np.zeros(count, np.bool_)
    for number, quota in enumerate(quotas):
        held[mixed[numbered[mixed] == number][:quota]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def validation_count(count: int, share: float) -> int:
    """Return the number of samples that `held_back` holds back of `count`, rounded, with at least one on either side.

    Errors   OptionError when the share is not between 0 and 1, or there are not two samples
    """
    if not 0 < share < 1:
        raise OptionError(f"cannot hold back a share of {share}; expected more than 0, less than 1")
    if count < 2:
        raise OptionError(f"cannot hold back a share of {count} sample{'' if count == 1 else 's'}; expected at least 2")
    return min(max(round(share * count), 1), count - 1)


def class_quotas(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Return the number of samples to hold back of each class, (K,), such that they sum to `total`.

    Classes contribute in proportion to their counts (K,), rounded by largest remainder. Where `total` allows it, a
    class of two or more samples contributes at least one and keeps at least one, and a class of one sample keeps it.
    """
    exact = counts * (total / counts.sum())
    least, most = np.minimum(counts - 1, 1), np.maximum(counts - 1, 0)
    if total < least.sum():
        least = np.zeros_like(counts)
    if total > most.sum():
        most = counts
    quotas = np.clip(np.floor(exact).astype(np.int64), least, most)
    while (missing := total - int(quotas.sum())) != 0:
        step = 1 if missing > 0 else -1
        possible = quotas < most if missing > 0 else quotas > least
        lacking = np.where(possible, step * (exact - quotas), -np.inf)
        quotas[int(lacking.argmax())] += step
    return quotas


def validation_share(count: int, share: float) -> float:
    """Return the validation share for `count` training samples, given a recipe's `share`, which suits large data.

    The recipe's share is kept if it gives `ENOUGH` samples, on which an accuracy has a standard error of at most
    1.6 percentage points. Otherwise the share is raised to give `ENOUGH` samples, but to no more than a fifth. It is 0
    if a fifth is fewer than `FEWEST` samples, on which the standard error would exceed 7 points.
    """
    if not share or round(share * count) >= ENOUGH:
        return share
    if MAX_VALIDATION * count < FEWEST:
        return 0.0
    return min(ENOUGH / count, max(MAX_VALIDATION, share))
