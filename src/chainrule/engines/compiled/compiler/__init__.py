"""Compiler of programs and kernels, based on LLVM. No other package imports llvmlite.

The rest of the engine imports only the names listed in `__all__`. A file that relies on the internals of a library
names them, and the versions of the library that were tried. `engines.compiled.self_test` checks that the internals work
on this machine.

Terms of this package:

kernel   function that computes on arrays, written in a small subset of Python (see `kernel_entry` and the package
         `kernels`)
program  generated source that creates views of arrays and calls kernels (see `program_code` and the package `codegen`)
symbol   name that compiled code uses for a function that is compiled separately
lane     position of an element in a vector register
tile     small matrix of vectors, kept in registers (see `vectors`)
slot     memory of a variable on the stack (see `kernel_variables`)

Modules:

intrinsics         functions for use in kernels
loading            programs and kernels as functions that Python can call
linking            machine code of kernels, compiled by several processes and linked by symbols
signatures         types of the arguments of kernels and programs

kernel_entry       entry point of the compiler of kernels. Its parts are functions that emit code, each based on the
                   next: kernel_statements, kernel_expressions, kernel_functions, kernel_loops, kernel_variables,
                   kernel_arrays, kernel_arithmetic; kernel_code is the state that they share, kernel_values what they
                   compute with
kernel_source      source of kernels
intrinsic_code     calls of functions with hand-written LLVM code; code of pooling windows and Winograd transforms
tile_code          hand-written code of the functions of `tiles`; transposing_code contains those that transpose blocks
elementary_code    hand-written code of elementary functions
vectors            types, addresses, loads, stores and shuffles of vectors
program_code       compiler of programs; program_expressions contains their expressions

machine            LLVM: object files from intermediate code, and object files in memory
llvm_guard         memory checks and deferred interrupts around LLVM
processor          width and number of the vector registers; denormal floats
object_files       folder of compiled code
buffers            memory for the buffers that kernels allocate
threads            worker threads, and fork safety
pool_code          code of parallel loops
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
    ticks,
    to_points,
)
from chainrule.engines.compiled.compiler.loading import kernel, load
from chainrule.engines.compiled.compiler.object_files import compiled_folder, fingerprint
from chainrule.engines.compiled.compiler.processor import COUNT, NAME, WIDTH
from chainrule.engines.compiled.compiler.signatures import is_record
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
    "ticks",
    "to_points",
    "use_threads",
]
