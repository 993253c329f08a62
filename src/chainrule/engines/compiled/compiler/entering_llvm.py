"""What must hold while a thread is inside LLVM: there is enough memory, and nothing interrupts or ends the process."""

import atexit
import contextlib
import mmap
import signal
import sys
import threading
from collections.abc import Generator
from typing import Any

COMPILING_MEMORY = 64 << 20  # bytes; a large kernel takes 12 MB, and the allocator asks for memory in large pieces
LOADING_MEMORY = 16 << 20  # bytes

LLVM = threading.RLock()  # held by the thread that is inside LLVM

# The end of a process destroys LLVM's static objects, daemon threads or not. The main thread therefore waits until no
# thread is inside LLVM, and lets none in again.
atexit.register(LLVM.acquire)


class NoHeadroom(RuntimeError):
    """Too little memory for LLVM."""


def require_memory(size: int) -> None:
    """Raise unless the process can map this many more bytes: a limit of memory (`ulimit -v`) may forbid it.

    Errors   NoHeadroom, and not MemoryError: the NumPy engine, which needs no LLVM, can go on
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
    """Put off a Ctrl-C and the end of the process: amid LLVM's work either can crash it (memory freed twice).

    Only the main thread is ever interrupted, and only Python's own handler is put off.
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
