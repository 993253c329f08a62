"""The worker threads that share a program's loops, and the processes that have none.

They are numba's, started by the first parallel program. A process has none of its own where no threading layer can be
loaded, or where it was forked from one that had started OpenMP's: threads do not survive a fork, and the next parallel
loop would kill the child or never end. Such a process runs the serial twin of every program. The twin makes the same
shares of a batch, one after the other, so results have the same bits.

Locks do not survive a fork either: one that another thread of the parent holds would stay locked in the child for ever.
So a fork waits until no thread of the parent runs a parallel program or compiles.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any

import numba
from llvmlite.binding import ffi as _ffi
from numba.core.compiler_lock import global_compiler_lock as _compiler_lock
from numba.np.ufunc import parallel as _parallel

from chainrule import engines
from chainrule.engines.numba.compiling import CONFIG, SETTING

# Private to numba and llvmlite, which do not say their types.
layer: Any = _parallel
ffi: Any = _ffi
compiler_lock: Any = _compiler_lock

FORKSAFE = ("tbb", "workqueue")  # threading layers that start their threads anew in a forked process
LOST = (
    "chainrule: this process was forked from one that had started OpenMP's threads, which do not survive that: "
    "programs run on one thread here, with the same results"
)
RUNNING = threading.RLock()  # one Python thread at a time enters a parallel program: not every thread pool can take two

_lost = False  # whether this process was forked from one whose threads it would need


def run(threads: int, program: Callable[..., None], arguments: Sequence[Any]) -> None:
    """Run a parallel program, which makes so many shares, by as many worker threads or all that there are."""
    with RUNNING:
        numba.set_num_threads(min(threads, most()))
        program(*arguments)


def most() -> int:
    """Return how many worker threads numba was started with."""
    return int(CONFIG.NUMBA_NUM_THREADS)


def available() -> bool:
    """Return whether parallel programs can run in this process; if not, one line on stderr says why.

    They need not where numba was started with one thread.
    """
    if most() == 1:
        return False
    if _lost:
        engines.say_once(LOST)
        return False
    why = _why_not()
    if why:
        engines.say_once(f"chainrule: {why}: programs run on one thread, with the same results")
    return not why


@cache
def _why_not() -> str:
    """Start numba's threads; return why that cannot be done, or nothing."""
    try:
        layer._launch_threads()
    except Exception as error:  # what a threading layer raises is its own affair
        return f"numba has no threads here ({engines.first_line(error)})"
    return ""


def _locks() -> list[Any]:
    """The locks that no other thread may hold while a process is forked, in the order in which they are taken."""
    of_llvm = getattr(ffi.lib, "_lock", None)
    return [RUNNING, SETTING, compiler_lock, *([of_llvm] if of_llvm is not None else [])]


_held = threading.local()


def _before_fork() -> None:
    _held.locks = ExitStack()
    for lock in _locks():
        _held.locks.enter_context(lock)


def _after_fork() -> None:
    _held.locks.close()


def _after_fork_in_child() -> None:
    global _lost
    _after_fork()
    _lost = _lost or (layer._is_initialized and layer._threading_layer not in FORKSAFE)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
