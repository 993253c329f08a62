"""Machine code in memory, given as object files.

Kernels allocate and release their buffers by two functions that are written out here (`RUNTIME`). A buffer begins with
its head: a word that is 1, the address of the buffer made before it (`kernel_arrays`), a word that is 0, the address of
its elements, and its size.

Tried with llvmlite 0.50, of which llvmlite's `binding` is used alone.
"""

import ctypes
from collections.abc import Iterable
from functools import cache
from typing import Any

import llvmlite.binding as _binding

from chainrule.engines.compiled.toolchain import processor
from chainrule.engines.compiled.toolchain.interrupts import uninterrupted

binding: Any = _binding  # llvmlite has no type annotations

RUNTIME = ("chainrule_allocate", "chainrule_release")  # the functions below, as kernels name them
RELOCATION = "static" if binding.get_process_triple().startswith(("x86", "i")) else "default"
SOURCE = """
declare i64 @PyMem_RawMalloc(i64)
declare void @PyMem_RawFree(i64)

define i64 @allocate(i64 %size, i32 %alignment) {
  %step = zext i32 %alignment to i64
  %head = add i64 %step, 64
  %all = add i64 %head, %size
  %found = call i64 @PyMem_RawMalloc(i64 %all)
  %failed = icmp eq i64 %found, 0
  br i1 %failed, label %end, label %fill
fill:
  %last = add i64 %found, %head
  %over = urem i64 %last, %step
  %first = sub i64 %last, %over
  %data = inttoptr i64 %found to POINTER
  store i64 1, POINTER %data
  %place1 = add i64 %found, 8
  %field1 = inttoptr i64 %place1 to POINTER
  store i64 0, POINTER %field1
  %place2 = add i64 %found, 16
  %field2 = inttoptr i64 %place2 to POINTER
  store i64 0, POINTER %field2
  %place3 = add i64 %found, 24
  %field3 = inttoptr i64 %place3 to POINTER
  store i64 %first, POINTER %field3
  %place4 = add i64 %found, 32
  %field4 = inttoptr i64 %place4 to POINTER
  store i64 %size, POINTER %field4
  br label %end
end:
  ret i64 %found
}

define void @release(i64 %buffer) {
  call void @PyMem_RawFree(i64 %buffer)
  ret void
}
"""


@cache
def _target() -> Any:
    """Return the description of this processor, for programs, which have nothing to be optimised."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    return target.create_target_machine(
        cpu=processor.NAME, features=processor.FEATURES, opt=1, codemodel="jitdefault", jit=True
    )


@cache
def _memory() -> Any:
    """Return LLVM's linker of machine code in memory, which knows the runtime of kernels."""
    module = binding.parse_assembly(SOURCE.replace("POINTER", "ptr" if binding.llvm_version_info[0] > 16 else "i64*"))
    for name in ("PyMem_RawMalloc", "PyMem_RawFree"):
        binding.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    memory = binding.create_mcjit_compiler(module, _target())
    memory.finalize_object()
    for name in RUNTIME:
        binding.add_symbol(name, memory.get_function_address(name.removeprefix("chainrule_")))
    return memory


def start() -> None:
    """Make the linker ready, unless it is: as a whole, since one that is given up releases the target of all others."""
    with uninterrupted():
        _memory()


def assembled(text: str) -> bytes:
    """Return the object file of LLVM's intermediate code."""
    with uninterrupted():
        module = binding.parse_assembly(text)
        module.triple, module.data_layout = _target().triple, str(_target().target_data)
        module.verify()
        return bytes(_target().emit_object(module))


@cache
def _optimising() -> Any:
    """Return the description of this processor, for kernels."""
    _target()
    return binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
        cpu=processor.NAME, features=processor.FEATURES, opt=3, codemodel="jitdefault", jit=True, reloc=RELOCATION
    )


def optimised(text: str) -> bytes:
    """Return the object file of LLVM's intermediate code of a kernel, which LLVM optimises."""
    with uninterrupted():
        module, target = binding.parse_assembly(text), _optimising()
        module.triple, module.data_layout = target.triple, str(target.target_data)
        module.verify()
        options = binding.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization, options.slp_vectorization = True, False
        passes = binding.create_pass_builder(target, options)
        passes.getModulePassManager().run(module, passes)
        return bytes(target.emit_object(module))


def address_of(name: str, content: bytes) -> int:
    """Load an object file; return the address of its function of that name."""
    with uninterrupted():
        memory = _memory()
        memory.add_object_file(binding.ObjectFileRef.from_data(content))
        memory.finalize_object()
        address = int(memory.get_function_address(name))
    if not address:
        raise ImportError(f"there is no function {name} in its machine code")
    return address


def addresses_of(names: Iterable[str], content: bytes) -> dict[str, int]:
    """Load an object file for as long as the process lives; return the addresses of some of its functions."""
    with uninterrupted():
        memory = binding.create_mcjit_compiler(binding.parse_assembly(""), _target())
        memory.add_object_file(binding.ObjectFileRef.from_data(content))
        memory.finalize_object()
        found = {name: int(memory.get_function_address(name)) for name in names}
        memory.detach()  # threads may still run it while everything else is released
    return found


def processor_family() -> str:
    """Return the first word of LLVM's name for this machine."""
    return str(binding.get_process_triple()).partition("-")[0]


def name_address(symbol: str, address: int) -> None:
    """Have code that is loaded from now on find an address by a symbol."""
    binding.add_symbol(symbol, address)
