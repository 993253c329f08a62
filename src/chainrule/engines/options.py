"""Options of engines: the number of threads, of NumPy's matrix products as well, and precision.

The number of threads of matrix products is a setting of the whole process, which threadpoolctl finds and changes.
Finding it takes a millisecond and is done once. Changing it and back takes 6 to 20 µs, so it is done once for a whole
plan, not for each operation. OpenBLAS 0.3.31 heeds it in the main thread only: in another one, products use as many
threads as the main one allows.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

from chainrule._io.locks import ThreadLock
from chainrule.errors import OptionError, quoted

THREADS_VARIABLE = "CHAINRULE_THREADS"
MAX_THREADS = 1024


def thread_count(threads: int | None = None) -> int:
    """Return the threads to use: the given number, or that of CHAINRULE_THREADS, or one for each processor.

    Errors   OptionError for anything but a whole number from 1 to `MOST_THREADS`
    """
    if threads is None:
        text = os.environ.get(THREADS_VARIABLE)
        if not text:
            return processors()
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_THREADS):
            raise OptionError(f"{THREADS_VARIABLE}={text}: expected a whole number from 1 to {MAX_THREADS}")
        return int(text)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"threads {quoted(threads)}: expected a whole number of at least 1")
    if threads > MAX_THREADS:
        raise OptionError(f"threads {quoted(threads)}: expected at most {MAX_THREADS}")
    return threads


def processors() -> int:
    """Return the number of processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_precise(precise: Any) -> bool:
    """Return whether to avoid algorithms that spread rounding errors; OptionError for anything but a bool."""
    if not isinstance(precise, bool):
        raise OptionError(f"precise {quoted(precise)}: expected True or False")
    return precise


_limited = ThreadLock()


@contextmanager
def limit_blas_threads(threads: int | None) -> Generator[None]:
    """Limit matrix products to `threads` threads within the context; None: no limit.

    Where calls overlap, the first decides: if each restored the number it found, another call's limit would remain.
    """
    lock = _limited.lock
    if threads is None or not lock.acquire(blocking=False):
        yield
        return
    try:
        with _controller().limit(limits=threads, user_api="blas"):
            yield
    finally:
        lock.release()


@cache
def _controller() -> Any:
    """Return the controller of the libraries of matrix products in this process."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
