"""Guards for calls into LLVM: check the available memory, and defer interrupts and process termination."""

import atexit
import contextlib
import mmap
import signal
import sys
import threading
from collections.abc import Generator
from typing import Any

COMPILING_MEMORY = 64 << 20  # bytes; a large kernel takes 12 MB, and the allocator requests memory in large blocks
LOADING_MEMORY = 16 << 20  # bytes

LLVM = threading.RLock()  # held by a thread while it is inside LLVM

# When a process ends, LLVM's static objects are destroyed even if daemon threads are still running. The main thread
# therefore acquires the lock at exit: it waits for the thread inside LLVM and keeps all others out.
atexit.register(LLVM.acquire)


class NoHeadroom(RuntimeError):
    """There is not enough memory to call LLVM safely."""


def require_memory(size: int) -> None:
    """Check that the process can map `size` more bytes, which a memory limit (`ulimit -v`) may prevent.

    Errors   NoHeadroom instead of MemoryError, so that the engine falls back to NumPy, which does not need LLVM
    """
    try:
        if sys.platform == "win32":
            mmap.mmap(-1, size).close()
        else:
            mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        raise NoHeadroom(f"compiling needs {size >> 20} MB of memory, which this process cannot get") from None


@contextlib.contextmanager
def uninterrupted() -> Generator[None]:
    """Defer Ctrl-C and process termination, which could crash LLVM (a double free).

    Only the main thread receives interrupts, and only handlers written in Python are deferred.
    """
    with LLVM:
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(handler):
            yield
            return
        kept: list[Any] = []
        signal.signal(signal.SIGINT, lambda number, frame: kept.append((number, frame)))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, handler)
            if kept:
                handler(*kept[0])
