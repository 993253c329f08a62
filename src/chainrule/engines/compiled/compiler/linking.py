"""Machine code of kernels: compiled by several processes, kept on disk, and linked under a symbol that programs call.

Linked by name, a kernel is compiled once for the types of its arguments and kept on disk; a new program costs only its
own lines. The process that compiles it runs the same machine code as those that load it later.

The kernels of a new program are compiled by several processes. Each begins at another kernel of the list, and leaves
out those that are on disk and those that another process is compiling; the one that needs the program then waits for
the last of them. Of several processes that need new programs at once, only one gets helpers.
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
from chainrule.engines.compiled.compiler import machine, storing
from chainrule.engines.compiled.compiler.signatures import PACKAGE, Link
from chainrule.engines.options import thread_count
from chainrule.errors import RunError

FEW = 3  # kernels that one process compiles by itself: starting another takes as long
MOST = 4  # processes

_types: dict[str, Any] = {}  # types of the kernels that are linked, by symbol
_addresses: dict[str, int] = {}  # of their machine code, by name


def found(module: str, name: str) -> Any:
    """Return a kernel of this package."""
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)


def link(given: Link) -> None:
    """Have code that is loaded from now on find a kernel by its symbol; it is compiled where it never was."""
    if _types.setdefault(given.symbol, given.kinds) != given.kinds:
        raise TypeError(f"{given.symbol} is linked with {_types[given.symbol]}, not {given.kinds}")
    machine.start()
    if given.name not in _addresses:
        load, compile_code = partial(machine.address_of, given.name), partial(compiled, given)
        address = storing.loaded(given.name, load, compile_code) if given.own else load(compile_code())
        _addresses[given.name] = address
    machine.name_address(given.symbol, _addresses[given.name])


def compiled(given: Link, *, patience: float | None = None) -> bytes:
    """Return the machine code of a kernel, compiled by one process at a time; the others find it on disk.

    patience  seconds to wait for another process that compiles it; b"" is returned where that is too short
    """
    folder = storing.compiled_folder()
    if folder is None or not given.own:
        return _compiled_here(given)
    waiting = {} if patience is None else {"patience": patience}
    with storing.locks(folder).hold(given.name, **waiting) as alone:
        if not alone and patience is not None:
            return b""
        content = storing.stored(given.name)
        if content is None:
            content = _compiled_here(given)
            storing.store(given.name, content)
        return content


def _compiled_here(given: Link) -> bytes:
    """Return the machine code of a kernel, compiled here, without collecting garbage meanwhile, which takes a while."""
    from chainrule.engines.compiled.compiler import kernel_entry  # slow to import, and seldom needed

    collecting = gc.isenabled()
    gc.disable()
    try:
        return machine.optimised(str(kernel_entry.emit_kernel(given.kernel.py_func, given.kinds, given.name)))
    finally:
        if collecting:
            gc.enable()


def missing(links: Sequence[Link]) -> list[Link]:
    """Return the kernels whose machine code could be on disk, and is not."""
    return [each for each in links if each.own and (file := storing.object_file(each.name)) and not file.is_file()]


def compile_kernels(links: Sequence[Link], source: str) -> None:
    """Compile the kernels of a program whose machine code is not on disk, with the help of other processes."""
    with _helped(len(missing(links)), source):
        compile_from(links, 0)
        for each in missing(links):  # another process is still compiling these
            compiled(each)


def compile_from(links: Sequence[Link], part: float) -> None:
    """Compile the kernels that are not on disk, unless another process does; begin after such a part of them."""
    first = int(part * len(links))
    for each in [*links[first:], *links[:first]]:
        if missing([each]):
            compiled(each, patience=0)


@contextlib.contextmanager
def _helped(kernels: int, source: str) -> Generator[None]:
    """Let other processes compile kernels of a program meanwhile; `kernels`: how many are missing.

    None is started if only one thread may be used or another program is being compiled this way.
    """
    folder, count = storing.compiled_folder(), min(thread_count(), MOST, kernels // FEW)
    if folder is None or count < 2:
        yield
        return
    with storing.locks(folder).hold("ahead", patience=0) as alone:
        file = folder / "new_program.py"
        processes = [_started(file, k / count) for k in range(1, count)] if alone and _written(file, source) else []
        try:
            yield
        finally:
            for process in filter(None, processes):
                process.kill()
                process.wait()


def _written(file: Path, source: str) -> bool:
    """Write the source of a program for other processes, and return whether that could be done."""
    with contextlib.suppress(OSError, RunError):
        files.write_atomic(file, source.encode())
        return True
    return False


def _started(file: Path, part: float) -> "subprocess.Popen[bytes] | None":
    """Start a process; None where none can be started, or this one does not run in a plain Python."""
    if "python" not in Path(sys.executable or "").name:
        return None
    command = [sys.executable, "-P", "-m", "chainrule.engines.compiled.compiler", str(file), str(part)]
    nothing = subprocess.DEVNULL
    with contextlib.suppress(OSError):
        return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)
