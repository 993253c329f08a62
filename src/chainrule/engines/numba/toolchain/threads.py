"""Numba's worker threads, and the locks that no other thread may hold while a process is forked.

Tried with numba 0.61 (llvmlite 0.44) and numba 0.68 (llvmlite 0.50); private to them:
- `numba.np.ufunc.parallel`: starts the threads, and says whether they run and on which threading layer;
- `numba.core.compiler_lock`: held by the thread that compiles;
- `llvmlite.binding.ffi.lib._lock`: held by the thread that is inside LLVM; left out where llvmlite has none.
"""

from typing import Any

import numba
from llvmlite.binding import ffi as _ffi
from numba.core.compiler_lock import global_compiler_lock as _compiler_lock
from numba.np.ufunc import parallel as _parallel

from chainrule.engines.numba.toolchain.compiling import CONFIG, SETTING

# numba and llvmlite have no type annotations.
layer: Any = _parallel
ffi: Any = _ffi
compiler_lock: Any = _compiler_lock

FORKSAFE = ("tbb", "workqueue")  # threading layers that start their threads anew in a forked process


def most_threads() -> int:
    """Return how many worker threads numba was started with."""
    return int(CONFIG.NUMBA_NUM_THREADS)


def use_threads(count: int) -> None:
    """Have parallel programs that this thread starts run on so many worker threads, or on all there are."""
    numba.set_num_threads(min(count, most_threads()))


def launch_threads() -> None:
    """Start the worker threads; a threading layer that cannot be loaded raises whatever it raises."""
    layer._launch_threads()


def threads_survive_forks() -> bool:
    """Return whether a process forked from this one can run parallel programs."""
    return not layer._is_initialized or layer._threading_layer in FORKSAFE


def locks_of_a_fork() -> list[Any]:
    """Return numba's and llvmlite's locks and the one of settings, in the order in which they are taken."""
    of_llvm = getattr(getattr(ffi, "lib", None), "_lock", None)
    return [SETTING, compiler_lock, *([of_llvm] if of_llvm is not None else [])]
