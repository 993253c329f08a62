"""Reading ahead in processes: order, shared memory, errors, and the end of the processes."""

import errno
import multiprocessing
import os
import sys
import time
from typing import Any

import numpy as np
import pytest

from chainrule.data.prefetch import Prefetcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, a process imports the test's main module")


def square(numbers: Any, key: int = 0) -> tuple[Any, ...]:
    return np.square(numbers) + key, np.array([str(number) for number in numbers], object)


@pytest.mark.parametrize("processes", [0, 1, 3])
@pytest.mark.parametrize("slot_bytes", [0, 1024])
def test_batches_come_in_the_order_of_the_requests(processes: int, slot_bytes: int) -> None:
    requests = [(np.arange(k, k + 5), k) for k in range(20, 31)]
    prefetcher = Prefetcher(square, processes, slot_bytes)
    for _ in range(2):  # the processes serve several epochs
        for (numbers, key), (squares, texts) in zip(requests, prefetcher.batches(requests), strict=True):
            assert (squares == numbers**2 + key).all()
            assert texts.tolist() == [*map(str, numbers)]
    abandoned = prefetcher.batches(requests)
    next(abandoned)
    abandoned.close()
    assert [int(squares[0]) for squares, _ in prefetcher.batches([(np.array([3]),)])] == [9]
    prefetcher.close()


@pytest.mark.parametrize("processes", [1, 3])
def test_each_process_holds_at_most_two_batches(processes: int) -> None:
    begun = multiprocessing.Value("i", 0)

    def read(number: int) -> tuple[Any, ...]:
        with begun.get_lock():
            begun.value += 1
        return (np.array([number]),)

    prefetcher, ahead = Prefetcher(read, processes, 64), list[int]()
    for received, _ in enumerate(prefetcher.batches([(number,) for number in range(30)]), 1):
        while received == 1 and begun.value == 1:
            time.sleep(0.001)
        time.sleep(0.005)  # in which the processes read as much as they may
        ahead.append(begun.value - received + 1)  # with the batch that is in use
    prefetcher.close()
    assert 1 < max(ahead) <= 2 * processes


def test_a_process_that_cannot_start_is_replaced_by_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(os, "fork", fail)
    assert [int(squares[0]) for squares, _ in Prefetcher(square, 2, 64).batches([(np.array([4]),)])] == [16]
