"""Locks between processes, which end with the process, and locks between threads, which are free after a fork."""

import hashlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK_TIMEOUT = 120.0  # seconds to wait for a process that holds a lock and does not go on
POLL_INTERVAL = 0.01  # seconds between two looks at a lock
IN_USE = 0  # the byte that every process which uses the folder of the file has locked, shared
NAMES = 1 << 30  # bytes after it, one for each name


class ThreadLock:
    """Lock between threads that is free in a forked process, where no thread that held it exists.

    Copies and pickles of what holds one have a lock of their own, which is free.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        _thread_locks.add(self)

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # of a process that was forked inside, where it is free already
            self.lock.release()

    def __reduce__(self) -> tuple[type["ThreadLock"], tuple[()]]:
        return ThreadLock, ()


_thread_locks: "weakref.WeakSet[ThreadLock]" = weakref.WeakSet()


def _reset_after_fork() -> None:
    """Replace all locks between threads by free ones, in a process that has one thread."""
    for lock in list(_thread_locks):
        lock.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


class Locks:
    """Locks by name: bytes of one file, which the system frees when a process ends, however it dies.

    Threads of a process do not exclude each other. Without a file that can be written, or where the file system has no
    locks, nobody is kept out.
    """

    def __init__(self, file: Path) -> None:
        self._handle: int | None = None
        self._holding: dict[int, int] = {}  # how often this process holds each byte
        self._mutex = threading.Lock()
        with suppress(OSError):
            self._handle = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
            _share(self._handle, IN_USE)

    @contextmanager
    def hold(self, name: str, patience: float = LOCK_TIMEOUT) -> Generator[bool]:
        """Keep other processes out while it lasts; False when one was still in after `patience` seconds."""
        byte = 1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % NAMES
        end = time.monotonic() + patience
        while not (got := self._take(byte)) and time.monotonic() < end:
            time.sleep(POLL_INTERVAL)
        try:
            yield got
        finally:
            if got:
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
        """Hold nothing in a forked process: locks stay with the parent."""
        self._mutex = threading.Lock()
        self._holding.clear()


def in_use(file: Path) -> bool:
    """Return whether another process has opened the locks in a file."""
    try:
        handle = os.open(file, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(handle, IN_USE)
    finally:
        os.close(handle)  # and with it the lock, if it was free


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

    def _share(handle: int, byte: int) -> None:
        """Do nothing: locks are not shared here, and a folder with an open file cannot be removed."""

else:
    import fcntl

    def _lock(handle: int, byte: int) -> bool:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True  # no locks in this file system
        return True

    def _unlock(handle: int, byte: int) -> None:
        with suppress(OSError):
            fcntl.lockf(handle, fcntl.LOCK_UN, 1, byte)

    def _share(handle: int, byte: int) -> None:
        with suppress(OSError):
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, byte)
