"""Samples that are read when they are needed: arrays in files, and image files.

A `SampleSource` is indexed like an array of samples (N, …), but keeps no samples in memory. `Dataset`, `Normalization`
and training accept both arrays and sources, and use the functions `subset` and `blocks` where a copy could be large.
"""

import mmap
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Floats, Ints
from chainrule.core.randomness import generator
from chainrule.core.shapes import text
from chainrule.errors import DataError, SampleError, quoted

Array: TypeAlias = NDArray[Any]
Indices: TypeAlias = Ints

BLOCK_BYTES = 1 << 24  # size of a block of a large array
MAX_RESIDENT_BYTES = 1 << 26  # pages of a file that may be in memory before they are released
MIN_READ_BYTES = 1 << 16  # the operating system maps at least these bytes around each sample
PROBE_SAMPLES = 1000  # number of decoded samples from which statistics are estimated


class HashObject(Protocol):
    """A hash object of `hashlib`."""

    def update(self, data: Any, /) -> None:
        """Add bytes."""
        ...


class SampleSource(ABC):
    """Samples that are read when they are needed, indexed like a read-only array (N, …).

    shape     shape (N, …) of all samples
    dtype     dtype of the samples
    decodes   whether reading a sample requires so much work that a thread should read the next batch during a step
    """

    decodes: bool = False

    def __init__(self, shape: Sequence[int], dtype: DTypeLike) -> None:
        self.shape = tuple(shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    @abstractmethod
    def read(self, indices: Indices) -> Array:
        """Return the samples at non-negative indices (M,) as a new array (M, …)."""

    @property
    def ndim(self) -> int:
        """Number of axes, including the sample axis."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        """Read the samples selected by an index, a slice, a mask or an array of indices."""
        selected = self._numbers[index]
        if selected.ndim == 0:
            [sample] = self.read(selected.reshape(-1))
            return sample
        return self.read(selected)

    @cached_property
    def _numbers(self) -> Indices:
        return np.arange(len(self))

    def __iter__(self) -> Iterator[Array]:
        return (self[index] for index in range(len(self)))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """Read all samples into memory."""
        return self.read(self._numbers).astype(dtype or self.dtype, copy=False)

    def subset(self, indices: Indices) -> "SampleSource":
        """Return a source for the samples at the given indices, without reading them."""
        return Subset(self, indices)

    def representative(self) -> "SampleSource":
        """Return a source for computing statistics: this source or, if it decodes, a random subset of its samples."""
        if not self.decodes or len(self) <= PROBE_SAMPLES:
            return self
        return self.subset(np.sort(generator(0, "probe").permutation(len(self))[:PROBE_SAMPLES]))

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """Minimum and maximum of all samples, or of representative ones; NaN if any of them is NaN."""
        pairs = np.array([(block.min(), block.max()) for block in blocks(self.representative())], np.float64)
        return float(pairs[:, 0].min()), float(pairs[:, 1].max())

    def name(self, index: int) -> str:
        """Return the name of a sample for messages: its number or, for files, the path."""
        return f"sample {index}"

    def add_to_digest(self, digest: HashObject) -> None:
        """Add what identifies the samples to a hash: by default, their bytes."""
        for block in blocks(self):
            digest.update(np.ascontiguousarray(block).data)


class Subset(SampleSource):
    """Samples of another source, selected by indices (M,)."""

    def __init__(self, source: SampleSource, indices: Indices) -> None:
        super().__init__((len(indices), *source.shape[1:]), source.dtype)
        self.decodes = source.decodes
        self._source, self._indices = source, np.asarray(indices, np.int64)

    def read(self, indices: Indices) -> Array:
        """Return the samples at indices of the subset, (M,)."""
        return self._source.read(self._indices[indices])

    def subset(self, indices: Indices) -> SampleSource:
        """Return a source for the samples at the given indices of the subset."""
        return Subset(self._source, self._indices[indices])

    def name(self, index: int) -> str:
        """Return the name of a sample of the subset."""
        return self._source.name(int(self._indices[index]))

    def add_to_digest(self, digest: HashObject) -> None:
        """Add what identifies the whole source, and the indices."""
        self._source.add_to_digest(digest)
        digest.update(self._indices.data)


class MappedArray(SampleSource):
    """A memory-mapped array. Pages that have been read are released, so that they do not fill the memory.

    array   array (N, …) that is a view of an `np.memmap`
    """

    def __init__(self, array: Array, mapping: "np.memmap[Any, Any]") -> None:
        super().__init__(array.shape, array.dtype)
        self._array = array
        file = getattr(mapping, "_mmap", None)
        self._file = file if isinstance(file, mmap.mmap) else None
        self._is_private = mapping.mode == "c"
        self._end = mapping.offset - mapping.offset % mmap.ALLOCATIONGRANULARITY + len(self._file or ())
        self._resident = 0

    def read(self, indices: Indices) -> Array:
        """Return copies of the samples at the given indices.

        Errors   DataError if the file has become shorter, since reading beyond its end would end the process
        """
        if self._file is None:
            return self._array[indices]
        size = self._file.size()
        if size < self._end:
            expected = f"expected at least {self._end:,}, as when it was opened"
            raise DataError(f"the memory-mapped file has been truncated to {size:,} bytes; {expected}")
        samples = self._array[indices]
        self._resident += max(samples.nbytes, len(indices) * MIN_READ_BYTES)
        is_releasable = not self._is_private and hasattr(mmap, "MADV_DONTNEED")
        if is_releasable and self._resident > MAX_RESIDENT_BYTES:
            self._file.madvise(mmap.MADV_DONTNEED)  # the pages remain in the cache of the operating system
            self._resident = 0
        return samples


def as_array(values: object) -> Array:
    """Convert values to an array.

    Python objects are converted if all of them are numbers or all are strings.

    Errors   DataError for frames, masked arrays, rows of different lengths, and tensors that NumPy cannot read
    """
    refuse_frames(values)
    try:
        array = plain = np.asarray(cast("ArrayLike", values))
        if array.dtype == np.object_:
            plain = np.array(array.tolist())
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{quoted(values)}: expected an array: {differing_shapes(values) or error}") from None
    is_mixed = plain.dtype.kind == "U" and not all(isinstance(item, str) for item in array.flat)
    return array if is_mixed else plain


def checked_weights(values: ArrayLike, count: int) -> Floats:
    """Return the weights of samples as an array (count,) of float64; DataError for other values."""
    weights = as_array(values)
    if weights.dtype.kind not in "biuf" or weights.shape != (count,):
        shape = f"{weights.dtype} of shape ({text(weights.shape)})"
        raise DataError(f"weights: expected {count} numbers, one for each sample; found {shape}")
    return weights.astype(np.float64)


def refuse_frames(values: object) -> None:
    """Raise DataError for a frame, such as a DataFrame of pandas or polars, also in a list or a tuple.

    An array would have the values in the order of the frame's columns, whatever their names.
    """
    if isinstance(values, list | tuple):
        one_of_each_type = {type(value): value for value in cast("Sequence[object]", values)}
        for value in one_of_each_type.values():
            refuse_frames(value)
    elif hasattr(values, "columns") and not isinstance(values, np.ndarray | SampleSource):
        kind = type(values).__name__
        raise DataError(
            f"found a {kind}, whose columns have names; expected an array: pass its values in the order of the network "
            "(.to_numpy()), or use an estimator of chainrule.sklearn, which checks the names"
        )
    elif isinstance(values, np.ma.MaskedArray):
        raise DataError("found a masked array, whose mask would be lost: pass x.filled(…), or leave out masked samples")


def as_samples(x: Any) -> Any:
    """Return a `MappedArray` for a memory-mapped array, and other values unchanged."""
    base = x
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return MappedArray(np.asarray(x), cast("np.memmap[Any, Any]", base)) if x.ndim else x
        base = cast("Any", base).base
    return x


def differing_shapes(x: Any) -> str | None:
    """Describe samples of different shapes; None if all shapes are equal, or if a sample is no array either."""
    try:
        shapes = list(map(np.shape, x))
    except (TypeError, ValueError):
        return None
    for shape in shapes:
        if shape != shapes[0]:
            return f"the samples have different shapes, such as {text(shapes[0])} and {text(shape)}"
    return None


def subset(x: Any, indices: Indices) -> Any:
    """Return the samples at the given indices: a copy of an array, or a source that reads them when needed."""
    return x.subset(indices) if isinstance(x, SampleSource) else x[indices]


def representative(x: Any) -> Any:
    """Return samples for computing statistics: an array, or `SampleSource.representative`."""
    return x.representative() if isinstance(x, SampleSource) else x


def blocks(x: Any, size: int = BLOCK_BYTES) -> Iterator[Array]:
    """Yield consecutive blocks of samples, each of about ``size`` bytes, from an array or a source (N, …)."""
    sample_bytes = max(1, prod(x.shape[1:]) * x.dtype.itemsize)
    count = max(1, size // sample_bytes)
    for first in range(0, len(x), count):
        yield x[first : first + count]


def finite_extremes(x: Any, what: str) -> tuple[float, float]:
    """Return the minimum and maximum of samples (N, …); SampleError if a value is not finite.

    what   name of the values, for the message
    """
    limits = extremes(x)
    if not np.isfinite(limits).all():
        first = next(number for number, sample in enumerate(x) if not np.isfinite(sample).all())
        raise SampleError(f"{what} are not finite, the first in sample {first}", first)
    return limits


def extremes(x: Any) -> tuple[float, float]:
    """Return the minimum and maximum of an array or a source; NaN if a value is NaN."""
    return x.extremes if isinstance(x, SampleSource) else (float(x.min()), float(x.max()))
