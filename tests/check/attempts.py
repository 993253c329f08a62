"""Attempts to cause harm. They are run as a submission to determine which of them are stopped.

`host/test_protection.py` inserts an assignment of TARGETS before this text.
"""

import ctypes
import os
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TARGETS: dict[str, Any] = globals().get("TARGETS", {})
MEGABYTE = 1 << 20
LEAVE = "Leave a process behind in its own session"


def become_root() -> bool:
    os.setuid(0)
    return os.getuid() == 0 and bool(open("/etc/shadow").read())


def write_files(count: int, size: int) -> bool:
    for number in range(count):
        with open(f"file{number}", "wb") as stream:
            stream.write(bytes(size))
    return True


def start_threads() -> bool:
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


KEY = TARGETS.get("key", 0)
CALLS = {  # numbers of system calls
    "x86_64": {"keyctl": 250, "add_key": 248, "unshare": 272, "memfd_create": 319, "shmget": 29},
    "aarch64": {"keyctl": 219, "add_key": 217, "unshare": 97, "memfd_create": 279, "shmget": 194},
}


def call(name: str, *arguments: Any) -> int:
    return ctypes.CDLL(None).syscall(CALLS[os.uname().machine][name], *arguments)


def share_memory() -> bool:
    library, segments = ctypes.CDLL(None), list[int]()
    library.shmat.restype = ctypes.c_void_p
    try:
        for _ in range(64):
            segments.append(call("shmget", 0, 64 * MEGABYTE, 0o1600))
            address = library.shmat(segments[-1], None, 0) if segments[-1] >= 0 else None
            if address in (None, 2**64 - 1):
                return False
            ctypes.memset(address, 1, 64 * MEGABYTE)
            library.shmdt(ctypes.c_void_p(address))
        return True
    finally:
        for segment in segments:
            library.shmctl(segment, 0, None)


ATTEMPTS: dict[str, Callable[[], object]] = {  # each fails with any exception, or returns whether it succeeded
    "Read another submission": lambda: Path(TARGETS["neighbor"]).read_bytes(),
    "Read this library, which holds right answers": lambda: Path(TARGETS["library"]).read_bytes(),
    "Read a file of the machine": lambda: Path("/etc/passwd").read_bytes(),
    "Write to the folder of the class": lambda: os.open(TARGETS["written"], os.O_CREAT | os.O_WRONLY),
    "See the process of the grader": lambda: os.path.exists(f"/proc/{TARGETS['grader']}"),
    "Reach the process of the grader with a signal": lambda: os.kill(TARGETS["grader"], 0) is None,
    "Open the memory of the grader": lambda: os.open(f"/proc/{TARGETS['grader']}/mem", os.O_RDONLY),
    "Connect to a server on this machine": lambda: socket.create_connection(("127.0.0.1", TARGETS["port"]), 2),
    "Call a function of the C library": lambda: ctypes.CDLL(None).getpid(),
    "Become root": become_root,
    "Write 200 MB": lambda: write_files(200, MEGABYTE),
    "Create 2,000 files": lambda: write_files(2000, 0),
    "Take 4 GB of memory": lambda: np.empty(4096 * MEGABYTE, np.uint8).size,
    "Start 400 threads": start_threads,
    LEAVE: leave_process,
    "Read a key of the grader": lambda: call("keyctl", 11, KEY, None, 0, 0) > 0,
    "Leave a key for the next submission": lambda: call("add_key", b"user", b"left", b"x", 1, -4) > 0,
    "Create a user namespace": lambda: call("unshare", 0x10000000) == 0,
    "Take 4 GB of shared memory": share_memory,
    "Connect to a hypervisor": lambda: socket.socket(40, socket.SOCK_STREAM).fileno() >= 0,
}


def succeeds(name: str) -> bool:
    """Return whether an attempt succeeds."""
    try:
        return bool(ATTEMPTS[name]())
    except BaseException as error:
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return False


class Trial:
    """A layer that runs the attempts. Forward returns 1 for each attempt that succeeds."""

    def forward(self, x: Any) -> Any:
        """Run all attempts."""
        return np.array([float(succeeds(name)) for name in ATTEMPTS]) + 0 * x[:1, :1].sum()

    def backward(self, dy: Any) -> Any:
        """Return dy. Only the results of forward are used."""
        return dy
