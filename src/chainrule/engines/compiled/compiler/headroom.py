"""Room in memory for LLVM, which ends the process when it gets none."""

import mmap
import sys

COMPILING = 64 << 20  # bytes; a large kernel takes 12 MB, and the allocator asks for memory in large pieces
LOADING = 16 << 20  # bytes


class NoHeadroom(RuntimeError):
    """Too little memory for LLVM."""


def require(size: int) -> None:
    """Raise unless the process can map so many bytes more: a limit of memory (`ulimit -v`) may forbid it.

    Errors   NoHeadroom, and not MemoryError: the NumPy engine, which needs no LLVM, can go on
    """
    try:
        if sys.platform == "win32":
            mmap.mmap(-1, size).close()
        else:
            mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        raise NoHeadroom(f"compiling needs {size >> 20} MB of memory, which this process cannot get") from None
