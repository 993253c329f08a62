"""Number of threads of NumPy's matrix products while a pass runs.

The number is a setting of the whole process, which threadpoolctl finds and changes. Finding it takes a millisecond and
is done once; changing it and back takes 6 to 20 µs, so it is done for a pass, not for an operation.
"""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

from chainrule.locks import ThreadLock

_taken = ThreadLock()


@contextmanager
def limit_threads(threads: int | None) -> Generator[None]:
    """Run matrix products on so many threads meanwhile; None: on as many as they use anyway.

    Of passes that overlap the first decides: each putting back what it found would leave the number of another.
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
