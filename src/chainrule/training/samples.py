"""Samples for training: inputs in their original dtype, converted to normalized batches on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chainrule.core.shapes import text
from chainrule.data.augmentation import Augmentation
from chainrule.data.dataset import Dataset, split_validation
from chainrule.data.normalization import Normalization
from chainrule.engines.protocol import Array
from chainrule.errors import DataError, OptionError
from chainrule.layers import initializers

if TYPE_CHECKING:
    from chainrule.models.network import Network


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs x (N, *input_shape) and targets, float64 (N, K): one-hot rows, zeros and ones, or any numbers.

    validation   validation samples that come with the data; None if there are none
    weights      weight of each sample in the loss, float64 (N,); None: 1
    """

    x: Array
    targets: NDArray[np.float64]
    validation: Samples | None = None
    weights: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @staticmethod
    def of(x: ArrayLike, y: ArrayLike, outputs: int, names: Sequence[str] = ()) -> Samples:
        """Return samples of inputs and labels or targets, for a network with ``outputs`` outputs.

        y      labels (N,) or (N, 1): whole numbers from 0 to outputs − 1, or ``names`` of classes; or targets
               (N, outputs). For a single output: targets (N,) or (N, 1), or two names, which mean 0 and 1.

        Errors   DataError when they do not fit the network or each other, or targets are not finite
        """
        inputs, given = np.asarray(x), _labels(y)
        if inputs.size == 0:
            raise DataError("the data is empty")
        if given.ndim == 0 or len(inputs) != len(given):
            raise DataError(f"{len(inputs)} inputs but {len(given) if given.ndim else 'a single'} targets")
        if given.dtype.kind in "US":
            given = _class_indices(given, names)
        return Samples(inputs, _values(given) if outputs == 1 else _targets(given, outputs))

    @staticmethod
    def of_dataset(dataset: Dataset, outputs: int) -> Samples:
        """Return the samples of a data set, for a network with ``outputs`` outputs; a single one serves two classes."""
        classes = len(dataset.classes)
        if classes > outputs and (classes, outputs) != (2, 1):
            raise DataError(f"{dataset.name} has {classes} classes, and the network {outputs} outputs")
        own = dataset.validation
        validation = Samples.of(own.x, own.y, outputs) if own is not None else None
        samples = Samples.of(dataset.x, dataset.y, outputs).with_weights(dataset.weights)
        return replace(samples, validation=validation)

    def with_weights(self, weights: ArrayLike | None) -> Samples:
        """Return the samples with weights (N,) of at least 0, not all of them 0; None: the same samples.

        Errors   DataError for other weights
        """
        if weights is None:
            return self
        try:
            found = np.asarray(weights)
        except ValueError as error:
            raise DataError(f"sample weights: expected {len(self)} numbers: {error}") from None
        if found.dtype.kind not in "fiub" or found.shape != (len(self),):
            given = f"{found.dtype} of shape {text(found.shape) or '()'}"
            raise DataError(f"sample weights: expected {len(self)} numbers, found {given}")
        found = found.astype(np.float64)
        wrong = np.flatnonzero(~(np.isfinite(found) & (found >= 0)))
        if wrong.size:
            raise DataError(f"sample weights: expected at least 0, found {found[wrong[0]]:g} for sample {wrong[0]}")
        if not found.any():
            raise DataError("sample weights: all are 0, so there is nothing to learn")
        return replace(self, weights=found)

    def checked(self) -> Samples:
        """Return these samples; DataError if an input is infinite or NaN."""
        x = self.x
        if x.dtype.kind == "f" and not (np.isfinite(x.min()) and np.isfinite(x.max())):
            first = next(number for number, one in enumerate(x) if not np.isfinite(one).all())
            raise DataError(f"inputs are not finite, the first in sample {first}")
        return self

    def split_validation(self, share: float, seed: int) -> tuple[Samples, Samples]:
        """Split into training and validation samples: the latter are a share of every class, chosen by the seed."""
        parts = split_validation(len(self), share, seed, self._classes())
        kept, held = (
            Samples(self.x[part], self.targets[part], weights=None if self.weights is None else self.weights[part])
            for part in parts
        )
        return kept, held

    def _classes(self) -> NDArray[np.int64] | None:
        """Return the class of every sample (N,) for one-hot rows or a column of 0 and 1; None for other targets."""
        if not ((self.targets == 0) | (self.targets == 1)).all():
            return None
        if self.targets.shape[1] == 1:
            return self.targets[:, 0].astype(np.int64)
        return self.targets.argmax(1) if (self.targets.sum(1) == 1).all() else None

    def parts(self, share: float, seed: int) -> tuple[Samples, Samples | None]:
        """Return training and validation samples: see `held_back`; for a share of 0, all and the data's own ones."""
        return self.split_validation(share, seed) if share else (self, self.validation)

    def batch(
        self,
        indices: NDArray[np.int64],
        normalization: Normalization,
        dtype: DTypeLike,
        augmentation: Augmentation | None = None,
        *,
        seed: int = 0,
        epoch: int = 0,
        network: Network | None = None,
    ) -> tuple[Array, Array]:
        """Return the batch at some indices: x, normalized and augmented, and its targets, in a dtype.

        network   whose engine and threads make the batch, where they can; None: NumPy does
        """
        constants, x = normalization.constants(self.x), None
        if network and constants:
            x = network.engine.normalized_rows(self.x, indices, *constants, dtype, network.threads)
        if x is None:
            x = normalization.apply(self.x[indices], dtype)
        if augmentation:
            fill = normalization.background
            x = np.ascontiguousarray(augmentation.apply(x, seed=seed, step=epoch, samples=indices, fill=fill), dtype)
        return x, self.targets[indices].astype(dtype)


def _labels(y: ArrayLike) -> Array:
    """Return labels as an array of numbers or strings, converting an object array of either; DataError for others."""
    try:
        found = np.asarray(y)
    except ValueError as error:
        raise DataError(f"targets are no array: {error}") from None
    if found.dtype.kind == "O":
        items = found.reshape(-1).tolist()
        if all(isinstance(item, str) for item in items):
            return found.astype(str)
        if items and all(isinstance(item, int | float | np.number | np.bool_) for item in items):
            return np.array(items).reshape(found.shape)
        odd = next((item for item in items if not isinstance(item, str)), None)
        raise DataError(f"targets must be numbers or names of classes, found {type(odd).__name__}: {str(odd)[:40]!r}")
    if found.dtype.kind not in "fiubUS":
        raise DataError(f"targets must be numbers or names of classes, found {found.dtype}")
    return found


def _class_indices(y: Array, names: Sequence[str]) -> Array:
    """Convert names of classes to their numbers."""
    number_of = {name: number for number, name in enumerate(names)}
    texts = y.astype(str).reshape(len(y), -1)
    unknown = next(((n, name) for n, row in enumerate(texts.tolist()) for name in row if name not in number_of), None)
    if unknown is not None or texts.shape[1] != 1:
        name = unknown[1] if unknown else texts[0, 1]
        shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise DataError(
            f"label {name[:40]!r} of sample {unknown[0] if unknown else 0} is no class of the model, which knows "
            f"{shown}; name them with Sequential(…, classes=[…])"
        )
    return np.array([number_of[row[0]] for row in texts.tolist()], np.int64)


def _values(y: Array) -> NDArray[np.float64]:
    """Return targets of a single output as (N, 1)."""
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] != 1):
        raise DataError(f"targets of shape {text(y.shape)} for a network with 1 output; expected (N,) or (N, 1)")
    return _finite(y).astype(np.float64).reshape(-1, 1)


def _targets(y: Array, classes: int) -> NDArray[np.float64]:
    """Return labels as one-hot rows, and targets as they are."""
    if y.ndim == 2 and y.shape[1] == 1 and y.dtype.kind in "iub":
        y = y[:, 0]
    if y.ndim == 2:
        if y.shape[1] != classes:
            raise DataError(f"targets of shape {text(y.shape)} for a network with {classes} outputs")
        return _finite(y).astype(np.float64)
    if y.ndim != 1 or y.dtype.kind not in "iub":
        advice = f"; numbers for {classes} outputs have the shape (N, {classes})"
        raise DataError(f"labels must be whole numbers of shape (N,), found {y.dtype} of shape {y.shape}{advice}")
    outside = np.flatnonzero((y < 0) | (y >= classes))
    if outside.size:
        raise DataError(f"label {y[outside[0]]} of sample {outside[0]} is outside the classes 0 … {classes - 1}")
    return np.eye(classes)[y.astype(np.int64)]


def _finite(y: Array) -> Array:
    wrong = np.flatnonzero(~np.isfinite(y).reshape(len(y), -1).all(1))
    if wrong.size:
        raise DataError(f"targets must be finite; that of sample {wrong[0]} is not")
    return y


IMAGES = 5_000  # training images from which the patches are taken


def whiten(network: Network, samples: Samples, normalization: Normalization) -> None:
    """Replace kernels drawn by the initializer "whiten" by those of `initializers.whitening`; others are left alone.

    A kernel that no longer has the values that its seed drew was trained or read from a file, and is left alone too.

    Errors   OptionError when such a kernel does not read the images, all channels of them
    """
    for name, layer, inputs in zip(network.names, network.layers, network.wiring.inputs, strict=True):
        if getattr(layer, "initializer", "") != initializers.whiten.__name__:
            continue
        w = network.weights[f"{name}.w"]
        if inputs != (0,) or w.ndim != 4 or w.shape[1] != network.input_shape[0]:
            raise OptionError(f"{layer.describe()}: only a convolution of all channels of the images can whiten them")
        if np.array_equal(w, network.drawn(f"{name}.w", network.seed)):
            w[...] = initializers.whitening(w, normalization.apply(samples.x[:IMAGES], network.dtype))
