"""What must not happen while a thread is inside LLVM: an interrupt, or the end of the process."""

import atexit
import contextlib
import signal
import threading
from collections.abc import Generator
from typing import Any

LLVM = threading.RLock()  # held by the thread that is inside LLVM

# The end of a process destroys LLVM's static objects, daemon threads or not. The main thread therefore waits until no
# thread is inside LLVM, and lets none in again.
atexit.register(LLVM.acquire)


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
