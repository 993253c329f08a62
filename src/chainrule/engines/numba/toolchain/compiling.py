"""Options of the compiler, and a cache folder that can never be stale.

- `fastmath=True` would delete NaN checks; the four flags below let sums be reordered and multiply-adds be fused, and
  keep NaN and infinity what they are.
- Numba's cache does not notice that a compiled function in another file changed. All compiled code therefore lies in a
  folder named by a fingerprint of every kernel file, of the versions and of the width of the vector registers: any
  change begins an empty folder.
- `a[i:j] = b` between arrays costs 1.4 s of compiling, for an error message about shapes: kernels loop instead.

Tried with numba 0.61 and 0.68; private to numba:
- `ParallelOptions` as the value of `parallel=`, and `no_cfunc_wrapper` among the options of `njit`;
- `numba.core.config.CACHE_DIR`, read when a function is decorated, and `THREADING_LAYER_PRIORITY`;
- a dispatcher's `compile`, which is replaced by one that holds a lock (`once`), and the `flush` and `disable` of its
  `_cache`.
"""

import contextlib
import hashlib
import os
import platform
import signal
import threading
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import config as _numba_config
from numba.core.cpu_options import ParallelOptions as _ParallelOptions
from numba.core.errors import NumbaError as _NumbaError

from chainrule import compiled, engines, randomness
from chainrule.engines.numba.toolchain import processor
from chainrule.errors import ChainruleError
from chainrule.locks import Locks

CONFIG: Any = _numba_config  # numba reads it when a function is decorated, compiled or first run in parallel

DISABLED = bool(CONFIG.DISABLE_JIT)  # NUMBA_DISABLE_JIT: functions stay plain Python

_numba: Any = numba
njit, prange, literally = _numba.njit, _numba.prange, _numba.literally
ParallelOptions: Any = _ParallelOptions
NumbaError: Any = _NumbaError

OPTIONS: dict[str, Any] = {
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
    "error_model": "numpy",
    "nogil": True,
    "no_cfunc_wrapper": True,  # nobody calls them from C, and each would be compiled
}

# A loop over threads is what it says, and where two follow each other the threads meet: numba would make one of them if
# it saw no array that the first writes, and it does not look into `call`.
PARALLEL: Any = ParallelOptions(
    dict.fromkeys(("comprehension", "reduction", "inplace_binop", "setitem", "numpy", "stencil", "fusion"), False)
)

# GNU's OpenMP lets a waiting thread spin for milliseconds. On a machine with other work that keeps the very thread it
# waits for from running: a step of numpy-cnn (batch 32) took 62 ms instead of 1.4, and 6 ms with a short spin, which on
# a quiet machine still covers the meeting of two threads. Read when OpenMP is first loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

if "NUMBA_THREADING_LAYER" not in os.environ and "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
    # OpenMP forks and joins in 1-2 µs; "workqueue", numba's own, takes 86 µs and dies when two threads enter it.
    CONFIG.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]


@cache
def fingerprint() -> str:
    """Return the name under which the compiled code of exactly these sources and versions is kept."""
    digest = hashlib.sha256()
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    for file in (*sources, Path(str(randomness.__file__))):  # dropout draws as `randomness` does
        digest.update(file.read_bytes())
    versions = numba.__version__, llvmlite.__version__, np.__version__, platform.python_version(), platform.machine()
    for version in (*versions, str(processor.WIDTH)):
        digest.update(version.encode())
    return digest.hexdigest()[:16]


@cache
def compiled_folder() -> Path | None:
    """Return the folder of compiled code for exactly these sources and versions; None where none can be written."""
    try:
        return compiled.use(fingerprint())
    except OSError as error:
        why = f"{error.filename or 'the cache'}: {error.strerror or error}; CHAINRULE_CACHE names another folder"
    except ChainruleError as error:
        why = str(error)
    engines.say_once(f"chainrule: every process compiles its own programs, which cannot be kept ({why})")
    return None


@cache
def locks(folder: Path) -> Locks:
    """Return the locks of a folder of compiled code."""
    found = Locks(folder / compiled.LOCKS)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=found.forget)
    return found


SETTING = threading.RLock()  # held while a setting of numba's, which is the whole process's, is changed


@contextlib.contextmanager
def cached() -> Generator[bool]:
    """Cache what numba compiles meanwhile in `compiled_folder`; yield False where nothing can be cached."""
    folder = compiled_folder()
    with SETTING:
        before = CONFIG.CACHE_DIR
        CONFIG.CACHE_DIR = str(folder or before)
        try:
            yield folder is not None
        finally:
            CONFIG.CACHE_DIR = before


@contextlib.contextmanager
def uninterrupted() -> Generator[None]:
    """Put off a Ctrl-C until the end: amid LLVM's work it can end the process (memory freed twice).

    Only the main thread is ever interrupted, and only Python's own handler is put off.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    kept: list[Any] = []
    signal.signal(signal.SIGINT, lambda number, frame: kept.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if kept:
            handler(*kept[0])


def once(dispatcher: Any) -> Any:
    """Have a function of numba compiled by one process at a time; processes that waited find it on disk.

    Compiled code that cannot be read is compiled anew; where none can be written, none is kept.
    """
    if CONFIG.DISABLE_JIT or "compile" in vars(dispatcher):  # a plain function, or one that was here before
        return dispatcher
    folder, compile_ = compiled_folder(), dispatcher.compile
    if folder is None:
        return dispatcher
    name = f"{dispatcher.py_func.__module__}.{dispatcher.py_func.__qualname__}"

    def compile_once(signature: Any) -> Any:
        with locks(folder).hold(name), uninterrupted():
            try:
                return compile_(signature)
            except NumbaError:
                raise
            except OSError:
                dispatcher._cache.disable()
            except Exception:  # whatever unpickling a damaged file ends in
                with contextlib.suppress(OSError):
                    dispatcher._cache.flush()
            return compile_(signature)

    dispatcher.compile = compile_once
    return dispatcher


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel. One thread runs it; programs share its work among threads.

    Numba optimises a loop that it makes parallel itself differently in the process that compiles it and in those that
    load it from disk, and with `reassoc` that shows in the last bits. A kernel is one function on its own: its machine
    code is what is kept. So all arithmetic is in kernels, and the parallel functions of a program only call them.

    A kernel that another one calls is copied into it (`forceinline`). Left a function, it would be compiled twice, by
    itself and beside its caller, in different ways; which of the two ran would depend on which was loaded first.
    """
    with cached() as writable:
        return once(njit(cache=writable, forceinline=True, **OPTIONS)(function))


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a piece of a kernel that is copied into it: a call costs 50 ns, as much as a short row of arithmetic."""
    return njit(inline="always", **OPTIONS)(function)
