"""Number of threads of NumPy's matrix products while a plan runs.

The number is a setting of the whole process, which threadpoolctl finds and changes. Finding it takes a millisecond and
is done once; changing it and back takes 6 to 20 µs, so it is done once for a whole plan, not for each operation.

OpenBLAS 0.3.31 heeds it in the main thread only: in another one, products use as many threads as the main one allows.
"""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

from chainrule._io.locks import ThreadLock

_taken = ThreadLock()


@contextmanager
def limit_threads(threads: int | None) -> Generator[None]:
    """Limit matrix products to `threads` threads within the context; None: no limit.

    Where calls overlap, the first decides: if each restored the number it found, another call's limit would remain.
    """
    lock = _taken.lock
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
