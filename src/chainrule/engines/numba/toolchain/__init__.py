"""All contact with numba and llvmlite, and the only interface through which the rest of the engine uses them.

Nothing outside this folder imports numba or llvmlite, or anything of this folder but what is listed here. Both
libraries change their inner parts from version to version. Each trick that relies on such parts is described in the
file that uses it, with the versions it was tried on; `engines.numba.proof` finds out whether all of them work here.

processor     width and number of the vector registers
compiling     options of the compiler, the cache of compiled code, and one process at a time that compiles
registers     code of `tiles`, emitted by hand
elementary    eˣ, eˣ − 1, log(1 + x), tanh, arctan and Mills' ratio in vectors, emitted by hand
windows       cells of neighbouring windows in vectors, emitted by hand
linking       kernels called by address; arrays that are parts of a workspace
loading       programs from their source
ahead         a second process that compiles the kernels of a new program
threads       numba's worker threads, and the locks that a fork must not copy while they are held
"""

from chainrule.engines.numba.toolchain.compiling import (
    DISABLED,
    OPTIONS,
    PARALLEL,
    compiled_folder,
    fingerprint,
    inlined,
    kernel,
    literally,
    njit,
    prange,
)
from chainrule.engines.numba.toolchain.elementary import arctan, expm1, exponential, log1p, mills_ratio, tanh
from chainrule.engines.numba.toolchain.linking import call, link, view
from chainrule.engines.numba.toolchain.loading import load
from chainrule.engines.numba.toolchain.processor import COUNT, NAME, WIDTH
from chainrule.engines.numba.toolchain.registers import compile_by_hand
from chainrule.engines.numba.toolchain.threads import (
    launch_threads,
    locks_of_a_fork,
    most_threads,
    threads_survive_forks,
    use_threads,
)
from chainrule.engines.numba.toolchain.windows import add_cells, keep_larger, no_cells, store_larger

__all__ = [
    "COUNT",
    "DISABLED",
    "NAME",
    "OPTIONS",
    "PARALLEL",
    "WIDTH",
    "add_cells",
    "arctan",
    "call",
    "compile_by_hand",
    "compiled_folder",
    "expm1",
    "exponential",
    "fingerprint",
    "inlined",
    "keep_larger",
    "kernel",
    "launch_threads",
    "link",
    "literally",
    "load",
    "locks_of_a_fork",
    "log1p",
    "mills_ratio",
    "most_threads",
    "njit",
    "no_cells",
    "prange",
    "store_larger",
    "tanh",
    "threads_survive_forks",
    "use_threads",
    "view",
]
