"""Locks between threads, which are released after a fork."""

import functools
import os
import sys
import threading
import weakref
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any


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
