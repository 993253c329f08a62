"""Kernels stay within their arrays and their own buffers; `make guard` tries many more shapes."""

import sys
from pathlib import Path

import numpy as np
import pytest
from engines.guard.cases import DRAWERS, OPERATIONS, PLAIN, draw_case, plain
from engines.processes import python

from chainrule.engines.compiled.compiler import WIDTH
from chainrule.engines.compiled.kernels.registry import lanes
from chainrule.engines.compiled.kernels.selection import KERNELS

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is fenced off with mprotect")

# A kernel that loads a vector at an offset of its own buffer or of an argument.
READER = """
import sys
import numpy as np
from engines.guard.memory import Fence, fence_allocations

fence = Fence()
fence_allocations(fence)
from chainrule.engines.compiled.kernels.tiles import add_parts, store_part, zeros
from chainrule.engines.compiled.compiler import kernel

@kernel
def read(given, place, many, found):
    own = np.zeros(1000, found.dtype)
    for k in range(own.size):
        own[k] = given[k]
    store_part(add_parts(zeros(own, 1, 1), own, place, 0, many), found, 0, many)

@kernel
def read_given(given, place, many, found):
    store_part(add_parts(zeros(given, 1, 1), given, place, 0, many), found, 0, many)

whose, fence.side, place, many = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
given, found = fence.copy(np.arange(1000.0)), fence.array((8,), np.float64)
(read if whose == "own" else read_given)(given, place, many, found)
assert (found[:many] == np.arange(place, place + many)).all()
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_kernel_reads_or_writes_outside(dtype: str) -> None:
    done = python("-m", "engines.guard", "--count", 100, "--seed", 11, "--dtype", dtype, "--bits", 8 * WIDTH)
    assert "no number read or written outside" in done.stdout


@pytest.mark.parametrize(
    ("whose", "side", "place", "many", "code"),
    [
        ("own", "behind", 998, 2, 0),
        ("own", "before", -1, 2, -11),
        ("given", "behind", 999, 2, -11),
    ],
)
def test_one_number_too_far_stops_the_process(
    whose: str, side: str, place: int, many: int, code: int, tmp_path: Path
) -> None:
    program = tmp_path / "reader.py"  # kernels are compiled from the file that they stand in
    program.write_text(READER, encoding="utf-8")
    python(program, whose, side, place, many, code=code)


def test_every_kernel_is_called_in_every_way() -> None:
    """Cover each kernel, with large paddings and extents; `special_cases` shows that fused steps and shares occur."""
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
