"""Worker threads that run the parallel loops of programs (`pool_code`), and fork safety.

Threads are started and put to sleep by CPython functions that do not need the interpreter. A waiting thread first spins
for `SPIN_SECONDS`, because waking it would take longer than most loops in a program. It then yields to other threads
for a few milliseconds before it sleeps, because a virtual machine may lose the processor of a sleeping thread and wait
long to get it back. If no thread can be started, the thread that runs a program runs all iterations itself, with the
same results. Threads do not survive a fork; the child process starts its own.

Tried with llvmlite 0.44 and 0.50. Private names used:
- of llvmlite: `llvmlite.binding.ffi.lib._lock`, held by the thread that is inside LLVM; skipped if it does not exist;
- of CPython (3.11 to 3.14): `PyThread_start_new_thread`, `PyThread_allocate_lock`, `PyThread_acquire_lock`,
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
from chainrule.engines.compiled.compiler import buffers, llvm_guard, machine, object_files, pool_code
from chainrule.engines.compiled.compiler.object_files import COMPILER_LOCK
from chainrule.engines.options import processors, thread_count

ffi: Any = _ffi  # llvmlite has no type annotations

SPIN_SECONDS = 60e-6  # time that a waiting thread spins before it yields
TRIAL_SPINS = 500  # number of iterations of `spin` that are timed
FILE_NAME = "pool"  # name of the pool's object file


class Pool:
    """The worker threads of this process."""

    def __init__(self) -> None:
        machine.start()
        self._words = buffers.new_words(pool_code.THREADS + pool_code.WORDS_PER_THREAD * most_threads())
        self._most = most_threads()
        self._started = 1  # number of threads, including the one that runs a program
        self._used = self._words[pool_code.THREAD_LIMIT] = 1  # number of threads last requested and in use
        self._python: Any = ctypes.pythonapi
        for name in pool_code.LOCK_FUNCTIONS:
            machine.name_address(name, buffers.address_of(name))
        self._python.PyThread_allocate_lock.restype = ctypes.c_void_p
        self._python.PyThread_acquire_lock.argtypes = [ctypes.c_void_p, ctypes.c_int]
        self._start_thread: Any = self._python.PyThread_start_new_thread
        self._start_thread.argtypes = [ctypes.c_void_p] * 2
        self._start_thread.restype = ctypes.c_ulong
        machine.name_address(pool_code.YIELD_FUNCTION, ctypes.cast(_system_yield(), ctypes.c_void_p).value or 0)
        self._addresses = _pool_addresses()
        machine.name_address("chainrule_share_out", self._addresses["share_out"])
        machine.name_address("chainrule_pool", ctypes.addressof(self._words))

    def use(self, count: int) -> None:
        """Set the number of threads that run loops, and start threads as needed. If this fails, use fewer threads."""
        if count == self._used:
            return
        if min(count, self._most) > self._started:
            with COMPILER_LOCK:
                self._start(min(count, self._most))
        self._words[pool_code.THREAD_LIMIT] = min(count, self._started)
        self._used = count

    def _start(self, count: int) -> None:
        """Start threads until there are `count` in total."""
        if self._started == 1:
            self._words[pool_code.SPINS] = self._spin_count()
            self._words[pool_code.LOCK] = self._acquired_lock()
        while self._started < count:
            offset = pool_code.THREADS + pool_code.WORDS_PER_THREAD * self._started
            self._words[offset + pool_code.OWN_LOCK] = self._acquired_lock()
            thread_id = self._start_thread(self._addresses["work"], ctypes.addressof(self._words))
            if thread_id == ctypes.c_ulong(-1).value:
                fallback.say_once(
                    "chainrule: cannot start more threads; programs run on fewer threads, with the same results"
                )
                self._most = self._started
                return
            self._started += 1

    def _acquired_lock(self) -> int:
        """Return a new lock that is already acquired. A thread that acquires it again sleeps until it is released."""
        lock = self._python.PyThread_allocate_lock()
        self._python.PyThread_acquire_lock(lock, 1)
        return lock

    def _spin_count(self) -> int:
        """Return the number of `spin` iterations that take `SPIN_SECONDS`."""
        spin = ctypes.CFUNCTYPE(None, ctypes.c_int64)(self._addresses["spin"])
        durations = list[float]()
        for _ in range(3):
            start = time.perf_counter()
            spin(TRIAL_SPINS)
            durations.append(time.perf_counter() - start)
        return max(1, int(TRIAL_SPINS * SPIN_SECONDS / min(durations)))

    def forget(self) -> None:
        """Reset the pool in a process that was just forked and has no worker threads."""
        ctypes.memset(self._words, 0, ctypes.sizeof(self._words))
        self._started = self._used = self._words[pool_code.THREAD_LIMIT] = 1
        self._most = most_threads()


def _system_yield() -> Any:
    """Return the system function that yields the processor to another thread."""
    if os.name == "nt":
        windows: Any = ctypes
        return windows.windll.kernel32.SwitchToThread
    return ctypes.CDLL(None).sched_yield


@cache
def _pool_addresses() -> dict[str, int]:
    """Return the addresses of the pool's functions."""

    def compile_pool() -> bytes:
        return machine.compile_unoptimized(pool_code.emit_pool(machine.processor_family()))

    load = partial(machine.addresses_of, ("share_out", "work", "spin"))
    return object_files.load_or_compile(
        FILE_NAME, load, partial(object_files.compile_and_store, FILE_NAME, compile_pool)
    )


@cache
def most_threads() -> int:
    """Return the maximum number of threads: the number of processors, or CHAINRULE_THREADS if larger."""
    return max(processors(), thread_count())


@cache
def launch_threads() -> Pool:
    """Return this process's thread pool. Its threads are started when they are first needed."""
    return Pool()


def use_threads(count: int) -> None:
    """Set the number of threads for the programs that the calling thread runs next."""
    buffers.use_stack()
    launch_threads().use(count)


# A lock held by another thread during a fork would stay locked in the child. Forks therefore wait until no thread is
# compiling or loading.
_fork_state = threading.local()


def _before_fork() -> None:
    _fork_state.locks = ExitStack()
    of_llvm = getattr(getattr(ffi, "lib", None), "_lock", None)
    for lock in (COMPILER_LOCK, llvm_guard.LLVM, of_llvm):  # in the same order as elsewhere, to avoid deadlocks
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
