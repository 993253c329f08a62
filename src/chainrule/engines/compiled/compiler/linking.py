"""Machine code of kernels: compile it in several processes, store it on disk, and link it to symbols in programs.

Each kernel is compiled once per combination of argument types and stored on disk, so for a new program usually only
the program itself must be compiled. The process that compiles a kernel runs the same machine code as the processes that
load the kernel later.

The kernels of a new program are compiled by several processes. Each process starts at a different position in the list
and skips kernels that are already on disk or are being compiled by another process. The main process then waits for the
remaining kernels. If several processes need new programs at the same time, only one of them starts helper processes.
"""

import contextlib
import gc
import importlib
import subprocess
import sys
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from chainrule._io import files
from chainrule.engines.compiled.compiler import machine, object_files
from chainrule.engines.compiled.compiler.signatures import PACKAGE, Link, is_array
from chainrule.engines.native.calls import CKernel
from chainrule.engines.native.library import address_of
from chainrule.engines.options import thread_count
from chainrule.errors import RunError

MIN_KERNELS_PER_PROCESS = 3  # starting a process takes as long as compiling this many kernels
MAX_PROCESSES = 4

_linked_types: dict[str, Any] = {}  # symbol of a linked kernel → types of its arguments
_addresses: dict[str, int] = {}  # name of a linked kernel → address of its machine code


CALL = "chainrule_call"  # function in C that calls a kernel in C


def dtype_of(types: Sequence[Any]) -> str:
    """Return the dtype that a kernel in C is compiled for: the one of its first array of floats."""
    return next(kind[0] for kind in types if is_array(kind) and kind[0].startswith("float"))


def find_kernel(module: str, name: str) -> Any:
    """Return the kernel `name` in a module of `kernels`."""
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)


def link(kernel: Link) -> None:
    """Define a kernel's symbol for code that is loaded later. The kernel is compiled if necessary.

    Errors   TypeError if the symbol was linked with other argument types
    """
    if _linked_types.setdefault(kernel.symbol, kernel.types) != kernel.types:
        raise TypeError(f"{kernel.symbol} is linked with {_linked_types[kernel.symbol]}, not {kernel.types}")
    machine.start()
    if isinstance(kernel.kernel, CKernel):
        machine.name_address(CALL, address_of(CALL))
        machine.name_address(kernel.symbol, address_of(kernel.kernel.symbol(dtype_of(kernel.types))))
        return
    if kernel.name not in _addresses:
        load = partial(machine.address_of, kernel.name)
        compile_code = partial(compile_kernel, kernel)
        if kernel.own:
            address = object_files.load_or_compile(kernel.name, load, compile_code)
        else:
            address = load(compile_code())
        _addresses[kernel.name] = address
    machine.name_address(kernel.symbol, _addresses[kernel.name])


def compile_kernel(link: Link, *, timeout: float | None = None) -> bytes:
    """Return the machine code of a kernel. One process compiles it; other processes wait and then read it from disk.

    timeout  seconds to wait for another process, after which b"" is returned; None for no limit
    """
    folder = object_files.compiled_folder()
    if folder is None or not link.own:
        return _compile(link)
    options = {}
    if timeout is not None:
        options = {"timeout": timeout}
    with object_files.locks(folder).hold(link.name, **options) as acquired:
        if not acquired and timeout is not None:
            return b""
        machine_code = object_files.read(link.name)
        if machine_code is None:
            machine_code = _compile(link)
            object_files.store(link.name, machine_code)
        return machine_code


def _compile(link: Link) -> bytes:
    """Compile a kernel and return its machine code. Garbage collection, which would be slow, is disabled meanwhile."""
    from chainrule.engines.compiled.compiler import kernel_entry  # slow to import, and rarely needed

    gc_enabled = gc.isenabled()
    gc.disable()
    try:
        return machine.compile_optimized(str(kernel_entry.emit_kernel(link.kernel.py_func, link.types, link.name)))
    finally:
        if gc_enabled:
            gc.enable()


def missing(links: Sequence[Link]) -> list[Link]:
    """Return the kernels that are not on disk yet, excluding kernels that are never stored."""
    absent = list[Link]()
    for link in links:
        if isinstance(link.kernel, CKernel):
            continue
        file = object_files.object_file(link.name)
        if link.own and file is not None and not file.is_file():
            absent.append(link)
    return absent


def compile_kernels(links: Sequence[Link], source: str) -> None:
    """Compile the kernels of a program that are not on disk yet, with the help of other processes."""
    with _helper_processes(len(missing(links)), source):
        compile_from(links, 0)
        for link in missing(links):  # still being compiled by another process
            compile_kernel(link)


def compile_from(links: Sequence[Link], fraction: float) -> None:
    """Compile the kernels that are neither on disk nor being compiled by another process.

    fraction  position of the first kernel to compile in the list, from 0 to 1
    """
    first = int(fraction * len(links))
    for link in [*links[first:], *links[:first]]:
        if missing([link]):
            compile_kernel(link, timeout=0)


@contextlib.contextmanager
def _helper_processes(kernels: int, source: str) -> Generator[None]:
    """Run helper processes that compile a program's kernels, and stop them on exit from the context.

    No process is started if only one thread may be used, or if helper processes already run for another program.

    kernels  number of missing kernels
    """
    folder = object_files.compiled_folder()
    count = min(thread_count(), MAX_PROCESSES, kernels // MIN_KERNELS_PER_PROCESS)
    if folder is None or count < 2:
        yield
        return
    with object_files.locks(folder).hold("ahead", timeout=0) as acquired:
        file = folder / "new_program.py"
        processes = []
        if acquired and _write_source(file, source):
            processes = [_start_process(file, k / count) for k in range(1, count)]
        try:
            yield
        finally:
            for process in filter(None, processes):
                process.kill()
                process.wait()


def _write_source(file: Path, source: str) -> bool:
    """Write a program's source to a file for the helper processes, and return whether this succeeded."""
    with contextlib.suppress(OSError, RunError):
        files.write_atomic(file, source.encode(), 0o600)
        return True
    return False


def _start_process(file: Path, fraction: float) -> "subprocess.Popen[bytes] | None":
    """Start a helper process. Return None if this fails or if this process is not a plain Python interpreter."""
    if "python" not in Path(sys.executable or "").name:
        return None
    command = [sys.executable, "-P", "-m", "chainrule.engines.compiled.compiler", str(file), str(fraction)]
    devnull = subprocess.DEVNULL
    with contextlib.suppress(OSError):
        return subprocess.Popen(command, stdin=devnull, stdout=devnull, stderr=devnull)
