"""Image files as sources of samples: they are decoded when they are needed."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np

from chainrule.core.randomness import generator
from chainrule.data.images import (
    DIGEST_BYTES,
    content_digest,
    image_shape,
    open_image,
    read_content,
    to_array,
)
from chainrule.data.sources import Array, HashObject, Indices, SampleSource
from chainrule.errors import ChainruleError, DataError

R = TypeVar("R")
MAX_HEADERS = 10_000  # number of images from whose headers the default size is determined


class ImageFiles(SampleSource):
    """Image files, decoded when they are needed: uint8 (N, channels, H, W).

    top       folder of the files
    paths     paths of the files, below the folder
    shape     (channels, H, W) of every image after conversion; channels are 1 or 3
    digests   hash of each file's content (`images.content_digest`)
    """

    decodes = True

    def __init__(self, top: Path, paths: Sequence[Path], shape: tuple[int, int, int], digests: Sequence[bytes]) -> None:
        super().__init__((len(paths), *shape), np.uint8)
        self.top = top
        prefix = len(os.path.join(os.fsencode(top), b""))
        names = [os.fsencode(path)[prefix:] for path in paths]  # 20 bytes per file instead of 200
        self._ends = np.cumsum([len(name) for name in names], dtype=np.int64)
        self._names, self._digests = b"".join(names), b"".join(digests)

    def path(self, index: int) -> Path:
        """Return the path of a file."""
        start = int(self._ends[index - 1]) if index else 0
        return self.top / os.fsdecode(self._names[start : int(self._ends[index])])

    def read(self, indices: Indices) -> Array:
        """Decode the files with the given indices.

        Errors   DataError for a file that has been removed or changed since the data were loaded
        """
        images = list(in_threads(self._decoded, indices.tolist()))
        return np.array(images, self.dtype).reshape(-1, *self.shape[1:])

    def _decoded(self, index: int) -> Array:
        path = self.path(index)
        content = read_content(path)
        if content_digest(content) != self._digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]:
            raise DataError(f"{path}: the file has changed since the data were loaded; load them again")
        channels, height, width = self.shape[1:]
        return to_array(open_image(path, content=content), channels, (height, width))

    def name(self, index: int) -> str:
        """Return the path of a file."""
        return str(self.path(index))

    def add_to_digest(self, digest: HashObject) -> None:
        """Add the files' names and contents to a hash."""
        for part in (self._names, self._ends.data, self._digests):
            digest.update(part)


def in_threads(function: Callable[[int], R], numbers: Sequence[int]) -> Iterator[R]:
    """Yield the results for numbers, in order, which threads compute: Pillow decodes without the interpreter's lock.

    Where no thread can be started, as in a browser, they are computed one after the other.
    """
    with ThreadPoolExecutor() as pool:
        try:
            results = pool.map(function, numbers)
        except RuntimeError:
            results = map(function, numbers)
        yield from results


def header_shapes(paths: Sequence[Path], most: int = MAX_HEADERS) -> list[tuple[int, int, int]]:
    """Return the shapes (C, H, W) of image files, from their headers. Damaged files are ignored.

    most   of more files, the headers of a random sample of this size are read, which depends only on their number
    """
    shapes = list[tuple[int, int, int]]()
    for place in np.sort(generator(0, "probe").permutation(len(paths))[:most]).tolist():
        with suppress(ChainruleError):
            shapes.append(image_shape(paths[place]))  # pyright: ignore[reportUnknownArgumentType]
    return shapes
