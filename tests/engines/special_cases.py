"""Runs kernels as Python (CHAINRULE_UNCOMPILED), compares the results, and prints the lines that never ran.

Drawn arguments reach nearly all lines; those of `ROWS` reach the others.
"""

import itertools
import linecache
import math
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from engines.guard.calling import Ordinary, call, compare
from engines.guard.cases import DRAWERS, OPERATIONS, Case, plain

from chainrule.engines.compiled.kernels import filter_tiles
from chainrule.engines.compiled.kernels.registry import lanes
from chainrule.engines.compiled.kernels.selection import ALTERNATIVES, KERNELS

FAMILIES = ("depthwise", "direct_rows", "layout", "row_tiles", "side_by_side", "transposing")  # others are in C
PACKINGS = {entry.packing for entry in KERNELS.values()}  # of weights beyond the end of an array; for `make guard`
ROUNDS, MAX_ENTRIES = 150, 3000
LANES, MANY = lanes(8), filter_tiles.STRIP  # MANY: more taps than stay in a cache
ROWS: tuple[Any, ...] = (  # kernel, shapes of images and weights, attributes, fused steps
    ("correlate_few", (2, 2, 1, 3), (2, 1, 2, 1), {"groups": 2, "padding": ((1, 0), (0, 0))}),
    ("correlate_few", (2, 2, 1, 3), (2, 1, 1, 1), {"groups": 2}, {"scaled": True}),
    ("correlate_few", (2, 4, 5, 20), (2, 2, 3, 3), {"groups": 2, "stride": (2, 2)}),
    ("correlate_rows", (1, 2, 4, 12), (6, 2, 3, 3), {}),
)


def lines_of(family: str) -> dict[CodeType, set[int]]:
    """Return the lines of each function that is compiled. These functions alone have no annotations."""
    module = sys.modules[f"chainrule.engines.compiled.kernels.{family}"]
    functions = [each for each in vars(module).values() if isinstance(each, FunctionType) and not each.__annotations__]
    codes = [each.__code__ for each in functions if each.__module__ == module.__name__]
    return {code: {line for *_, line in code.co_lines() if line} for code in codes if code.co_name not in PACKINGS}


left = {code: lines for family in FAMILIES for code, lines in lines_of(family).items()}


def ran(frame: Any, event: str, argument: Any) -> Any:
    """Remove a line of a kernel that runs from those that are left; a function for `sys.settrace`."""
    lines = left.get(frame.f_code)
    if lines:
        lines.discard(frame.f_lineno)
    return ran if lines else None


def random(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(5).standard_normal(shape)


def chosen() -> Iterator[Case]:
    """Yield convolutions, and their gradients where no step is fused; several threads share a single image."""
    for kernel, size, weights, attributes, *steps in ROWS:
        x, w, b = random(size), random(weights), random((2, weights[0])) if steps == [{"scaled": True}] else None
        threads = 3 if len(x) == 1 else 1
        yield Case("cross_correlate", kernel, (x, w, b), attributes, steps[0] if steps else {}, threads)
        dy = random(KERNELS[kernel].shapes((x, w, b), attributes)[0])
        gradients = ("dx", (dy, w), {"size": size[2:]}), ("dw", (x, dy), {"kernel": weights[2:]})
        for end, arrays, more in () if steps else gradients:
            if f"{kernel}_{end}" in KERNELS:
                yield Case(f"cross_correlate_{end}", f"{kernel}_{end}", arrays, {**attributes, **more})
    for entry in ALTERNATIVES["cross_correlate_dw"]:
        yield Case("cross_correlate_dw", entry.name, (random((0, 8, 9, 8)), random((0, 8, 7, 6))), {"kernel": (3, 3)})
    yield Case("dense_dw", "dense_dw", (random((9, 70)), random((9, 11))), {}, {"fresh": True})
    window = {"window": (3, 3), "stride": (2, 2), "padding": ((0, 0), (0, 0))}
    for columns in (40, 2 * LANES + 1, LANES - 1):  # two vectors, two that yield one result less, and one vector
        yield Case("max_pool", "largest_cells", (random((2, 3, 7, columns)),), window)
    for size, padding in (((2, 2 * LANES - 3, 7, 9), (1, 2)), ((1, LANES, 2, 3), (0, 1)), ((3, 1, 5, 2), (2, 0))):
        options = {"window": (3, 2), "stride": (1, 3), "padding": (padding, (1, 0))}
        yield Case("max_pool", "largest_side_by_side", (random(size),), options)
    for rows, columns in ((3, 4), (2, 2)):
        whole = {"window": (rows, columns), "stride": (rows, columns), "padding": ((0, 0), (0, 0))}
        yield Case("average_pool", "average_pool_whole", (random((2, 9 * LANES + 1, rows, columns)),), whole)
    yield Case("multiply", "multiply_images", (random((2, 3, 4, 5)), random((2, 3, 1, 1))), {})


def drawn() -> Iterator[Case]:
    """Draw small arguments of each operation in turn."""
    names = [name for name in OPERATIONS if KERNELS[name].family in FAMILIES]
    for number, name in itertools.product(range(ROUNDS), names):
        case = DRAWERS.get(name, plain)(np.random.default_rng(number), name, "float64")
        shapes = KERNELS[case.kernel].shapes(case.arrays, {**case.attributes, **case.joined})
        shapes += [array.shape for array in case.arrays if array is not None]
        if sum(map(math.prod, shapes)) < MAX_ENTRIES:
            yield case


if __name__ == "__main__":
    for case in itertools.chain(chosen(), drawn()):
        sys.settrace(ran)
        results = call(case, Ordinary())
        sys.settrace(None)
        compare(case, results)
    for code, lines in left.items():
        for line in lines:
            print(f"{code.co_name}:", linecache.getline(code.co_filename, line).strip())
