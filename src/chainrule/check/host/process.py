"""The host's control of a learner's process: start it with limits, send requests, and kill it with its children."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from chainrule.check.guest import frames
from chainrule.check.guest.frames import FrameError
from chainrule.check.guest.isolation import SIGNAL_CODE

ISOLATED_FLAGS = ("-I", "-S", "-B", "-X", "utf8")  # no environment variables, no site packages, no bytecode files
TRUSTED_FLAGS = ("-P", "-B")
PASSED_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")  # environment variables passed to untrusted submissions
SINGLE_THREADED = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
BOOT = Path(__file__).parents[1] / "guest" / "boot.py"
NO_ANSWER = "its process sent an invalid reply"
SLOW = "needs more than"  # beginning of the message about code that is too slow for all checks
SOFT_LIMIT = 0.5  # fraction of the time limit after which only the most important checks continue
MANY_CALLS = 3  # a process that has replied more often is slow rather than in an endless loop
LOOP = ": is there an endless loop? If not, allow more time with --seconds"
PATIENCE = 10  # largest multiple of the time limit that a process may take on a busy machine
MIN_WAIT = 0.05  # seconds
GENERATIONS = 2  # of processes that only wait for the one that answers, in namespaces (`guest/isolation.py`)
GRACE = 1.0  # seconds to wait for the exit code of a process that has closed its pipes, and for its last output
CHUNK = 1 << 16  # bytes that are read at a time
MAX_OUTPUT_BYTES, MAX_OUTPUT_LINES = 4000, 40  # limits on the stored output of a process


class GuestEnded(BaseException):
    """The end of a learner's process, with the reason. Not an Exception, so that no other handler catches it."""


class GuestSlow(GuestEnded):
    """Raised once, when half of the time limit is spent. The process can still be used for the rest of the time."""


@dataclass(frozen=True)
class Limits:
    """The limits of a process. A part is the check of one function or class of the file (`start_part`).

    seconds    time for all replies of one part, including transport, without the wait for a processor that is busy
               with other programs; the limit on the processor time is seconds · parts
    max_reply  size of the arrays in the largest accepted reply, in bytes
    parts      maximum number of parts
    """

    seconds: int
    max_reply: int = frames.MAX_DATA
    parts: int = 1


def start(folders: Sequence[str], confinement: Mapping[str, Any] | None) -> "subprocess.Popen[bytes]":
    """Start a learner's process, with pipes for its input, output and errors.

    folders      folders that are searched first for imports
    confinement  confinement of an untrusted submission, as described in `guest/boot.py`; None for a trusted file
    """
    options = json.dumps({"path": folders, "confinement": confinement})
    if confinement is None:
        flags = TRUSTED_FLAGS
    else:
        flags = ISOLATED_FLAGS
    return subprocess.Popen(
        [sys.executable, *flags, str(BOOT), options],
        cwd=None if confinement is None else confinement["work"],
        env=None if confinement is None else _environment(confinement["work"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


def _environment(home: str) -> dict[str, str]:
    passed = dict[str, str]()
    for key in PASSED_VARIABLES:
        if key in os.environ:
            passed[key] = os.environ[key]
    return {**passed, **dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), home), **SINGLE_THREADED}


class GuestProcess:
    """A learner's process that answers requests. `start` describes the parameters ``folders`` and ``confinement``."""

    def __init__(self, folders: Sequence[str], confinement: Mapping[str, Any] | None, limits: Limits) -> None:
        self._limits = limits
        self._process = start(folders, confinement)
        if confinement is not None and confinement["namespaces"]:
            self._generations = GENERATIONS
        else:
            self._generations = 0
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, self._stdout, errors = cast("tuple[IO[bytes], IO[bytes], IO[bytes]]", streams)
        self.output = Output(errors)
        self._requests, self._replies = queue.SimpleQueue[bytes](), queue.SimpleQueue[Any]()
        self._thread = threading.Thread(target=self._exchange, daemon=True)
        self._thread.start()
        self.start_part()

    def start_part(self) -> None:
        """Restart the time limit, for the check of the next function or class."""
        self._spent = 0.0
        self._delay = 0.0
        self._is_late = False
        self._calls = 0
        self._begin = 0.0  # time spent before the current request
        self._delay_before = self._processor_delay()

    def request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the reply to a request; GuestEnded if the reply is missing, late or invalid."""
        self._begin = self._spent
        if not self._is_late and self._exceeds(SOFT_LIMIT * self._limits.seconds):
            self._is_late = True
            raise GuestSlow(self._slow_message())
        self._calls += any(step[0] in ("forward", "backward") for step in request["steps"])
        self._requests.put(frames.encode(dict(request)))
        while (reply := self._reply()) is None:
            if self._exceeds(self._limits.seconds):
                raise GuestEnded(self._timeout_message())
        if isinstance(reply, GuestEnded):
            raise reply
        if not isinstance(reply, dict):
            raise GuestEnded(NO_ANSWER)
        return cast("dict[str, Any]", reply)

    def _reply(self) -> Any:
        """Return the next reply, or None if it does not arrive in the remaining time."""
        begin = time.monotonic()
        remaining = self._limits.seconds + self._delay - self._spent
        try:
            return self._replies.get(timeout=max(remaining, MIN_WAIT))
        except queue.Empty:
            return None
        finally:
            self._spent += time.monotonic() - begin

    def _exceeds(self, seconds: float) -> bool:
        """Return whether this part took longer, not counting the wait for a free processor."""
        if self._spent - self._delay > seconds:
            delay = self._processor_delay() - self._delay_before
            self._delay = min(max(delay, 0), (PATIENCE - 1) * self._limits.seconds)
        return self._spent - self._delay > seconds

    def _processor_delay(self) -> float:
        """Return how long the answering process and the threads that talk to it waited for a processor, in seconds."""
        host = Path("/proc/self/task")
        threads = list[Path]()
        for thread in (threading.get_native_id(), self._thread.native_id):
            threads.append(host / str(thread))
        tasks = _tasks(self._process.pid)
        if self._generations and len(tasks) > self._generations + 1:  # the submission itself may cause the wait
            return 0.0
        return sum(map(_delay, [*threads, *tasks[self._generations :][:1]]))

    def close(self) -> None:
        """Kill the process and its children, except children that left its process group."""
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        self._requests.put(b"")
        self._thread.join(GRACE)
        if not self._thread.is_alive():  # a process outside the group may keep the pipes open
            self._stdin.close()
            self._stdout.close()
        self.output.close()

    def _exchange(self) -> None:
        """Send requests and receive their replies, in a thread, because pipes do not support timeouts everywhere."""
        while frame := self._requests.get():
            try:
                while frame:
                    frame = frame[self._stdin.write(frame) :]
                self._replies.put(self._receive())
            except (OSError, EOFError):
                self._replies.put(self._end_reason())
            except FrameError as error:
                self._replies.put(GuestEnded(f"{NO_ANSWER}: {error}"))
            except GuestEnded as end:
                self._replies.put(end)

    def _receive(self) -> Any:
        """Return the next value from the process; GuestEnded if it is too large."""
        text, data = frames.sizes(self._read(frames.SIZES.size))
        if data > self._limits.max_reply:
            raise GuestEnded(f"returned {data / 1e6:,.0f} MB, far more than a right answer")
        return frames.decode(self._read(text), self._read(data))

    def _read(self, count: int) -> bytes:
        """Return ``count`` bytes; EOFError if the pipe ends. Memory grows only with the received bytes."""
        received = bytearray()
        while len(received) < count:
            part = self._stdout.read(min(count - len(received), CHUNK))
            if not part:
                raise EOFError
            received += part
        return bytes(received)

    def _end_reason(self) -> GuestEnded:
        """Return the reason why the process no longer replies."""
        try:
            code = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return GuestEnded("closed the pipes to the checker")
        if code < 0:
            number = -code
        else:
            number = code - SIGNAL_CODE
        if number == getattr(signal, "SIGXCPU", 0):
            return GuestEnded(self._timeout_message())
        if number in set(signal.Signals):
            full = "; the machine may have run out of memory" * (number == getattr(signal, "SIGKILL", 0))
            return GuestEnded(f"crashed: {signal.Signals(number).name}{full}")
        return GuestEnded(f"exited with code {code} before it could be checked")

    def _timeout_message(self) -> str:
        if self._calls > MANY_CALLS and self._spent > self._limits.seconds / 2:
            return self._slow_message()
        return f"stopped after {self._limits.seconds} s{LOOP}"

    def _slow_message(self) -> str:
        last = self._spent - self._begin
        seconds = self._limits.seconds
        if last > SOFT_LIMIT * seconds:
            advice = f", the last of them {last:.0f} s{LOOP}"
        else:
            advice = "; use --seconds"
        return f"{SLOW} {seconds} s to be checked completely: {self._calls} calls took {self._spent:.0f} s{advice}"


def _tasks(process: int) -> list[Path]:
    """Return the folders in /proc of the threads of a process, and of all processes that it has started."""
    folders = list[Path]()
    processes = [process]
    for number in processes:  # which grows meanwhile
        for folder in Path(f"/proc/{number}/task").glob("*"):
            folders.append(folder)
            with suppress(OSError):
                processes += map(int, (folder / "children").read_text(encoding="utf-8").split())
    return folders


def _delay(folder: Path) -> float:
    """Return how long a process or a thread waited for a processor, in seconds; 0 on systems that do not count this."""
    with suppress(OSError):
        return int((folder / "schedstat").read_text(encoding="utf-8").split()[1]) / 1e9
    return 0.0


class Output:
    """A reader that drains a pipe, so that the writer never blocks, and stores the beginning."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._bytes = 0
        self._lines = 0
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """The beginning of the output, followed by a line with the amount of omitted output."""
        whole = bytes(self._kept).decode("utf-8", "replace")
        lines = whole.splitlines()
        shown = "\n".join(lines[:MAX_OUTPUT_LINES])
        if self._bytes <= len(self._kept) and len(lines) <= MAX_OUTPUT_LINES:
            return shown
        omitted = self._lines - min(len(lines), MAX_OUTPUT_LINES)
        if omitted > 1:
            return f"{shown}\n… {omitted:,} more lines"
        return f"{shown}\n… {self._bytes:,} bytes in total"

    def close(self) -> None:
        """Close the pipe, unless a process outside the group keeps the other end open."""
        self._thread.join(GRACE)
        if not self._thread.is_alive():
            self._stream.close()

    def _drain(self) -> None:
        while chunk := self._stream.read(CHUNK):
            self._kept += chunk[: max(MAX_OUTPUT_BYTES - len(self._kept), 0)]
            self._bytes += len(chunk)
            self._lines += chunk.count(b"\n")
