"""Worker threads, which are those of numba's thread pools, and the locks that a fork must not copy while they are held.

Tried with numba 0.61 (llvmlite 0.44) and numba 0.68 (llvmlite 0.50); private to them:
- the extension modules `omppool`, `tbbpool` and `workqueue` in `numba/np/ufunc`, which are loaded without the rest of
  numba, and the addresses in them: `launch_threads`, and `parallel_for`, which `emitting` calls;
- `llvmlite.binding.ffi.lib._lock`: held by the thread that is inside LLVM; left out where llvmlite has none.
"""

import ctypes
import importlib.machinery
import importlib.util
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from llvmlite.binding import ffi as _ffi

from chainrule import engines
from chainrule.engines.numba.toolchain import machine
from chainrule.engines.numba.toolchain.storing import SETTING

ffi: Any = _ffi  # llvmlite has no type annotations

POOLS = {"omp": "omppool", "tbb": "tbbpool", "workqueue": "workqueue"}
FORKSAFE = ("tbb", "workqueue")  # pools that start their threads anew in a forked process
LAYER, COUNT = "NUMBA_THREADING_LAYER", "NUMBA_NUM_THREADS"  # numba's variables of the environment
# OpenMP forks and joins in 1-2 µs; "workqueue", numba's own, takes 86 µs and dies when two threads enter it.
PRIORITY = os.environ.get("NUMBA_THREADING_LAYER_PRIORITY", "omp tbb workqueue").split()
CHOICES = {"default": PRIORITY, "safe": ["tbb"], "threadsafe": ["tbb", "omp"], "forksafe": ["tbb", "workqueue"]}
TBB, OLDEST_TBB = {"linux": "libtbb.so.12", "darwin": "libtbb.12.dylib", "win32": "tbb12.dll"}, 12060

# GNU's OpenMP lets a waiting thread spin for milliseconds. On a machine with other work that keeps the very thread it
# waits for from running: a step of numpy-cnn (batch 32) took 62 ms instead of 1.4, and 6 ms with a short spin, which on
# a quiet machine still covers the meeting of two threads. Read when OpenMP is first loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

_used = ctypes.c_int32(1)  # threads of parallel programs; they read it
_pool = ""  # the pool whose threads were started


@cache
def most_threads() -> int:
    """Return how many worker threads there are: as many as processors, or as NUMBA_NUM_THREADS says."""
    text = os.environ.get(COUNT)
    if not text:
        return engines.processors()
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"Number of threads specified must be > 0; {COUNT}={text}")
    return int(text)


def use_threads(count: int) -> None:
    """Have parallel programs run on so many worker threads, or on all there are."""
    _used.value = min(count, most_threads())


@cache
def launch_threads() -> None:
    """Start the worker threads, of the first pool that can be loaded.

    Errors   ImportError for a pool that was asked for and cannot be loaded
    """
    global _pool
    layer = os.environ.get(LAYER, "default").lower()
    pools = [layer] if layer in POOLS else CHOICES.get(layer, [])
    for name in pools:
        pool = _loaded(name)
        if pool is not None:
            ctypes.CFUNCTYPE(None, ctypes.c_int)(pool.launch_threads)(most_threads())
            machine.name_address("chainrule_parallel_for", pool.parallel_for)
            machine.name_address("chainrule_threads", ctypes.addressof(_used))
            _pool = name
            return
    raise ImportError(f"no threading layer {layer!r} could be loaded; {LAYER} names one of {', '.join(POOLS)}")


def _loaded(name: str) -> Any:
    """Return numba's extension module of a pool; None where it cannot be loaded."""
    spec = importlib.util.find_spec("numba")
    folders = [] if spec is None else [Path(each) / "np" / "ufunc" for each in spec.submodule_search_locations or ()]
    if name not in POOLS or (name == "tbb" and not _is_tbb_here()):
        return None
    full_name = f"numba.np.ufunc.{POOLS[name]}"
    for file in (
        folder / f"{POOLS[name]}{end}" for folder in folders for end in importlib.machinery.EXTENSION_SUFFIXES
    ):
        if file.exists():
            loader = importlib.machinery.ExtensionFileLoader(full_name, str(file))
            found = importlib.util.spec_from_file_location(full_name, file, loader=loader)
            try:
                module = importlib.util.module_from_spec(found) if found else None
            except ImportError:  # a library that it needs is not installed
                return None
            loader.exec_module(module) if module else None
            return module
    return None


def _is_tbb_here() -> bool:
    """Return whether TBB is installed, and new enough."""
    try:
        return ctypes.CDLL(TBB[sys.platform]).TBB_runtime_interface_version() >= OLDEST_TBB
    except (KeyError, OSError, AttributeError):
        return False


def threads_survive_forks() -> bool:
    """Return whether a process forked from this one can run parallel programs."""
    return not _pool or _pool in FORKSAFE


def locks_of_a_fork() -> list[Any]:
    """Return the lock of settings and llvmlite's, in the order in which they are taken."""
    of_llvm = getattr(getattr(ffi, "lib", None), "_lock", None)
    return [SETTING] if of_llvm is None else [SETTING, of_llvm]
