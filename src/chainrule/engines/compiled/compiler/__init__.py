"""All contact with llvmlite, and the only interface through which the rest of the engine uses it.

Nothing outside this folder imports llvmlite, or anything of this folder but what is listed here. Each trick that relies
on inner parts of a library is described in the file that uses it, with the versions it was tried on;
`engines.compiled.self_test` finds out whether all of them work here.

intrinsics       what kernels may use besides plain Python
loading          programs from their source, and kernels as functions of Python
linking          machine code of kernels, compiled by several processes, called by symbols
signatures       types of the arguments of kernels and programs

kernel_entry     the compiler of kernels; on the floors below it, their arguments and lines: kernel_code,
                 kernel_expressions, kernel_functions, kernel_arrays, kernel_values, kernel_source
by_hand          calls of functions whose code is emitted by hand; code of windows and transforms. The others:
                 registers (the functions of `tiles`), elementary_code (eˣ and its like), vectors (loads and stores)
emitting         the compiler of programs, and their expressions

machine          LLVM: object files of its intermediate code, and object files in memory
entering_llvm    what must hold while a thread is inside LLVM
processor        width and number of the vector registers; denormal floats
storing          the folder of compiled code
buffers          memory of the buffers that kernels make
threads          worker threads, and the locks that a fork must not copy while they are held
pool_code        code of the loops that they share
"""

from chainrule.engines.compiled.compiler.intrinsics import (
    CELLS,
    DISABLED,
    RESULTS,
    WEIGHTS,
    add_cells,
    arctan,
    compile_by_hand,
    expm1,
    exponential,
    from_points,
    inlined,
    keep_larger,
    literally,
    log1p,
    mills_ratio,
    no_cells,
    store_larger,
    tanh,
    to_points,
)
from chainrule.engines.compiled.compiler.loading import kernel, load
from chainrule.engines.compiled.compiler.processor import COUNT, NAME, WIDTH
from chainrule.engines.compiled.compiler.signatures import is_record
from chainrule.engines.compiled.compiler.storing import compiled_folder, fingerprint
from chainrule.engines.compiled.compiler.threads import most_threads, use_threads

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
    "is_record",
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
