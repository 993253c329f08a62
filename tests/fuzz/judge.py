"""Judges how a reader takes one input: only errors of chainrule, of one short line, soon, and in little memory."""

import resource
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.errors import MOST_LETTERS, ChainruleError, printable

SECONDS = 2.0  # of the processor, so that other work on the machine does not count
BYTES = 500_000_000
HANG = 60.0  # seconds of the clock after which an input is given up: it waits for something
STATUS, PEAK_AGAIN = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Hang(BaseException):
    """An input that took far too long; no reader's `except Exception` takes it."""


@dataclass(frozen=True)
class Verdict:
    """What came of one input.

    refused   whether it ended in an error of ours
    fault     what is wrong with how it ended; None: nothing
    seconds   of the processor
    bytes     by which the memory of the process grew while it was read
    """

    refused: bool
    fault: str | None
    seconds: float
    bytes: int


def judge(read: Callable[[], object]) -> Verdict:
    """Read one input and judge how that ended."""
    before = _memory("VmRSS")
    _start_peak()
    began = time.process_time()
    refused, fault = False, None
    try:
        with _alarm(), warnings.catch_warnings():
            warnings.simplefilter("error")
            read()
    except ChainruleError as error:
        refused, fault = True, _fault_of(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"{type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
    seconds, grown = time.process_time() - began, max(0, _memory("VmHWM") - before)
    if fault is None and seconds > SECONDS:
        fault = f"took {seconds:.1f} s"
    if fault is None and grown > BYTES:
        fault = f"took {grown / 1e6:.0f} MB"
    return Verdict(refused, fault, seconds, grown)


def one_line_fault(line: str) -> str | None:
    """Return what is wrong with the line of an error; None: nothing."""
    if not line or len(line) > MOST_LETTERS or printable(line) != line:
        return f"not one printable line of at most {MOST_LETTERS} letters: {line[:400]!r}"
    return None


@contextmanager
def little_memory(more: int = 4 * BYTES) -> Generator[None]:
    """Give this process no more memory than so many bytes above what it has: a bomb ends in a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    size = _memory("VmSize")
    if size:
        resource.setrlimit(resource.RLIMIT_AS, (size + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _fault_of(error: BaseException) -> str | None:
    fault, cause = one_line_fault(str(error)), error
    while fault is None and cause.__context__ is not None:
        cause = cause.__context__
        if isinstance(cause, MemoryError):
            fault = f"asked for more memory than {4 * BYTES / 1e9:.0f} GB"
    return fault


@contextmanager
def _alarm() -> Generator[None]:
    def ring(number: int, frame: Any) -> None:
        raise Hang(f"not done after {HANG:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _start_peak() -> None:
    """Let the system measure the largest memory anew, where it can."""
    try:
        PEAK_AGAIN.write_text("5")
    except OSError:
        return


def _memory(what: str) -> int:
    """A figure of /proc/self/status in bytes; 0 where there is none."""
    try:
        text = STATUS.read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(what)), 0)
