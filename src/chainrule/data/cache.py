"""The cache of downloaded files, which are written atomically and verified by SHA-256.

A file is written under a temporary name, flushed to disk, and renamed after its hash has been verified. Therefore, an
incomplete download is never used, and several processes may download the same file at the same time.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule._io.cache import cache_folder
from chainrule.data.idx import header, read_idx
from chainrule.errors import DataError, FormatError

Blocks: TypeAlias = Iterable[bytes | memoryview]
PARTIAL = ".partial-"
STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class FileRecord:
    """A file of the cache: name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


class CacheWriteError(DataError):
    """The cache cannot be written. After this error, no other source is tried."""


def data_folder() -> Path:
    """Return the folder of downloaded data sets, with one subfolder per data set."""
    return cache_folder() / "data"


def verified(array: NDArray[np.uint8], record: FileRecord, place: Path) -> NDArray[np.uint8]:
    """Return an array unchanged; FormatError unless its IDX file has the recorded SHA-256.

    place   file or folder that the array was read from
    """
    digest = hashlib.sha256()
    for block in idx_blocks(array):
        digest.update(block)
    if digest.hexdigest() != record.sha256:
        expected = f"expected SHA-256 {record.sha256}, found {digest.hexdigest()}"
        raise FormatError(f"{place}: not the known file {record.name}: {expected}")
    return array


def read_verified(path: Path, record: FileRecord) -> NDArray[np.uint8]:
    """Return the array in an IDX file, plain or gzip; FormatError for a wrong SHA-256."""
    return verified(read_idx(path), record, path)


def idx_blocks(array: NDArray[np.uint8]) -> Blocks:
    """Return the content of an IDX file for an array, in blocks."""
    return (header(array.shape), np.ascontiguousarray(array).reshape(-1).data)


def store(record: FileRecord, blocks: Blocks, folder: Path) -> Path:
    """Write blocks to a file in the folder, verify its size and SHA-256, and return its path.

    Errors   FormatError for a wrong size or SHA-256, in which case no file remains; CacheWriteError if the file cannot
             be written
    """
    partial = folder / f"{PARTIAL}{os.getpid()}-{secrets.token_hex(4)}-{record.name}"
    path = folder / record.name
    writer = _Writer(partial)
    try:
        _copy(record, blocks, writer)
        writer.finish()
        _move(partial, path)
    finally:
        writer.close()
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return path


def make_folder(folder: Path) -> None:
    """Create a folder of the cache, and remove temporary files older than a day from it.

    Errors   CacheWriteError if the folder cannot be created or modified
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for partial in folder.glob(f"{PARTIAL}*"):
            with suppress(FileNotFoundError):  # removed by another process
                if time.time() - partial.stat().st_mtime > STALE_SECONDS:
                    remove(partial)
    except OSError as error:
        raise _unwritable(folder, error) from error


def remove(path: Path) -> None:
    """Remove a file or a folder of the cache."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


class _Writer:
    """A writer of a new file. Operating system errors are converted to CacheWriteError."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        try:
            self._file = path.open("xb")
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def write(self, block: bytes | memoryview) -> None:
        try:
            self._file.write(block)
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def finish(self) -> None:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()


def _copy(record: FileRecord, blocks: Blocks, writer: _Writer) -> None:
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        size += len(block)
        if size > record.size:
            raise FormatError(f"{record.name} is too long: expected {record.size} bytes, found at least {size}")
        digest.update(block)
        writer.write(block)
    if size != record.size:
        raise FormatError(f"{record.name} is truncated: expected {record.size} bytes, found {size}")
    if digest.hexdigest() != record.sha256:
        raise FormatError(
            f"{record.name} is not the known file: expected SHA-256 {record.sha256}, found {digest.hexdigest()}"
        )


def _move(partial: Path, path: Path) -> None:
    try:
        partial.replace(path)
    except OSError as error:  # on Windows, another process that has just written the same file may have it open
        if not path.is_file() or path.stat().st_size != partial.stat().st_size:
            raise _unwritable(path.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> CacheWriteError:
    reason = error.strerror or str(error)
    return CacheWriteError(f"cannot write the cache {folder} ({reason}); set CHAINRULE_CACHE to another folder")
