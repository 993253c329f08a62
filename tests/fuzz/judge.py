"""Judges how a reader handles one input: only errors of chainrule, in one short line, quickly, and in little memory."""

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

from interop.peak_memory import memory

from chainrule.errors import (
    MAX_CHARACTERS,
    AmbiguousNameWarning,
    ChainruleError,
    ChannelOrderWarning,
    InputUnitWarning,
    PrecisionWarning,
    printable,
)

SECONDS = 5.0  # of processor time, so that other work on the machine does not count
BYTES = 1_000_000_000
OWN_WARNINGS = (AmbiguousNameWarning, ChannelOrderWarning, InputUnitWarning, PrecisionWarning)
HANG = 60.0  # seconds of wall time after which an input is considered to hang
PEAK_AGAIN = Path("/proc/self/clear_refs")


class Hang(BaseException):
    """An input that took far too long; a BaseException, so that no reader's `except Exception` catches it."""


@dataclass(frozen=True)
class Verdict:
    """The result of one input.

    refused   whether it ended in an error of ours
    fault     the failure; None: none
    seconds   processor time
    bytes     growth of the process's memory during the read
    """

    refused: bool
    fault: str | None
    seconds: float
    bytes: int


def judge(read: Callable[[], object], *, again: bool = True) -> Verdict:
    """Read one input and judge the outcome; read a slow one twice, because other work on the machine slows it, too."""
    before = memory("VmRSS")
    _start_peak()
    began = time.process_time()
    refused, fault = False, None
    try:
        with _alarm(), warnings.catch_warnings():
            warnings.simplefilter("error")
            for category in OWN_WARNINGS:  # which commands print as lines
                warnings.simplefilter("ignore", category)
            read()
    except ChainruleError as error:
        refused, fault = True, _fault_of(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"{type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
    seconds, grown = time.process_time() - began, max(0, memory("VmHWM") - before)
    if fault is None and seconds > SECONDS:
        if again:
            return judge(read, again=False)
        fault = f"took {seconds:.1f} s"
    if fault is None and grown > BYTES:
        fault = f"took {grown / 1e6:.0f} MB"
    return Verdict(refused, fault, seconds, grown)


def one_line_fault(line: str) -> str | None:
    """Return the fault in the line of an error; None: none."""
    if not line or len(line) > MAX_CHARACTERS or printable(line) != line:
        return f"not one printable line of at most {MAX_CHARACTERS} letters: {line[:400]!r}"
    return None


@contextmanager
def little_memory(more: int = 4 * BYTES) -> Generator[None]:
    """Limit this process to `more` bytes above its current memory: a bomb ends in a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    size = memory("VmSize")
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
    """Reset the system's peak memory of this process where possible."""
    try:
        PEAK_AGAIN.write_text("5")
    except OSError:
        return
