"""Kernels stay within their arrays and their own buffers; `make guard` tries many more shapes."""

import sys

import numpy as np
import pytest
from engines.guard.cases import DRAWERS, OPERATIONS, PLAIN, draw_case, plain
from engines.processes import python

from chainrule.engines.native.kernels.registry import lanes
from chainrule.engines.native.kernels.selection import KERNELS
from chainrule.engines.native.library import WIDTH

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is fenced off with mprotect")

# A program that reads one byte at a place of an array of 64 bytes.
READER = """
import ctypes, sys
import numpy as np
from engines.guard.memory import Fence

fence = Fence()
fence.side = sys.argv[1]
array = fence.array((8,), np.float64)
print(ctypes.string_at(array.ctypes.data + int(sys.argv[2]), 1))
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_kernel_reads_or_writes_outside(dtype: str) -> None:
    done = python("-m", "engines.guard", "--count", 100, "--seed", 11, "--dtype", dtype, "--bits", 8 * WIDTH)
    assert "no number read or written outside" in done.stdout


@pytest.mark.parametrize(
    ("side", "place", "code"), [("behind", 63, 0), ("behind", 64, -11), ("before", 0, 0), ("before", -1, -11)]
)
def test_one_byte_too_far_stops_the_process(side: str, place: int, code: int) -> None:
    python("-c", READER, side, place, code=code)


def test_every_kernel_is_called_in_every_way() -> None:
    """Cover each kernel, with large paddings and extents."""
    calls = [draw_case(0, number, "float64") for number in range(4500)]
    calls += [plain(np.random.default_rng(number), name, "float64") for name in PLAIN for number in range(30)]
    assert {case.name for case in calls} == set(OPERATIONS)
    packings = {entry.packing for entry in KERNELS.values()}  # are called with the convolutions
    assert {case.kernel for case in calls} | packings - {""} == set(KERNELS)
    assert set(DRAWERS) < set(OPERATIONS)
    convolutions = [case.attributes for case in calls if "dilation" in case.attributes]
    assert max(np.max(given["padding"]) for given in convolutions) > 300
    assert max(np.max(given["dilation"]) for given in convolutions) > 200
    assert any(pad[0] != pad[1] for given in convolutions for pad in given["padding"])
    assert {1, 2, 3, 2 * lanes(8) + 1} < {given["groups"] for given in convolutions}
