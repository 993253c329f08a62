"""Locks between processes, which are released when a process ends, and between threads, released after a fork."""

import functools
import hashlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

LOCK_TIMEOUT = 120.0  # maximum seconds to wait for a lock, whose owner may be stuck
POLL_INTERVAL = 0.01  # seconds between attempts to acquire a lock
IN_USE = 0  # offset of the byte that every process using the folder locks in shared mode
NAMES = 1 << 30  # number of bytes after IN_USE, to which names are hashed


class ThreadLock:
    """A lock between threads that is released after a fork, because its owner does not exist in the forked process.

    Copying or pickling an object with such a lock creates a new, released lock.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        _thread_locks.add(self)

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # already released, in a process forked while the lock was held
            self.lock.release()

    def __reduce__(self) -> tuple[type["ThreadLock"], tuple[()]]:
        return ThreadLock, ()


_thread_locks: "weakref.WeakSet[ThreadLock]" = weakref.WeakSet()


def _reset_after_fork() -> None:
    """Replace all locks between threads by released locks. A forked process has only one thread."""
    for lock in list(_thread_locks):
        lock.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


if TYPE_CHECKING or sys.version_info >= (3, 12):
    cached_property = functools.cached_property  # noqa: TID251
else:

    class cached_property(functools.cached_property):  # noqa: TID251
        """`functools.cached_property` without its lock, which stays locked in a process forked while another thread
        computes a value. Python 3.12 removed the lock.
        """

        def __init__(self, compute: Any) -> None:
            super().__init__(compute)
            self.lock = nullcontext()


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
            _share(self._handle, IN_USE)

    @contextmanager
    def hold(self, name: str, timeout: float = LOCK_TIMEOUT) -> Generator[bool]:
        """Hold a lock within a `with` block. Yield whether it was acquired within `timeout` seconds."""
        byte = 1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % NAMES
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


def in_use(file: Path) -> bool:
    """Return whether another process has created `Locks` for this file, and thus uses the folder of the file."""
    try:
        handle = os.open(file, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(handle, IN_USE)
    finally:
        os.close(handle)  # also releases the lock if acquired


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
        """Do nothing: Windows has no shared locks, and a folder with an open file cannot be removed."""

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

    def _share(handle: int, byte: int) -> None:
        with suppress(OSError):
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, byte)
