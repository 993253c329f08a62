"""Arrays between guard pages, including those that compiled kernels allocate themselves.

An array touches a page that may be neither read nor written: one access beyond its end, and the processor stops the
process. `fence_allocations` gives kernels another function that allocates their scratch memory.
"""

import ctypes
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.native.library import LIBRARY

SIDES = ("behind", "before")  # the position of the array's neighbouring guard page
PAGE = mmap.PAGESIZE
POISON = 0xFF  # every byte of fresh memory: a NaN, so that reading uninitialised memory shows

ALLOCATE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class Fence:
    """Memory between guard pages, given back all at once by `release`.

    side       "behind": arrays end where a guard page begins; "before": they begin where one ends
    allocated  number of arrays that compiled code has allocated here
    """

    def __init__(self) -> None:
        self.side = SIDES[0]
        self.allocated = 0
        self._mappings: list[tuple[int, int]] = []

    def allocate(self, size: int) -> int:
        """Return the address of `size` poisoned bytes."""
        room = max(-(-size // PAGE), 1) * PAGE
        whole = room + 2 * PAGE
        start = _libc.mmap(None, whole, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if start == ctypes.c_void_p(-1).value:
            raise MemoryError(f"no {whole} bytes: {len(self._mappings)} arrays are kept")
        self._mappings.append((start, whole))
        ctypes.memset(start + PAGE, POISON, room)
        for guard in (start, start + PAGE + room):
            if _libc.mprotect(guard, PAGE, 0):
                raise OSError(ctypes.get_errno(), "mprotect refuses")
        return start + PAGE + (room - size if self.side == "behind" else 0)

    def array(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return an array of poison."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        memory = (ctypes.c_byte * size).from_address(self.allocate(size))
        return np.frombuffer(memory, dtype).reshape(shape)

    def copy(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a copy of an array."""
        result = self.array(array.shape, array.dtype)
        result[...] = array
        return result

    def release(self) -> None:
        """Release all memory; no array in it may be used afterwards."""
        for start, size in self._mappings:
            _libc.munmap(start, size)
        self._mappings.clear()


_KEPT: list[Any] = []  # functions that kernels call, for as long as the process lasts


def fence_allocations(fence: Fence) -> None:
    """Let kernels take their scratch memory from a fence."""

    def allocate(size: int) -> int:
        fence.allocated += 1
        return fence.allocate(size)

    _KEPT.append(ALLOCATE(allocate))
    LIBRARY.chainrule_watch_scratch(_KEPT[-1])
