"""Background threads with low priority that do not delay the exit of the server."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Run `work` in a daemon thread and return the result. After Ctrl-C, asyncio's own threads would delay the exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            settle: tuple[Callable[[Any], None], Any] = future.set_result, work()
        except Exception as error:
            settle = future.set_exception, error
        with suppress(RuntimeError):  # the loop is closed, so the result is not needed
            loop.call_soon_threadsafe(_settled, future, *settle)

    threading.Thread(target=run, name="request", daemon=True).start()
    return await future


NICE_INCREMENT = 5  # a thread with this increment gets a third of the time of a contended processor


def _settled(future: asyncio.Future[T], settle: Callable[[Any], None], value: Any) -> None:
    if not future.done():
        settle(value)


def lower_priority() -> None:
    """Lower the priority of this thread and of the threads that it starts. This has an effect only on Linux."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE_INCREMENT)
