"""Options of engines: the number of threads, also for NumPy's matrix products, and precision.

The number of threads for matrix products is a process-wide setting, which is changed with threadpoolctl. Locating the
libraries takes a millisecond and is done once. Changing and restoring the setting takes 6 to 20 µs, so this is done per
run of a plan instead of per operation. OpenBLAS 0.3.31 respects the setting only in the main thread. Products in other
threads use as many threads as the main thread allows.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

from chainrule._io.locks import ThreadLock
from chainrule.core.options import is_integer
from chainrule.errors import OptionError, quoted

THREADS_VARIABLE = "CHAINRULE_THREADS"
MAX_THREADS = 1024


def thread_count(threads: int | None = None) -> int:
    """Return the number of threads: `threads`, else the value of CHAINRULE_THREADS, else one per processor.

    Errors   OptionError unless the number is an integer from 1 to `MAX_THREADS`
    """
    if threads is None:
        text = os.environ.get(THREADS_VARIABLE)
        if not text:
            return processors()
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_THREADS):
            raise OptionError(f"{THREADS_VARIABLE}={text}: expected a whole number from 1 to {MAX_THREADS}")
        return int(text)
    if not is_integer(threads) or not 1 <= threads <= MAX_THREADS:
        expected = f"at most {MAX_THREADS}" if is_integer(threads) and threads > 0 else "a whole number of at least 1"
        raise OptionError(f"threads {quoted(threads)}: expected {expected}")
    return threads


def processors() -> int:
    """Return the number of processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_precise(precise: object) -> bool:
    """Return `precise`, or raise OptionError if it is no bool. True avoids algorithms that spread rounding errors."""
    if not isinstance(precise, bool):
        raise OptionError(f"precise {quoted(precise)}: expected True or False")
    return precise


_limited = ThreadLock()


@contextmanager
def limit_blas_threads(threads: int | None) -> Generator[None]:
    """Limit matrix products to `threads` threads within the context, or do nothing if None.

    If contexts in several threads overlap, only the first one sets a limit. If all of them did, one of them could read
    another's limit as the value to restore, and that limit would remain in place.
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
    """Return the threadpoolctl controller for the BLAS libraries in this process."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
