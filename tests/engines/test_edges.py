"""Kernels read nothing behind their arrays, although tiles are broader than what is left at an edge.

Every array that is read ends where the memory of the process does: a number further on, and there is no process. So the
kernels run in one of their own.
"""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, itertools, math, mmap, sys
import numpy as np
from chainrule import engines
from chainrule.engines.numba import operations

def at_the_edge(array):
    pages = -(-array.nbytes // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    last = ctypes.c_void_p(begin + pages * mmap.PAGESIZE)
    assert ctypes.CDLL(None, use_errno=True).mprotect(last, mmap.PAGESIZE, 0) == 0
    found = np.frombuffer(memory, array.dtype, array.size, pages * mmap.PAGESIZE - array.nbytes).reshape(array.shape)
    found[...] = array
    return found

def compare(name, arrays, rectify=False, **attributes):
    (expected,) = engines.find("numpy").run(name, arrays, attributes)
    expected = np.maximum(expected, 0) if rectify else expected
    rectified = {"rectify": True} if rectify else {}
    (found,) = operations.call(name, tuple(map(at_the_edge, arrays)), attributes | rectified)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1000 * np.finfo(dtype).eps * np.abs(expected).max())

dtype = np.dtype(sys.argv[1])
draw = lambda *shape: np.random.default_rng(math.prod(shape)).standard_normal(shape).astype(dtype)
lanes = operations.lanes(dtype.itemsize)
shapes = itertools.product((1, 3, 17), (1, lanes), (5, 8, lanes, 2 * lanes), (7, 13), (0, 1))
for count, ins, outs, size, edge in shapes:
    x, w, b = draw(count, ins, size, size), draw(outs, ins, 3, 3), draw(outs)
    padding = ((edge, edge), (edge, edge))
    (y,) = operations.call("cross_correlate", (x, w, b), {"padding": padding})
    compare("cross_correlate", (x, w, b), padding=padding)
    compare("cross_correlate", (x, w, draw(*y.shape[1:])), padding=padding)
    compare("cross_correlate", (x, w, b), padding=padding, rectify=True)
    compare("cross_correlate_dx", (y, w), padding=padding, size=x.shape[2:])
    compare("cross_correlate_dw", (x, y), padding=padding, kernel=w.shape[2:])
for count, ins, outs in itertools.product((1, 5, 33), (1, 31, 50, 130), (3, 10, 17)):
    x, w, b = draw(count, ins), draw(outs, ins), draw(outs)
    (y,) = operations.call("dense", (x, w, b), {})
    compare("dense", (x, w, b))
    compare("dense_dx", (y, w))
    compare("dense_dw", (x, y))
print("as far as the edge")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is fenced off with mprotect")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_behind_an_array_is_read(dtype: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, dtype], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "as far as the edge\n"), done.stderr
