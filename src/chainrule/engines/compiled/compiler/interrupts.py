"""Interrupts put off while LLVM works."""

import contextlib
import signal
import threading
from collections.abc import Generator
from typing import Any


@contextlib.contextmanager
def uninterrupted() -> Generator[None]:
    """Put off a Ctrl-C until the end: amid LLVM's work it can end the process (memory freed twice).

    Only the main thread is ever interrupted, and only Python's own handler is put off.
    """
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
