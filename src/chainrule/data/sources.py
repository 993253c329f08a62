"""Samples that are read when they are needed: arrays in files, and image files.

A `SampleSource` is indexed like an array of samples (N, …), but keeps no samples in memory. `Dataset`, `Normalization`
and training accept both arrays and sources, and use the functions `subset` and `blocks` where a copy could be large.
"""

import hashlib
import mmap
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule._io.locks import cached_property
from chainrule.core.randomness import generator
from chainrule.data.images import image_shape, open_image, read_mask, to_array
from chainrule.errors import ChainruleError, DataError

Array: TypeAlias = NDArray[Any]
Indices: TypeAlias = NDArray[np.int64]

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
    decodes   whether reading a sample requires so much work that worker processes should read ahead
    """

    decodes: bool = False

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
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
        numbers = cast("Array", index) if isinstance(index, np.ndarray) else np.empty(0, np.bool_)
        if numbers.dtype.kind == "i" and numbers.ndim == 1 and (not numbers.size or numbers.min() >= 0):
            return self.read(cast("Indices", numbers))
        selected = np.arange(len(self))[index]
        return self.read(selected.reshape(-1))[0] if selected.ndim == 0 else self.read(selected)

    def __iter__(self) -> Iterator[Array]:
        return (self[index] for index in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read all samples into memory."""
        return self.read(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

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
        self._file = file if isinstance(file, mmap.mmap) and mapping.mode != "c" else None  # "c": private changes
        self._resident = 0

    def read(self, indices: Indices) -> Array:
        """Return copies of the samples at the given indices."""
        samples = self._array[indices]
        self._resident += max(samples.nbytes, len(indices) * MIN_READ_BYTES)
        if self._resident > MAX_RESIDENT_BYTES and self._file is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._file.madvise(mmap.MADV_DONTNEED)  # the pages remain in the cache of the operating system
            self._resident = 0
        return samples


class ImageFiles(SampleSource):
    """Image files, decoded when they are needed: uint8 (N, channels, H, W).

    top       folder of the files
    paths     paths of the files, below the folder
    shape     (channels, H, W) of every image after conversion; channels are 1 or 3
    resize    whether to resize images of other sizes; otherwise, they are an error
    """

    decodes = True

    def __init__(self, top: Path, paths: Sequence[Path], shape: tuple[int, int, int], *, resize: bool = True) -> None:
        super().__init__((len(paths), *shape), np.uint8)
        self.top = top
        prefix = len(os.path.join(os.fsencode(top), b""))
        names = [os.fsencode(path)[prefix:] for path in paths]  # 20 bytes per file instead of 200
        self._ends = np.cumsum([len(name) for name in names], dtype=np.int64)
        self._names = b"".join(names)
        self._resize = resize

    def path(self, index: int) -> Path:
        """Return the path of a file."""
        start = int(self._ends[index - 1]) if index else 0
        return self.top / os.fsdecode(self._names[start : int(self._ends[index])])

    def read(self, indices: Indices) -> Array:
        """Decode the files with the given indices.

        Errors   FormatError or DataError for a damaged file, or for an image of another size
        """
        images = np.empty((len(indices), *self.shape[1:]), np.uint8)
        for place, index in enumerate(indices.tolist()):
            images[place] = self._image(self.path(index))
        return images

    def _image(self, path: Path) -> NDArray[np.uint8]:
        channels, height, width = self.shape[1:]
        try:
            image = open_image(path)
        except ChainruleError as error:
            advice = "to leave damaged images out: chainrule.data.load(…, skip_damaged=True) (--skip-damaged)"
            raise type(error)(f"{error}; {advice}") from None
        if not self._resize and image.size != (width, height):
            actual, expected = f"{image.width}×{image.height}", f"{width}×{height}"
            raise DataError(f"{path}: {actual} pixels; expected {expected}; set a size to resize all images to")
        return to_array(image, channels, (height, width))

    def add_to_digest(self, digest: HashObject) -> None:
        """Add the files' names and sizes to a hash."""
        digest.update(self._digest)

    @cached_property
    def _digest(self) -> bytes:
        digest = hashlib.sha256(self._names)
        digest.update(self._ends.data)
        sizes = [os.path.getsize(self.path(index)) for index in range(len(self))]
        digest.update(np.array(sizes, np.int64).data)
        return digest.digest()


class MaskFiles(ImageFiles):
    """Mask files, read when they are needed: labels of pixels, int64 (N, H, W).

    top, paths, resize   as in `ImageFiles`; masks are resized without interpolation
    size                 (H, W) of every mask
    foreground           value that means the label 1, if the masks contain only this value and 0; None: labels are
                         the values
    """

    def __init__(
        self,
        top: Path,
        paths: Sequence[Path],
        size: tuple[int, int],
        *,
        resize: bool = True,
        foreground: int | None = None,
    ) -> None:
        super().__init__(top, paths, (1, *size), resize=resize)
        self.shape, self.dtype = (len(paths), *size), np.dtype(np.int64)
        self._foreground = foreground

    def read(self, indices: Indices) -> Array:
        """Read the masks with the given indices; DataError for another size or, with ``foreground``, other values."""
        masks = np.empty((len(indices), *self.shape[1:]), np.int64)
        for place, index in enumerate(indices.tolist()):
            masks[place] = self._mask(self.path(index))
        return masks

    def _mask(self, path: Path) -> NDArray[np.int64]:
        mask = read_mask(path, self.shape[1:] if self._resize else None).astype(np.int64)
        if mask.shape != self.shape[1:]:
            actual, expected = (f"{width}×{height}" for height, width in (mask.shape, self.shape[1:]))
            raise DataError(f"{path}: {actual} pixels; expected {expected}; set a size to resize all images to")
        if self._foreground is None:
            return mask
        other = mask[(mask != 0) & (mask != self._foreground)]
        if other.size:
            expected = f"0 and {self._foreground}, as in the other masks; name the classes in classes.txt"
            raise DataError(f"{path}: label {other[0]}; expected only {expected}")
        return (mask == self._foreground).astype(np.int64)


def sampled(paths: Sequence[Path], most: int = PROBE_SAMPLES) -> list[Path]:
    """Return all paths or, if there are many, a random sample of them that depends only on their number."""
    if len(paths) <= most:
        return [*paths]
    return [paths[index] for index in np.sort(generator(0, "probe").permutation(len(paths))[:most]).tolist()]


def common_shape(paths: Sequence[Path], size: tuple[int, int] | None, channels: int | None) -> tuple[int, int, int]:
    """Return the shape (C, H, W) for reading image files, from the headers of up to 1000 of them.

    size       (H, W); None: the size of the first image
    channels   1 or 3; None: 1 if all images are gray, and 3 otherwise

    Errors   those of `images.image_shape` for the first image if none can be read
    """
    shapes = list[tuple[int, int, int]]()
    for path in sampled(paths):
        with suppress(ChainruleError):
            shapes.append(image_shape(path))
    first = shapes[0] if shapes else image_shape(paths[0])
    height, width = size or first[1:]
    return channels or max(shape[0] for shape in shapes or [first]), height, width


def as_samples(x: Any) -> Any:
    """Return a `MappedArray` for a memory-mapped array, and other values unchanged."""
    base = x
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return MappedArray(np.asarray(x), cast("np.memmap[Any, Any]", base)) if x.ndim else x
        base = cast("Any", base).base
    return x


def subset(x: Any, indices: Indices) -> Any:
    """Return the samples at the given indices: a copy of an array, or a source that reads them when needed."""
    return x.subset(indices) if isinstance(x, SampleSource) else x[indices]


def blocks(x: Any, size: int = BLOCK_BYTES) -> Iterator[Array]:
    """Yield consecutive blocks of samples, each of about ``size`` bytes, from an array or a source (N, …)."""
    sample_bytes = max(1, prod(x.shape[1:]) * x.dtype.itemsize)
    count = max(1, size // sample_bytes)
    for first in range(0, len(x), count):
        yield x[first : first + count]


def extremes(x: Any) -> tuple[float, float]:
    """Return the minimum and maximum of an array or a source; NaN if a value is NaN."""
    return x.extremes if isinstance(x, SampleSource) else (float(x.min()), float(x.max()))
