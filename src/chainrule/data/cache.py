"""The cache of downloaded files, which are written atomically and verified by SHA-256.

A file is written under a temporary name, flushed to disk, and renamed after its hash has been verified. Therefore, an
incomplete download is never used, and several processes may download the same file at the same time.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

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
    check_digest(digest.hexdigest(), record, place)
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
    with cache_errors(folder):
        file = partial.open("xb")
    try:
        _copy(record, blocks, file, folder)
        with cache_errors(folder):
            _move(partial, path)
    finally:
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return path


def make_folder(folder: Path) -> None:
    """Create a folder of the cache, and remove temporary files older than a day from it.

    Errors   CacheWriteError if the folder cannot be created or modified
    """
    with cache_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for partial in folder.glob(f"{PARTIAL}*"):
            with suppress(FileNotFoundError):  # removed by another process
                if time.time() - partial.stat().st_mtime > STALE_SECONDS:
                    remove(partial)


def remove(path: Path) -> None:
    """Remove a file or a folder of the cache."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _copy(record: FileRecord, blocks: Blocks, file: BinaryIO, folder: Path) -> None:
    digest, size = hashlib.sha256(), 0
    for block in blocks:  # errors of the source are not those of the cache
        size += len(block)
        if size > record.size:
            raise FormatError(f"{record.name} is too long: expected {record.size} bytes, found at least {size}")
        digest.update(block)
        with cache_errors(folder):
            file.write(block)
    if size != record.size:
        raise FormatError(f"{record.name} is truncated: expected {record.size} bytes, found {size}")
    check_digest(digest.hexdigest(), record, record.name)
    with cache_errors(folder):
        file.flush()
        os.fsync(file.fileno())
        file.close()


def _move(partial: Path, path: Path) -> None:
    try:
        partial.replace(path)
    except OSError:  # on Windows, another process that has just written the same file may have it open
        if not path.is_file() or path.stat().st_size != partial.stat().st_size:
            raise


@contextmanager
def cache_errors(folder: Path) -> Generator[None]:
    """Raise CacheWriteError instead of errors of the operating system."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot write the cache {folder} ({reason}); set CHAINRULE_CACHE to another folder"
        raise CacheWriteError(message) from error


def check_digest(digest: str, record: FileRecord, place: object) -> None:
    """Raise FormatError unless the SHA-256 of a file is the recorded one.

    place   file or folder that the content was read from
    """
    if digest != record.sha256:
        expected = f"expected SHA-256 {record.sha256}, found {digest}"
        raise FormatError(f"{place}: not the known file {record.name}: {expected}")
