"""Compiled code of kernels gives the same results as Python."""

import importlib.util
import itertools
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from engines.expressions import expressions
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from selection import draws

from chainrule.engines.compiled import compiler

HEAD = """from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import inlined, kernel


class Pair(NamedTuple):
    one: Any
    other: Any


@inlined
def first_above(values, least):
    for k in range(values.size):
        if values[k] > least:
            return k
    return -1


@inlined
def ramp(size, step):
    made = np.empty(size, np.int64)
    for k in range(size):
        made[k] = k * step
    return made


@inlined
def total(values):
    copied = np.zeros(values.size, values.dtype)
    for k in range(values.size):
        copied[k] = values[k]
    sums = 0
    for k in range(copied.size):
        sums += copied[k]
    return sums


"""
SIGNATURE = "def run(a, b, c, octets, reals, wholes, found, places):\n"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


def loaded(folder: Path, body: str, signature: str = SIGNATURE) -> Callable[..., None]:
    """Return a function of such lines, from a file: its source is read there."""
    file = folder / f"lines_{next(_numbers)}.py"
    file.write_text(HEAD + signature + body, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.run


def arguments() -> list[np.ndarray]:
    draw = np.random.default_rng(5)
    octets = np.array([100, 200, 50, 255, 128, 127, 1], np.uint8)
    return [octets, draw.standard_normal(12), draw.integers(-9, 10, (3, 4)), np.full(6, 7.0), np.full(6, 7)]


@pytest.fixture(scope="module")
def product(folder: Path) -> Callable[..., None]:
    """Return a kernel of products, compiled."""
    lines = (
        "    for k in range(found.size):\n        found[k] = reals[0, k] * 0.3 * (reals[1, k] - reals[2, k]) * 0.25\n"
    )
    return compiler.kernel(loaded(folder, lines, "def run(reals, found):\n"))


def both(run: Callable[..., None], numbers: tuple[int, int, int]) -> list[list[np.ndarray]]:
    """Return the arrays after a function ran as Python, and compiled."""
    results: list[list[np.ndarray]] = []
    for function in (run, compiler.kernel(run)):
        given = arguments()
        function(*numbers, *given)
        results.append(given)
    return results


def same(run: Callable[..., None], numbers: tuple[int, int, int]) -> None:
    for expected, actual in zip(*both(run, numbers), strict=True):
        assert_close(actual, expected)


def integers() -> st.SearchStrategy[str]:
    """Draw expressions of integers, negative ones too."""
    names = "a", "b", "c", "3", "-2", "reals.size", "wholes.shape[1]", "wholes[1, 2]", "wholes[-1, 0]"
    forms = [
        *("({0} + {1})", "({0} - {1})", "({0} * {1})", "min({0}, {1})", "max({0}, {1})", "abs({0})"),
        *(f"({{0}} {sign} {divisor})" for sign in ("//", "%") for divisor in ("3", "8", "c", "-a")),
        *("({0} if {1} < {2} else {1})", "(1 if {0} > 0 and not {1} <= 2 or a == b else 0)"),
    ]
    return expressions(names, forms)


@settings(max_examples=draws(8))
@given(expression=integers(), numbers=st.tuples(*[st.integers(1, 9)] * 3))
def test_arithmetic_of_integers_is_that_of_python(folder: Path, expression: str, numbers: tuple[int, int, int]) -> None:
    run = loaded(folder, f"    places[0] = {expression}\n    found[1] = {expression}\n")
    results = both(run, numbers)
    assume(np.abs(results[0][3]).max() < 2.0**53)
    for expected, actual in zip(*results, strict=True):
        assert_array_equal(actual, expected)


LINES = {
    "loops that go on and end early": """
    for k in range(6):
        if k == b:
            continue
        for j in range(4):
            if wholes[k % 3, j] > a:
                break
            found[k] += j
""",
    "a loop that counts down": """
    for k in range(5, -1, -2):
        found[k] = k
        places[k - 1] = a
""",
    "a loop that ends when it knows": """
    k = 0
    while k < 5 and wholes[k % 3, 0] < c:
        k += 1
    places[0] = k
""",
    "an integer that becomes a float": """
    sums = 0
    for k in range(reals.size):
        sums += reals[k]
    found[0] = sums
    level = 1
    if a > 3:
        level = 0.5
    found[1] = level
""",
    "functions that return early": """
    places[0] = first_above(reals, 0.5)
    places[1] = first_above(reals, 99.0)
    if a > 4:
        return
    places[2] = 1
""",
    "arrays that functions return": """
    steps, more = ramp(6, a), ramp(c, 2)
    for k in range(6):
        places[k] = steps[k] + more.size
    for k in range(6):
        found[k] = total(reals[k : k + b]) + total(wholes[k % 3])
""",
    "arrays by a condition": """
    rows = wholes.reshape(12)
    if a > 4:
        longer = np.zeros(14, np.int64)
        for k in range(12):
            longer[k + 2] = rows[k]
        rows = longer
    places[0], places[1] = rows[3], rows.size
""",
    "parts": """
    row, column, block = wholes[1], wholes[:, 2], wholes[1:, 1:3]
    places[0], places[1], places[2] = row[a % 4], column[2], block[1, 1]
    places[3], places[4] = reals[8:99].size, reals[:b].size
    found[2:4] = 1.5
    places[5] = block.shape[0] * 10 + block.shape[1]
""",
    "tuples": """
    sizes, pair = (a, b, c), Pair(a + 1, reals)
    for k in range(3):
        places[k] = sizes[k] * sizes[-1]
    one, values = pair
    found[0], found[1] = one, values[0] + pair.other[1]
    for k in (1, a, 2 * b):
        places[3] += k
    places[4] = len((*wholes.shape, a))
""",
    "numbers of several types": """
    one = np.float32(0.1)
    found[0] = one * one
    found[1] = a / b
    found[2] = (reals[0] - 1) ** 3
    found[3] = -reals[1]
    found[4] = np.sqrt(abs(reals[2]))
    places[0] = int(reals[3] * 10)
    places[1] = np.uint64(a) << np.uint64(3)
""",
    "arrays of integers": """
    steps = np.arange(6) * a
    some = np.minimum(steps, b + 4)
    for k in range(6):
        places[k] = some[k]
    found[0] = reals[2:9].sum()
    found[1] = np.argmax(reals)
    for each in steps:
        places[1] += each
""",
    "bytes have no sign": """
    for k in range(6):
        found[k] = octets[k]
        places[k] = 4 * (octets[k] > octets[0]) + 2 * (octets[k] < 130) + (max(octets[k], octets[1]) == octets[k])
        octets[k] = np.float64(octets[k]) - 1.0
""",
    "what is known leaves no trace": """
    nothing, kind = None, reals.dtype.type
    if nothing is not None:
        found[0] = nothing[0]
    found[1] = kind(2) if nothing is None else nothing
    found[2] = 1.0 if reals.itemsize == 8 else 2.0
""",
}


@pytest.mark.parametrize("name", LINES)
def test_lines_do_what_they_do_in_python(folder: Path, name: str) -> None:
    run = loaded(folder, LINES[name])
    for numbers in ((2, 3, 4), (5, 1, 6), (6, 5, 1)):
        same(run, numbers)


@pytest.mark.parametrize(
    "line",
    [
        *(f"places[0] = first_above(reals{rest})" for rest in ("", ", 1, 2", ", most=1")),  # other arguments
        "places[0] = [a][0]",
        "print(a)",
        "found[0] = reals[::2][0]",
        "with a: pass",
        "value = reals if a > 2 else wholes",
        "places[0] = np.uint64(a) + b",
        "found[:] = reals[:6]",
        "places[0] = unknown",
    ],
)
def test_other_lines_are_refused(folder: Path, line: str) -> None:
    with pytest.raises(TypeError if "first_above" in line else NotImplementedError):
        compiler.kernel(loaded(folder, f"    {line}\n"))(1, 2, 3, *arguments())


def test_lines_that_changed_since_they_were_imported_are_refused(folder: Path) -> None:
    run = loaded(folder, "    places[0] = a\n")
    file = Path(run.__code__.co_filename)
    file.write_text(file.read_text("utf-8").replace("= a", "= b"), encoding="utf-8")
    with pytest.raises(NotImplementedError, match="source"):
        compiler.kernel(run)(1, 2, 3, *arguments())


# Denormal floats are taken as 0, so that no number, and no difference of two, is one.
NORMAL = st.floats(-1e300, 1e300).map(lambda number: 0.0 if abs(number) < 1e-100 else number)


@given(numbers=st.tuples(*[NORMAL] * 3))
def test_products_are_not_reordered(product: Callable[..., None], numbers: tuple[float, float, float]) -> None:
    x, a, b = numbers
    reals, actual = np.tile(np.array([[x], [a], [b]]), 16), np.empty(16)
    product(reals, actual)
    assert_close(actual, x * 0.3 * (a - b) / 4)


def test_allocated_memory_is_released(folder: Path) -> None:
    run = compiler.kernel(loaded(folder, "    for k in range(c):\n        places[0] += total(wholes.reshape(12))\n"))
    given = [np.zeros_like(each) for each in arguments()]
    given[2][...] = 1
    run(1, 2, 1, *given)
    tracemalloc.start()
    try:
        run(1, 2, 50_000, *given)  # as many buffers of 96 bytes and a head
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert given[4][0] == 12 * 50_001
    assert most < 1 << 20
