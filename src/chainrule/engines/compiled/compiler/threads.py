"""Worker threads that share a program's loops (`pool_code`), and the locks that a fork must not copy while held.

Threads are started, and sleep, by functions of CPython that need no interpreter. A waiting thread spins for `SPIN_SECONDS`
seconds first: waking it takes longer than most loops of a program. Then it lets other threads run for some
milliseconds, and only then it sleeps: a virtual machine gives a processor away that sleeps, and may wait long to get it
back. Where no thread can be started, the one that runs a program does all turns itself, with the same results. Threads
do not survive a fork: the child starts its own.

Tried with llvmlite 0.44 and 0.50; private to them:
- `llvmlite.binding.ffi.lib._lock`: held by the thread that is inside LLVM; left out where llvmlite has none.
Private to CPython (3.11 to 3.14): `PyThread_start_new_thread`, `PyThread_allocate_lock`, `PyThread_acquire_lock`,
`PyThread_release_lock`.
"""

import ctypes
import os
import threading
import time
from contextlib import ExitStack
from functools import cache, partial
from typing import Any

from llvmlite.binding import ffi as _ffi

from chainrule.engines import fallback
from chainrule.engines.compiled.compiler import buffers, entering_llvm, machine, pool_code, storing
from chainrule.engines.compiled.compiler.storing import COMPILER_LOCK
from chainrule.engines.options import processors, thread_count

ffi: Any = _ffi  # llvmlite has no type annotations

SPIN_SECONDS = 60e-6  # seconds that a thread waits awake
TRIAL_SPINS = 500  # turns of `spin` that are timed
FILE_NAME = "pool"  # of the file of the pool's code


class Pool:
    """The worker threads of this process."""

    def __init__(self) -> None:
        machine.start()
        self._words = buffers.new_words(pool_code.THREADS + pool_code.WORDS_PER_THREAD * most_threads())
        self._most = most_threads()
        self._started = 1  # threads, with the one that runs a program
        self._used = self._words[pool_code.THREAD_LIMIT] = (
            1  # threads that the last program was allowed, and those it had
        )
        self._python: Any = ctypes.pythonapi
        for name in pool_code.LOCK_FUNCTIONS:
            machine.name_address(name, buffers.address_of(name))
        self._python.PyThread_allocate_lock.restype = ctypes.c_void_p
        self._python.PyThread_acquire_lock.argtypes = [ctypes.c_void_p, ctypes.c_int]
        self._start_thread: Any = self._python.PyThread_start_new_thread
        self._start_thread.argtypes, self._start_thread.restype = [ctypes.c_void_p] * 2, ctypes.c_ulong
        machine.name_address(pool_code.YIELD_FUNCTION, ctypes.cast(_system_yield(), ctypes.c_void_p).value or 0)
        self._addresses = _pool_addresses()
        machine.name_address("chainrule_share_out", self._addresses["share_out"])
        machine.name_address("chainrule_pool", ctypes.addressof(self._words))

    def use(self, count: int) -> None:
        """Let this many threads share loops, or as many as there can be."""
        if count == self._used:
            return
        if min(count, self._most) > self._started:
            with COMPILER_LOCK:
                self._start(min(count, self._most))
        self._words[pool_code.THREAD_LIMIT] = min(count, self._started)
        self._used = count

    def _start(self, count: int) -> None:
        """Start threads until there are `count`."""
        if self._started == 1:
            self._words[pool_code.SPINS] = self._spin_count()
            self._words[pool_code.LOCK] = self._acquired_lock()
        while self._started < count:
            place = pool_code.THREADS + pool_code.WORDS_PER_THREAD * self._started
            self._words[place + pool_code.OWN_LOCK] = self._acquired_lock()
            thread_id = self._start_thread(self._addresses["work"], ctypes.addressof(self._words))
            if thread_id == ctypes.c_ulong(-1).value:
                fallback.say_once(
                    "chainrule: no more threads can be started: fewer run programs, with the same results"
                )
                self._most = self._started
                return
            self._started += 1

    def _acquired_lock(self) -> int:
        """Return a lock that is held: who takes it sleeps until it is released."""
        lock = self._python.PyThread_allocate_lock()
        self._python.PyThread_acquire_lock(lock, 1)
        return lock

    def _spin_count(self) -> int:
        """Return how often `spin` waits in `SPIN_SECONDS` seconds."""
        spin, durations = ctypes.CFUNCTYPE(None, ctypes.c_int64)(self._addresses["spin"]), list[float]()
        for _ in range(3):
            start = time.perf_counter()
            spin(TRIAL_SPINS)
            durations.append(time.perf_counter() - start)
        return max(1, int(TRIAL_SPINS * SPIN_SECONDS / min(durations)))

    def forget(self) -> None:
        """Start again: in a forked process there are no threads."""
        ctypes.memset(self._words, 0, ctypes.sizeof(self._words))
        self._started = self._used = self._words[pool_code.THREAD_LIMIT] = 1
        self._most = most_threads()


def _system_yield() -> Any:
    """Return the function with which a thread yields its processor to a thread that waits for it."""
    if os.name == "nt":
        windows: Any = ctypes
        return windows.windll.kernel32.SwitchToThread
    return ctypes.CDLL(None).sched_yield


@cache
def _pool_addresses() -> dict[str, int]:
    """Return the addresses of the functions of the pool."""

    def compile_pool() -> bytes:
        return machine.compile_program(pool_code.emit_pool(machine.processor_family()))

    load = partial(machine.addresses_of, ("share_out", "work", "spin"))
    return storing.load_or_compile(FILE_NAME, load, partial(storing.compile_and_store, FILE_NAME, compile_pool))


@cache
def most_threads() -> int:
    """Return how many threads there are at most: as many as processors, or more if CHAINRULE_THREADS says so."""
    return max(processors(), thread_count())


@cache
def launch_threads() -> Pool:
    """Return the worker threads of this process; each is started when a program needs it."""
    return Pool()


def use_threads(count: int) -> None:
    """Let programs that this thread runs next use this many threads, or as many as there are."""
    buffers.use_stack()
    launch_threads().use(count)


# A lock that another thread of the parent holds would stay locked in the child for ever, so a fork waits until no
# thread compiles or loads.
_fork_state = threading.local()


def _before_fork() -> None:
    _fork_state.locks = ExitStack()
    of_llvm = getattr(getattr(ffi, "lib", None), "_lock", None)
    for lock in (COMPILER_LOCK, entering_llvm.LLVM, of_llvm):  # in the order in which they are taken
        if lock is not None:
            _fork_state.locks.enter_context(lock)


def _after_fork() -> None:
    _fork_state.locks.close()


def _after_fork_in_child() -> None:
    _after_fork()
    if launch_threads.cache_info().currsize:
        launch_threads().forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
