"""Buffers of kernels, on the stack of a thread: allocated and released in random order."""

import ctypes
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.compiled.compiler import buffers, machine


def function(name: str) -> Callable[[int], int]:
    """Return one of the functions that kernels find by their names."""
    machine.start()
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(machine.binding.address_of_symbol(name))


def elements(head: int) -> int:
    return ctypes.c_int64.from_address(head + 8 * buffers.ELEMENTS).value


class Living:
    """Buffers that were made and not released yet, each filled with a number of its own."""

    def __init__(self) -> None:
        self.make_one, self.release_one = function(buffers.ALLOCATE), function(buffers.RELEASE)
        self.all: list[tuple[int, int, int]] = []  # head, bytes, number

    def make(self, size: int, number: int) -> int:
        """Make a buffer; return the address of its elements."""
        head = self.make_one(size)
        assert head
        ctypes.memset(elements(head), number, size)
        self.all.append((head, size, number))
        return elements(head)

    def release(self) -> None:
        head, size, number = self.all.pop()
        assert ctypes.string_at(elements(head), size) == bytes([number]) * size
        self.release_one(head)

    def places(self) -> list[tuple[int, int]]:
        return sorted((elements(head), elements(head) + size) for head, size, _ in self.all)


def in_thread(work: Callable[[], Any]) -> Any:
    """Return the result of some work in a thread of its own."""
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(work()))
    thread.start()
    thread.join()
    assert result
    return result[0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("own", [True, False], ids=["stack", "no stack"])
def test_buffers_do_not_overlap(seed: int, own: bool) -> None:
    chosen = np.random.default_rng(seed)

    def work() -> bool:
        if own:
            buffers.use_stack()
        living = Living()
        for turn in range(400):
            if living.all and chosen.random() < 0.45:
                living.release()
            else:
                size = int(2 ** chosen.uniform(0, 21 if turn % 10 == 0 else 14))
                assert living.make(size, turn % 251) % buffers.LINE == 0
            assert all(first[1] <= second[0] for first, second in pairwise(living.places()))
        while living.all:
            living.release()
        return True

    assert in_thread(work)


@pytest.mark.skipif(not hasattr(ctypes, "pythonapi"), reason="not CPython")
def test_threads_that_end_leave_no_memory() -> None:
    resource = pytest.importorskip("resource")
    model = cr.Sequential([cr.Conv2D(32, 3), cr.Flatten(), cr.Dense(3)], (16, 40, 40), threads=1)
    x = np.ones((2, 16, 40, 40), "f4")
    expected = model.predict(x)

    def most() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(20):
        in_thread(lambda: model.predict(x))
    before = most()
    for _ in range(300):
        assert (in_thread(lambda: model.predict(x)) == expected).all()
    assert most() - before < 30_000  # kilobytes; each stack has hundreds
