"""A strict reader of IDX, the file format of MNIST: plain or gzip, unsigned bytes, one to four axes.

The size in the header is compared with the size of the file before memory is allocated. For a gzip file, it is limited
to a hundred times the size of the file, so that a decompression bomb cannot cause a large allocation.
"""

import gzip
import io
import math
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import reading, refuse_bomb
from chainrule.errors import FormatError

UNSIGNED_BYTE = 0x08
MAX_AXES = 4
GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | Path, axes: int | None = None) -> NDArray[np.uint8]:
    """Return the array in an IDX file, plain or gzip.

    axes     required number of axes; None for any number from 1 to 4
    Errors   FormatError for an invalid or truncated file; DataError if it cannot be read
    """
    path = Path(path)
    with _open_stream(path) as stream:
        shape = _read_header(stream, path, axes)
        begin = len(header(shape))
        file_size = path.stat().st_size
        expected = begin + math.prod(shape)
        is_gzip = isinstance(stream, gzip.GzipFile)
        if is_gzip:
            refuse_bomb(path, file_size, expected)
        else:
            _check_size(path, expected, file_size)
        array = np.empty(shape, np.uint8)
        read = stream.readinto(array.reshape(-1).data)
        _check_size(path, expected, begin + read + len(stream.read(1)), at_least="at least " * is_gzip)
        return array


def header(shape: tuple[int, ...]) -> bytes:
    """Return the IDX header of a uint8 array: two zero bytes, the type, the number of axes, and 4 bytes per size."""
    return bytes([0, 0, UNSIGNED_BYTE, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)


def _check_size(path: Path, expected: int, actual: int, at_least: str = "") -> None:
    """Raise FormatError if a file does not have the size expected from its header.

    at_least   "at least " if ``actual`` is a lower bound for files that are too long
    """
    if actual < expected:
        raise FormatError(f"{path}: truncated: expected {expected} bytes from its header, found {actual} bytes")
    if actual > expected:
        raise FormatError(
            f"{path}: too long: expected {expected} bytes from its header, found {at_least}{actual} bytes"
        )


@contextmanager
def _open_stream(path: Path) -> Generator[io.BufferedIOBase]:
    """Open a file and decompress it if it is a gzip file."""
    with reading(path, "gzip file") as plain:
        is_gzip = plain.read(2) == GZIP_MAGIC
        plain.seek(0)
        yield gzip.GzipFile(fileobj=plain) if is_gzip else cast(io.BufferedIOBase, plain)


def _read_header(stream: io.BufferedIOBase, path: Path, axes: int | None) -> tuple[int, ...]:
    start = stream.read(4)
    if len(start) < 4:
        raise FormatError(f"{path}: not an IDX file: expected a header of at least 8 bytes, found {len(start)} bytes")
    if start[:2] != b"\0\0":
        raise FormatError(f"{path}: not an IDX file: expected it to begin with 0000, found {start[:2].hex()}")
    if start[2] != UNSIGNED_BYTE:
        raise FormatError(f"{path}: IDX type 0x{start[2]:02x} is not supported; expected 0x08, unsigned bytes")
    if not 1 <= start[3] <= MAX_AXES or (axes is not None and start[3] != axes):
        raise FormatError(f"{path}: its header says {start[3]} axes; expected {axes or f'1 to {MAX_AXES}'}")
    sizes = stream.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise FormatError(
            f"{path}: truncated: expected a header of {4 + 4 * start[3]} bytes, found {4 + len(sizes)} bytes"
        )
    return tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))
