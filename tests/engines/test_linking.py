"""Compiled programs give the same results as Python."""

import ast
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from engines.expressions import expressions
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import interpreted
from selection import draws

from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.compiler import loading, signatures

MARK = """
link('updates.clear float64', updates.clear, [('float64', 2)], [0, 0, 0])
declare('run', [('float64', 1), ('float64', 2)], [0, 0, 0, 1.5])


def run(room, rows, a, b, c, real):
"""
HEAD = "    flat = view(rows, 0, (1, rows.size))\n"
A_LINE = "    call('updates.clear float64', (flat, 0, {begin}, {end}))\n"


def both(lines: str, *arguments: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the arrays after a program ran compiled, and as Python."""
    results: list[list[np.ndarray]] = []
    for load in (compiler.load, interpreted.load):
        given = [each.copy() if isinstance(each, np.ndarray) else each for each in arguments]
        load(MARK + lines)(*given)
        results.append([each for each in given if isinstance(each, np.ndarray)])
    return results[0], results[1]


def whole_numbers() -> st.SearchStrategy[str]:
    """Draw expressions of whole numbers that are not negative."""
    names = "a", "b", "c", "room.size", "rows.shape[1]", "3", "17"
    return expressions(names, ["({0} + {1})", "({0} * {1})", "({0} // ({1} + 1))", "min({0}, {1})", "max({0}, {1})"])


@settings(max_examples=draws(8))
@given(begin=whole_numbers(), length=whole_numbers(), numbers=st.tuples(*[st.integers(0, 9)] * 3))
def test_expressions_are_those_of_python(begin: str, length: str, numbers: tuple[int, int, int]) -> None:
    lines = f"    begin = min({begin}, rows.size)\n    end = min(begin + {length}, rows.size)\n"
    lines += HEAD + A_LINE.format(begin="begin", end="end")
    actual, expected = both(lines, np.ones(5), np.arange(1.0, 41.0).reshape(5, 8), *numbers, 2.0)
    np.testing.assert_array_equal(actual[1], expected[1])


LOOPS = {
    "loops in loops": """    for k in range(a):
        for j in range(k, b, 2):
            first = k * 8 + j
            call('updates.clear float64', (rows, k, j, j + 1))
""",
    "two names at once": """    first, last = a, b
    first, last = last - a, first + b
    call('updates.clear float64', (rows, 1, first, last))
""",
    "an element": """    for k in range(room.size):
        room[k] = 0
""",
    "turns of threads": """    first = a
    for k in prange(b):
        last = first + k
        call('updates.clear float64', (rows, k, first, last))
    for k in prange(c):
        call('updates.clear float64', (rows, k, 7, 8))
""",
    "turns of some threads": """    for k, thread in turns(b, 1):
        call('updates.clear float64', (rows, k, a + thread, 7))
""",
    "a name of arrays of other axes": """    part = view(rows, 4, (1, 2))
    call('updates.clear float64', (part, 0, 0, 1))
    part = view(room, 1, (1,))
    part[0] = 5
    part = view(rows, 0, (1, 2))
    call('updates.clear float64', (part, 0, 1, 2))
""",
    "parts": """    some = room[: a]
    s = slice(1, some.size)
    part = some[s]
    row = rows[2]
    call('updates.clear float64', (view(row, 1, (2, 3)), 1, 0, part.size))
""",
}


@pytest.mark.parametrize("name", LOOPS)
def test_lines_do_what_they_do_in_python(name: str) -> None:
    actual, expected = both(LOOPS[name], np.ones(7), np.arange(1.0, 41.0).reshape(5, 8), 3, 5, 4, 1.0)
    for first, second in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (actual[0] == 0).any() or (actual[1] == 0).any()


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        *(
            (line, NotImplementedError, "programs")
            for line in ("room = [a]", "print(a)", "a = b if c else a", "while a: pass", "a = b % c", "room[0] = a")
        ),
        ("call('updates.clear float64', (room, 0, 0, 1))", TypeError, "expects"),  # an array of other axes
    ],
)
def test_other_lines_are_refused(line: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        compiler.load(f"{MARK}    {line}\n")


@compiler.kernel
def allocating(found: np.ndarray, size: int) -> None:
    """Copy what was allocated to the result."""
    made = np.zeros(size)
    for k in range(found.size):
        found[k] = made[k]


def test_errors_of_kernels_are_raised() -> None:
    actual = np.ones(3)
    allocating(actual, 3)
    assert not actual.any()
    with pytest.raises(MemoryError, match="allocation"):
        allocating(actual, 1 << 50)
    with pytest.raises(TypeError, match="contiguous"):
        allocating(np.ones(6)[::2], 3)


def test_errors_of_kernels_in_threads_are_raised() -> None:
    given = signatures.Link("allocating in threads", allocating, (("float64", 1), int))
    source = "def run(found, n, size):\n    for k in prange(n):\n        call('allocating in threads', (found, size))\n"
    kinds = {"run": (("float64", 1), int, int)}
    program: Callable[..., None] = loading.load_program("threads_fail", ast.parse(source), [given], kinds, store=False)
    program(np.ones(3), 2, 3)
    with pytest.raises(MemoryError):
        program(np.ones(3), 2, 1 << 50)


@compiler.kernel
def occupying(rows: np.ndarray, thread: int, turn: int, changed: np.ndarray) -> None:
    """Write the number of a turn all over the row of its thread, and count the entries that another turn changed."""
    row = rows[thread]
    for _ in range(20):
        for k in range(row.size):
            row[k] = turn
        for k in range(row.size):
            if row[k] != turn:
                changed[turn] += 1


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_turns_that_run_at_once_have_threads_of_their_own(threads: int) -> None:
    given = signatures.Link("occupying", occupying, (("float64", 2), int, int, ("float64", 1)))
    source = """def run(rows, changed, count, threads):
    for turn, thread in turns(count, threads):
        call('occupying', (rows, thread, turn, changed))
"""
    kinds = {"run": (("float64", 2), ("float64", 1), int, int)}
    program: Callable[..., None] = loading.load_program("threads_own", ast.parse(source), [given], kinds, store=False)
    rows, changed = np.full((threads, 4000), -1.0), np.zeros(40)
    compiler.use_threads(2)
    for _ in range(5):
        program(rows, changed, len(changed), threads)
    assert not changed.any()
    assert (rows[min(threads, 2) :] == -1).all()  # a pool of two has no third


def test_a_program_refuses_arrays_of_other_types_than_it_declares() -> None:
    run = compiler.load(MARK + "    call('updates.clear float64', (rows, 0, 0, 1))\n")
    room, rows, numbers = np.ones(3), np.ones((2, 4)), (0, 0, 0, 1.0)
    wrong = [(room, rows.astype("f4")), (room, rows[:, ::2]), (room, rows.T), (rows, rows), (room, np.ones((2, 4, 1)))]
    for pair in [*wrong, (room.astype("i4"), rows), (room.astype(room.dtype.newbyteorder()), rows)]:
        with pytest.raises(TypeError, match="contiguous"):
            run(*pair, *numbers)
    run(room, rows, *numbers)
    assert rows[0, 0] == 0
    assert rows.sum() == 7
