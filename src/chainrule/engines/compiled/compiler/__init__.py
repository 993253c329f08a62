"""Compiler of programs and kernels, based on LLVM. No other package imports llvmlite.

The rest of the engine imports only the names listed in `__all__`. A file that relies on the internals of a library
names them, and the versions of the library that were tried. `engines.compiled.self_test` checks that the internals work
on this machine.

Terms of this package:

kernel   function that computes on arrays, written in a small subset of Python (see `kernel_entry` and the package
         `kernels`)
program  generated source that creates views of arrays and calls kernels (see `program_code` and the package `codegen`)
symbol   name that compiled code uses for a function that is compiled separately
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
elementary_code    hand-written code of elementary functions
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
    DISABLED,
    arctan,
    expm1,
    exponential,
    inlined,
    literally,
    log1p,
    mills_ratio,
    tanh,
)
from chainrule.engines.compiled.compiler.loading import kernel, load
from chainrule.engines.compiled.compiler.object_files import compiled_folder, fingerprint
from chainrule.engines.compiled.compiler.processor import COUNT, NAME, WIDTH
from chainrule.engines.compiled.compiler.signatures import is_record
from chainrule.engines.compiled.compiler.threads import most_threads, use_threads

__all__ = [
    "COUNT",
    "DISABLED",
    "NAME",
    "WIDTH",
    "arctan",
    "compiled_folder",
    "expm1",
    "exponential",
    "fingerprint",
    "inlined",
    "is_record",
    "kernel",
    "literally",
    "load",
    "log1p",
    "mills_ratio",
    "most_threads",
    "tanh",
    "use_threads",
]
