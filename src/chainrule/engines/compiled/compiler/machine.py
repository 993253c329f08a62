"""Machine code in memory, given as object files.

Tried with llvmlite 0.50; only llvmlite's `binding` is used.
"""

import ctypes
from collections.abc import Iterable
from functools import cache, partial
from typing import Any

import llvmlite.binding as _binding

from chainrule.engines.compiled.compiler import buffers, processor, storing
from chainrule.engines.compiled.compiler.entering_llvm import (
    COMPILING_MEMORY,
    LOADING_MEMORY,
    require_memory,
    uninterrupted,
)

binding: Any = _binding  # llvmlite has no type annotations

RELOCATION_MODEL = "static" if binding.get_process_triple().startswith(("x86", "i")) else "default"


@cache
def _target() -> Any:
    """Return the description of this processor, for programs, which have nothing to be compile_optimized."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    return target.create_target_machine(
        cpu=processor.NAME, features=processor.FEATURES, opt=1, codemodel="jitdefault", jit=True
    )


@cache
def _linker() -> Any:
    """Return LLVM's linker of machine code in memory, which knows how kernels make their buffers."""
    require_memory(LOADING_MEMORY)
    memory = binding.create_mcjit_compiler(binding.parse_assembly(""), _target())
    _keep_loaded(memory)
    for name, address in buffers.external_addresses().items():
        binding.add_symbol(name, address)
    compile_buffers = partial(
        storing.compile_and_store, buffers.FILE_NAME, lambda: compile_program(buffers.emit_buffers())
    )
    for name, address in storing.load_or_compile(
        buffers.FILE_NAME, partial(addresses_of, buffers.FUNCTIONS), compile_buffers
    ).items():
        binding.add_symbol(name, address)
    return memory


def _keep_loaded(memory: Any) -> None:
    """Keep machine code mapped until the process ends: daemon threads run it while the interpreter shuts down."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))


def start() -> None:
    """Make the linker ready, unless it is: as a whole, since one that is given up releases the target of all others."""
    with storing.COMPILER_LOCK, uninterrupted():
        _linker()


@uninterrupted()
def compile_program(text: str) -> bytes:
    """Return the object file of LLVM's intermediate code."""
    require_memory(COMPILING_MEMORY)
    module = binding.parse_assembly(text)
    module.triple, module.data_layout = _target().triple, str(_target().target_data)
    module.verify()
    return bytes(_target().emit_object(module))


@cache
def _optimizing_target() -> Any:
    """Return the description of this processor, for kernels."""
    _target()
    return binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
        cpu=processor.NAME, features=processor.FEATURES, opt=3, codemodel="jitdefault", jit=True, reloc=RELOCATION_MODEL
    )


@uninterrupted()
def compile_optimized(text: str) -> bytes:
    """Return the object file of LLVM's intermediate code of a kernel, which LLVM optimises."""
    require_memory(COMPILING_MEMORY)
    module, target = binding.parse_assembly(text), _optimizing_target()
    module.triple, module.data_layout = target.triple, str(target.target_data)
    module.verify()
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization, options.slp_vectorization = True, False
    passes = binding.create_pass_builder(target, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(target.emit_object(module))


@uninterrupted()
def address_of(name: str, content: bytes) -> int:
    """Load an object file; return the address of its function of that name."""
    require_memory(LOADING_MEMORY)
    memory = _linker()
    memory.add_object_file(binding.ObjectFileRef.from_data(content))
    memory.finalize_object()
    address = int(memory.get_function_address(name))
    if not address:
        raise ImportError(f"there is no function {name} in its machine code")
    return address


@uninterrupted()
def addresses_of(names: Iterable[str], content: bytes) -> dict[str, int]:
    """Load an object file on its own; return the addresses of some of its functions."""
    require_memory(LOADING_MEMORY)
    memory = binding.create_mcjit_compiler(binding.parse_assembly(""), _target())
    _keep_loaded(memory)
    memory.add_object_file(binding.ObjectFileRef.from_data(content))
    memory.finalize_object()
    return {name: int(memory.get_function_address(name)) for name in names}


def processor_family() -> str:
    """Return the first word of LLVM's name for this machine."""
    return str(binding.get_process_triple()).partition("-")[0]


def name_address(symbol: str, address: int) -> None:
    """Have code that is loaded from now on find an address by a symbol."""
    binding.add_symbol(symbol, address)
