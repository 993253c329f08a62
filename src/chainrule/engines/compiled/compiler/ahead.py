"""Processes that compile the kernels of a new program together.

A kernel is compiled on one processor. Each process begins at another kernel of the list, and leaves out those that are
on disk and those that another process is compiling; the one that needs the program then waits for the last of them. Of
several processes that need new programs at once, only one gets helpers.
"""

import contextlib
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from chainrule._io import files
from chainrule.engines.compiled.compiler import storing
from chainrule.engines.compiled.compiler.linking import compiled
from chainrule.engines.compiled.compiler.signatures import Link
from chainrule.engines.options import thread_count
from chainrule.errors import RunError

FEW = 3  # kernels that one process compiles by itself: starting another takes as long
MOST = 4  # processes


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
    """Have other processes compile so many kernels of a program meanwhile.

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
