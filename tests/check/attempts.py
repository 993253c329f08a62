"""Attempts to cause harm. They are run as a submission to determine which of them are stopped.

`host/test_protection.py` inserts an assignment of TARGETS before this text. Each attempt is a function that returns
whether it succeeded. It may raise any exception.
"""

import ctypes
import os
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

TARGETS: dict[str, Any] = globals().get("TARGETS", {})
MEGABYTE = 1 << 20


def read_neighbor() -> bool:
    """Read another submission."""
    return bool(open(TARGETS["neighbor"]).read())


def read_library() -> bool:
    """Read this library, which holds right answers."""
    return bool(open(TARGETS["library"]).read())


def read_system() -> bool:
    """Read a file of the machine."""
    return bool(open("/etc/passwd").read())


def write_outside() -> bool:
    """Write to the folder of the class."""
    os.close(os.open(TARGETS["written"], os.O_CREAT | os.O_WRONLY))
    return True


def see_processes() -> bool:
    """See the process of the grader."""
    return os.path.exists(f"/proc/{TARGETS['grader']}")


def signal_grader() -> bool:
    """Reach the process of the grader with a signal."""
    os.kill(TARGETS["grader"], 0)
    return True


def read_memory() -> bool:
    """Open the memory of the grader."""
    os.close(os.open(f"/proc/{TARGETS['grader']}/mem", os.O_RDONLY))
    return True


def use_network() -> bool:
    """Connect to a server on this machine."""
    socket.create_connection(("127.0.0.1", TARGETS["port"]), 2).close()
    return True


def call_native_code() -> bool:
    """Call a function of the C library."""
    return ctypes.CDLL(None).getpid() > 0


def gain_rights() -> bool:
    """Become root."""
    os.setuid(0)
    return os.getuid() == 0 and bool(open("/etc/shadow").read())


def fill_disk() -> bool:
    """Write 200 MB."""
    for number in range(200):
        with open(f"{number}", "wb") as stream:
            stream.write(bytes(MEGABYTE))
    return True


def many_files() -> bool:
    """Create 2,000 files."""
    for number in range(2000):
        open(f"file{number}", "wb").close()
    return True


def take_memory() -> bool:
    """Take 4 GB of memory."""
    return np.empty(4096 * MEGABYTE, np.uint8).size > 0


def start_threads() -> bool:
    """Start 400 threads."""
    threading.stack_size(64 << 10)
    finished, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(400):
            thread = threading.Thread(target=finished.wait, daemon=True)
            thread.start()
            started.append(thread)
        return True
    finally:
        finished.set()
        for thread in started:
            thread.join()
        threading.stack_size(0)


def leave_process() -> bool:
    """Leave a process behind in its own session."""
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        os.setsid()
        os.write(write_end, b"!")
        os.closerange(0, 256)
        time.sleep(60)
        os._exit(0)
    return os.read(read_end, 1) == b"!"


ATTEMPTS = (
    read_neighbor, read_library, read_system, write_outside, see_processes, signal_grader, read_memory, use_network,
    call_native_code, gain_rights, fill_disk, many_files, take_memory, start_threads, leave_process,
)  # fmt: skip


def succeeds(attempt: Callable[[], bool]) -> bool:
    """Return whether an attempt succeeds."""
    try:
        return bool(attempt())
    except BaseException as error:
        print(f"{attempt.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
        return False


class Trial:
    """A layer that runs the attempts. Forward returns 1 for each attempt that succeeds."""

    def forward(self, x: Any) -> Any:
        """Run all attempts."""
        return np.array([float(succeeds(attempt)) for attempt in ATTEMPTS]) + 0 * x[:1, :1].sum()

    def backward(self, dy: Any) -> Any:
        """Return dy. Only the results of forward are used."""
        return dy
