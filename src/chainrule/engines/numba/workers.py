"""Worker threads that share a program's loops, and the processes that have none.

Numba starts them for the first parallel program. A process has none where no threading layer can be loaded, or where it
was forked from one that had started OpenMP's: threads do not survive a fork, and the next parallel loop would kill the
child or never end. Such a process runs the serial twin of every program. The twin makes the same shares of a batch, one
after the other, so results have the same bits.

Locks do not survive a fork either: one that another thread of the parent holds would stay locked in the child for ever.
So a fork waits until no thread of the parent runs a parallel program or compiles.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any

from chainrule import engines
from chainrule.engines.numba import toolchain

LOST = (
    "chainrule: this process was forked from one that had started OpenMP's threads, which do not survive that: "
    "programs run on one thread here, with the same results"
)
RUNNING = threading.RLock()  # one Python thread at a time enters a parallel program: not every thread pool can take two

_lost = False  # whether this process was forked from one whose threads it would need


def run(threads: int, program: Callable[..., None], arguments: Sequence[Any]) -> None:
    """Run a parallel program on so many worker threads, or on all there are; its shares of the batch stay the same."""
    with RUNNING:
        toolchain.use_threads(threads)
        program(*arguments)


def available() -> bool:
    """Return whether parallel programs can run in this process; if not, one line on stderr says why.

    Nothing is said where numba was started with one thread.
    """
    if toolchain.most_threads() == 1:
        return False
    if _lost:
        engines.say_once(LOST)
        return False
    why = _unavailable_reason()
    if why:
        engines.say_once(f"chainrule: {why}: programs run on one thread, with the same results")
    return not why


@cache
def _unavailable_reason() -> str:
    """Start numba's threads; return why they cannot be started, or an empty string."""
    try:
        toolchain.launch_threads()
    except Exception as error:  # a threading layer may raise anything
        return f"numba has no threads here ({engines.first_line(error)})"
    return ""


_held = threading.local()


def _before_fork() -> None:
    _held.locks = ExitStack()
    for lock in (RUNNING, *toolchain.locks_of_a_fork()):
        _held.locks.enter_context(lock)


def _after_fork() -> None:
    _held.locks.close()


def _after_fork_in_child() -> None:
    global _lost
    _after_fork()
    _lost = _lost or not toolchain.threads_survive_forks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
