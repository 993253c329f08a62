"""Locks between processes, which are released when a process ends."""

import os
import sys
import threading
import time
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK_TIMEOUT = 120.0  # maximum seconds to wait for a lock, whose owner may be stuck
POLL_INTERVAL = 0.01  # seconds between attempts to acquire a lock
NAMES = 1 << 30  # number of bytes that names are hashed to


class Locks:
    """Named locks between processes: locked bytes of a file, released by the system when a process ends or is killed.

    Threads of the same process do not exclude each other. The locks have no effect if the file cannot be written or the
    file system does not support locks.
    """

    def __init__(self, file: Path) -> None:
        self._handle: int | None = None
        self._holding: dict[int, int] = {}  # byte → number of times this process has acquired it
        self._mutex = threading.Lock()
        with suppress(OSError):
            self._handle = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)

    @contextmanager
    def hold(self, name: str, timeout: float = LOCK_TIMEOUT) -> Generator[bool]:
        """Hold a lock within a `with` block. Yield whether it was acquired within `timeout` seconds."""
        byte = zlib.crc32(name.encode()) % NAMES
        deadline = time.monotonic() + timeout
        while not (acquired := self._take(byte)) and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
        try:
            yield acquired
        finally:
            if acquired:
                self._free(byte)

    def _take(self, byte: int) -> bool:
        if self._handle is None:
            return True
        with self._mutex:
            if byte not in self._holding and not _lock(self._handle, byte):
                return False
            self._holding[byte] = self._holding.get(byte, 0) + 1
            return True

    def _free(self, byte: int) -> None:
        if self._handle is None:
            return
        with self._mutex:
            self._holding[byte] -= 1
            if not self._holding[byte]:
                del self._holding[byte]
                _unlock(self._handle, byte)

    def forget(self) -> None:
        """Forget all locks after a fork, because they still belong to the parent process."""
        self._mutex = threading.Lock()
        self._holding.clear()


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, byte: int) -> bool:
        os.lseek(handle, byte, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle: int, byte: int) -> None:
        os.lseek(handle, byte, os.SEEK_SET)
        with suppress(OSError):
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(handle: int, byte: int) -> bool:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True  # the file system does not support locks
        return True

    def _unlock(handle: int, byte: int) -> None:
        with suppress(OSError):
            fcntl.lockf(handle, fcntl.LOCK_UN, 1, byte)
