"""The cache of downloaded files, which are written atomically and verified by SHA-256.

A file is verified, written to a temporary folder, flushed to disk, and moved into the cache. Therefore, an incomplete
download is never used, and several processes may download the same file at the same time.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
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
    check_digest(idx_blocks(array), record, place)
    return array


def read_verified(path: Path, record: FileRecord) -> NDArray[np.uint8]:
    """Return the array in an IDX file, plain or gzip; FormatError for a wrong SHA-256."""
    return verified(read_idx(path), record, path)


def idx_blocks(array: NDArray[np.uint8]) -> Blocks:
    """Return the content of an IDX file for an array, in blocks."""
    return (header(array.shape), np.ascontiguousarray(array).reshape(-1).data)


def store(record: FileRecord, content: bytes, work: Path, folder: Path) -> Path:
    """Verify the size and SHA-256 of a file, write it to the folder, and return its path.

    work     temporary folder from `work_folder`
    Errors   FormatError for a wrong size or SHA-256; CacheWriteError if the file cannot be written
    """
    if len(content) != record.size:
        raise FormatError(f"{record.name}: expected {record.size} bytes, found {len(content)}")
    check_digest([content], record, record.name)
    partial = work / record.name
    path = folder / record.name
    with cache_errors(folder):
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _move(partial, path)
    return path


@contextmanager
def work_folder(folder: Path) -> Generator[Path]:
    """Create a folder of the cache, and yield a temporary folder in it. Temporary folders older than a day are removed.

    Errors   CacheWriteError if the folders cannot be created or modified
    """
    with cache_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for partial in folder.glob(f"{PARTIAL}*"):
            with suppress(FileNotFoundError):  # removed by another process
                if time.time() - partial.stat().st_mtime > STALE_SECONDS:
                    remove(partial)
        work = tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder, ignore_cleanup_errors=True)
    with work as path:
        yield Path(path)


def remove(path: Path) -> None:
    """Remove a file or a folder of the cache."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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


def check_digest(blocks: Blocks, record: FileRecord, place: object) -> None:
    """Raise FormatError unless the SHA-256 of a file's content is the recorded one.

    place   file or folder that the content was read from
    """
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    if digest.hexdigest() != record.sha256:
        expected = f"expected SHA-256 {record.sha256}, found {digest.hexdigest()}"
        raise FormatError(f"{place}: not the known file {record.name}: {expected}")
