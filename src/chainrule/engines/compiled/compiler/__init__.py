"""All contact with llvmlite, and the only interface through which the rest of the engine uses it.

Nothing outside this folder imports llvmlite, or anything of this folder but what is listed here. Each trick that relies
on inner parts of a library is described in the file that uses it, with the versions it was tried on;
`engines.compiled.proof` finds out whether all of them work here.

processor       width and number of the vector registers
kernels         decorators of kernels and of the pieces they are made of
storing         the folder of compiled code
kernel_entry    compiler of kernels: their arguments, and, on the floors below it, their lines:
kernel_code,
kernel_expressions, kernel_arrays, kernel_values, kernel_source
by_hand         functions whose code is emitted by hand, as that compiler calls them
registers       code of `tiles`, emitted by hand
elementary_code code of eˣ, eˣ − 1, log(1 + x), tanh, arctan and Mills' ratio in vectors, emitted by hand
windows_code    code of cells of neighbouring windows in vectors, emitted by hand
transforms_code code of the transforms of Winograd's algorithm, emitted by hand
linking         kernels in memory, called by their symbols
emitting        machine code of programs
loading         programs from their source
machine         LLVM: object files of its intermediate code, and object files in memory
headroom        memory that LLVM must find
interrupts      what must not happen while a thread is inside LLVM
ahead           other processes that help to compile the kernels of a new program
buffers         memory of the buffers that kernels make
threads         worker threads, and the locks that a fork must not copy while they are held
pool_code       code of the loops that they share
"""

from chainrule.engines.compiled.compiler.elementary import arctan, expm1, exponential, log1p, mills_ratio, tanh
from chainrule.engines.compiled.compiler.kernels import DISABLED, compile_by_hand, inlined, kernel, literally
from chainrule.engines.compiled.compiler.loading import load
from chainrule.engines.compiled.compiler.processor import COUNT, NAME, WIDTH
from chainrule.engines.compiled.compiler.storing import compiled_folder, fingerprint
from chainrule.engines.compiled.compiler.threads import most_threads, use_threads
from chainrule.engines.compiled.compiler.transforms import CELLS, RESULTS, WEIGHTS, from_points, to_points
from chainrule.engines.compiled.compiler.windows import add_cells, keep_larger, no_cells, store_larger

__all__ = [
    "CELLS",
    "COUNT",
    "DISABLED",
    "NAME",
    "RESULTS",
    "WEIGHTS",
    "WIDTH",
    "add_cells",
    "arctan",
    "compile_by_hand",
    "compiled_folder",
    "expm1",
    "exponential",
    "fingerprint",
    "from_points",
    "inlined",
    "keep_larger",
    "kernel",
    "literally",
    "load",
    "log1p",
    "mills_ratio",
    "most_threads",
    "no_cells",
    "store_larger",
    "tanh",
    "to_points",
    "use_threads",
]
