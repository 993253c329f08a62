"""Compile LLVM code to object files, and load object files into memory.

Tried with llvmlite 0.50; only llvmlite's `binding` is used.
"""

import ctypes
from collections.abc import Iterable
from functools import cache, partial
from typing import Any

import llvmlite.binding as _binding

from chainrule.engines.compiled.compiler import buffers, object_files, processor
from chainrule.engines.compiled.compiler.llvm_guard import (
    COMPILING_MEMORY,
    LOADING_MEMORY,
    require_memory,
    uninterrupted,
)

binding: Any = _binding  # llvmlite has no type annotations

RELOCATION_MODEL = "static" if binding.get_process_triple().startswith(("x86", "i")) else "default"


@cache
def _target() -> Any:
    """Return the LLVM target machine for programs, which need no optimization."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    return target.create_target_machine(
        cpu=processor.NAME, features=processor.FEATURES, opt=1, codemodel="jitdefault", jit=True
    )


@cache
def _linker() -> Any:
    """Return LLVM's in-memory linker, with the buffer allocation functions already defined."""
    require_memory(LOADING_MEMORY)
    memory = binding.create_mcjit_compiler(binding.parse_assembly(""), _target())
    _keep_loaded(memory)
    for name, address in buffers.external_addresses().items():
        binding.add_symbol(name, address)
    compile_buffers = partial(
        object_files.compile_and_store, buffers.FILE_NAME, lambda: compile_unoptimized(buffers.emit_buffers())
    )
    for name, address in object_files.load_or_compile(
        buffers.FILE_NAME, partial(addresses_of, buffers.FUNCTIONS), compile_buffers
    ).items():
        binding.add_symbol(name, address)
    return memory


def _keep_loaded(memory: Any) -> None:
    """Keep machine code mapped until the process ends, since daemon threads may run it during interpreter shutdown."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))


def start() -> None:
    """Create the linker unless it already exists.

    This must not be interrupted: deleting a half-created linker would also free the target machine, which the functions
    of this module share.
    """
    with object_files.COMPILER_LOCK, uninterrupted():
        _linker()


@uninterrupted()
def compile_unoptimized(text: str) -> bytes:
    """Compile LLVM IR without optimization passes, and return the object file."""
    require_memory(COMPILING_MEMORY)
    module = binding.parse_assembly(text)
    module.triple = _target().triple
    module.data_layout = str(_target().target_data)
    module.verify()
    return bytes(_target().emit_object(module))


@cache
def _optimizing_target() -> Any:
    """Return the LLVM target machine for kernels."""
    _target()
    return binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
        cpu=processor.NAME, features=processor.FEATURES, opt=3, codemodel="jitdefault", jit=True, reloc=RELOCATION_MODEL
    )


@uninterrupted()
def compile_optimized(text: str) -> bytes:
    """Compile LLVM IR with optimization passes, and return the object file."""
    require_memory(COMPILING_MEMORY)
    module = binding.parse_assembly(text)
    target = _optimizing_target()
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    module.verify()
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = False
    passes = binding.create_pass_builder(target, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(target.emit_object(module))


@uninterrupted()
def address_of(name: str, content: bytes) -> int:
    """Load an object file, and return the address of its function `name`."""
    require_memory(LOADING_MEMORY)
    memory = _linker()
    memory.add_object_file(binding.ObjectFileRef.from_data(content))
    memory.finalize_object()
    address = int(memory.get_function_address(name))
    if not address:
        raise ImportError(f"the machine code does not define the function {name}")
    return address


@uninterrupted()
def addresses_of(names: Iterable[str], content: bytes) -> dict[str, int]:
    """Load an object file with a separate linker, and return name → address for its functions `names`."""
    require_memory(LOADING_MEMORY)
    memory = binding.create_mcjit_compiler(binding.parse_assembly(""), _target())
    _keep_loaded(memory)
    memory.add_object_file(binding.ObjectFileRef.from_data(content))
    memory.finalize_object()
    return {name: int(memory.get_function_address(name)) for name in names}


def processor_family() -> str:
    """Return the processor family, the first word of LLVM's target triple."""
    return str(binding.get_process_triple()).partition("-")[0]


def name_address(symbol: str, address: int) -> None:
    """Define a symbol as an address, for code that is loaded later."""
    binding.add_symbol(symbol, address)
