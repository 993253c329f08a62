"""Options of engines: the number of threads, and precision."""

import os
from typing import Any

from chainrule.errors import OptionError, quoted

THREADS_VARIABLE = "CHAINRULE_THREADS"
MOST_THREADS = 1024


def thread_count(threads: int | None = None) -> int:
    """Return the threads to use: the given number, or that of CHAINRULE_THREADS, or one for each processor.

    Errors   OptionError for anything but a whole number from 1 to `MOST_THREADS`
    """
    if threads is None:
        text = os.environ.get(THREADS_VARIABLE)
        if not text:
            return processors()
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST_THREADS):
            raise OptionError(f"{THREADS_VARIABLE}={text}: expected a whole number from 1 to {MOST_THREADS}")
        return int(text)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"threads {quoted(threads)}: expected a whole number of at least 1")
    if threads > MOST_THREADS:
        raise OptionError(f"threads {quoted(threads)}: expected at most {MOST_THREADS}")
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
