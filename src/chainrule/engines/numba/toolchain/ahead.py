"""A second process that compiles the kernels of a new program in reverse order, while this one compiles them in order.

numba compiles on one processor. What it compiled is kept on disk and looked for there first, so each of the two finds
what the other has done; somewhere in the middle they meet. Of several processes that need a new program at once,
only one gets a second process. Without it the result is the same, but takes 1.5 times as long.

Tried with numba 0.61 and 0.68: the cache names its index files `MODULE.FUNCTION-….nbi` (`_is_new`).
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from chainrule.engines import thread_count
from chainrule.engines.numba.toolchain import compiling

LINK = re.compile(r"^link\('[^']*', (\w+\.\w+), ", re.MULTILINE)


@contextlib.contextmanager
def compile_in_parallel(file: Path) -> Generator[None]:
    """Run the second process on the program in a file meanwhile, if most of its kernels are not on disk yet.

    No second process is started if only one thread may be used or another program is being compiled this way.
    """
    with compiling.locks(file.parent).hold("ahead", patience=0) as alone:
        process = _started(file) if alone and thread_count() > 1 and _is_new(file) else None
        try:
            yield
        finally:
            if process is not None:
                process.kill()
                process.wait()


def _is_new(file: Path) -> bool:
    """Return whether most of the kernels that a program links were never compiled in its folder."""
    kernels = set(LINK.findall(file.read_text(encoding="utf-8")))
    missing = [name for name in kernels if not any(file.parent.glob(f"*/{name}-*"))]
    return 2 * len(missing) > len(kernels)


def _started(file: Path) -> "subprocess.Popen[bytes] | None":
    """Start the second process; None where none can be started, or this one does not run in a plain Python."""
    if "python" not in Path(sys.executable or "").name:
        return None
    command, nothing = [sys.executable, "-P", "-m", "chainrule.engines.numba.toolchain", str(file)], subprocess.DEVNULL
    with contextlib.suppress(OSError):
        return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)


def compile_backwards(source: str) -> None:
    """Link the kernels of a program, the last one first."""
    lines = source.splitlines()
    links = [line for line in lines if LINK.match(line)]
    known: dict[str, Any] = {}
    exec("\n".join(lines[: lines.index(links[0])]), known)
    for line in reversed(links):
        exec(line, known)
