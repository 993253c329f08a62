"""Makes the drawn calls in this process, between guard pages, and compares the results with the NumPy engine's."""

from pathlib import Path
from typing import Any

import numpy as np
from engines.guard import memory
from engines.guard.cases import Case, draw_case, parts
from numerical import assert_close

from chainrule.engines import loader
from chainrule.engines.native.kernels.selection import KERNELS, Array


class Ordinary:
    """Arrays in ordinary memory, with NaN where nothing was written."""

    def copy(self, array: Array) -> Array:
        return array.copy()

    def array(self, shape: tuple[int, ...], dtype: Any) -> Array:
        return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else -1, dtype)


def run(dtype: str, seed: int, first: int, count: int, note: Path) -> int:
    """Make the calls with these numbers; the note always names the current one."""
    fence = memory.Fence()
    memory.fence_allocations(fence)
    for number in range(first, first + count):
        case = draw_case(seed, number, dtype)
        note.write_text(f"call {number}: {case}", encoding="utf-8")
        for fence.side in memory.SIDES:
            for packing in {"", KERNELS[case.kernel].packing}:
                compare(case, call(case, fence, packing))
                fence.release()
    if count > 20 and not fence.allocated:
        raise AssertionError("no kernel allocated anything here: none does so through the runtime that is watched")
    return 0


def call(case: Case, fence: memory.Fence | Ordinary, packing: str = "") -> list[Array]:
    """Return copies of a kernel's results for a case, with weights that the kernel `packing` has packed."""
    entry = KERNELS[case.kernel]
    given = [None if array is None else fence.copy(array) for array in case.arrays]
    dtype = next(array.dtype for array in given if array is not None)
    shapes = entry.shapes(case.arrays, {**case.attributes, **case.joined})
    parts_of_threads = parts(case, shapes[0] if shapes else (), dtype.itemsize)
    if packing:
        w = given[1]
        assert w is not None
        packed = fence.array(KERNELS[packing].shapes([w], {})[0], dtype)
        for part in parts_of_threads if "lowest" in parts_of_threads[0] else [{}]:
            KERNELS[packing].call([w, packed], {**case.attributes, **part})
        given[1] = packed[: w.size].reshape(w.shape)
    written = entry.arrays[len(given) :]
    results = [
        fence.array(shape, np.int32 if own in entry.integers else dtype)
        for own, shape in zip(written, shapes, strict=True)
    ]
    if entry.accumulates:
        for result in results:
            result[...] = 0
    passed = [
        array.reshape(-1) if own in entry.flat and array is not None else array
        for own, array in zip(entry.arrays, [*given, *results], strict=True)
    ]
    for part in parts_of_threads:
        entry.call(passed, {**case.attributes, **case.joined, **part, **({"packed": True} if packing else {})})
    if not results:
        return [np.array(array) for place, array in enumerate(given) if place != 1]
    return [np.array(result) for result in results]


def compare(case: Case, found: list[Array]) -> None:
    """Raise an AssertionError where a result differs from the NumPy engine's."""
    arrays: Any = case.arrays
    entry = KERNELS[case.kernel]
    if entry.part_of or entry.joins or case.kernel == "place":  # networks compare their values
        assert case.kernel == "place" or all(np.isfinite(result).all() for result in found), case
        return
    if case.joined.get("scaled"):
        x, w, (plus, times) = arrays
        (y,) = loader.find("numpy").run(case.name, (x, w, None), case.attributes)
        expected = [y * times[:, None, None] + plus[:, None, None]]
    else:
        expected = list(loader.find("numpy").run(case.name, arrays, case.attributes))
    if case.joined.get("rectify"):
        expected[0] = np.maximum(expected[0], 0)
    if cap := case.joined.get("capped"):
        expected[0] = np.clip(expected[0], 0, cap)
    if case.joined.get("pooled"):
        options = {"window": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}
        expected = [loader.find("numpy").run("max_pool", (expected[0],), options)[0]]
    if case.kernel == "largest_cells":  # they do not write the winners
        found, expected = found[:1], expected[:1]
    for result, wanted in zip(found, expected, strict=True):
        assert_close(result, wanted, 2000, magnitude=1, name=case)
