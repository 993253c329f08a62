"""The host's control of a submission's process: start it with limits, send requests, and kill it with its children."""

import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from chainrule.check.guest.frames import LARGEST, FrameError, decode, encode

ISOLATED_FLAGS = ("-I", "-S", "-B", "-X", "utf8")  # no environment variables, no site packages, no bytecode files
TRUSTED_FLAGS = ("-P", "-B")
BOOT = Path(__file__).parents[1] / "guest" / "boot.py"
WINDOWS = os.name == "nt"
NO_ANSWER = "its process sent an invalid reply"
GRACE = 1.0  # seconds to wait for the exit code of a process that has closed its pipes
MAX_OUTPUT_BYTES, MAX_OUTPUT_LINES = 4000, 40  # limits on the stored output of a process


class GuestEnded(BaseException):
    """The end of a submission's process, with the reason. Not an Exception, so that no other handler catches it."""


@dataclass(frozen=True)
class Limits:
    """The limits of a process.

    seconds    total time for all replies, including transport; if there are several parts, for each part
    max_reply  size of the largest accepted reply, in bytes
    parts      maximum number of parts
    """

    seconds: int
    max_reply: int = LARGEST
    parts: int = 1


class GuestProcess:
    """A process that answers requests.

    options   options of `guest/boot.py`
    limits    limits on its replies
    folder    working directory
    env       environment variables
    isolated  whether to isolate the process from this Python's environment
    """

    def __init__(
        self, options: Mapping[str, Any], limits: Limits, folder: Path, env: Mapping[str, str], *, isolated: bool
    ) -> None:
        command = [
            sys.executable,
            *(ISOLATED_FLAGS if isolated else TRUSTED_FLAGS),
            str(BOOT),
            json.dumps(dict(options)),
        ]
        self._limits = limits
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._requests, self._replies, errors = cast("tuple[IO[bytes], IO[bytes], IO[bytes]]", streams)
        self.output = Output(errors)
        self._timer: threading.Timer | None = None
        if not WINDOWS:
            os.set_blocking(self._requests.fileno(), False)
            os.set_blocking(self._replies.fileno(), False)
        self.start_part()

    def start_part(self) -> None:
        """Restart the time limit for another part."""
        self._spent = 0.0
        if WINDOWS and (self._timer is None or self._timer.is_alive()):  # pipes do not support timeouts
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(self._limits.seconds, self._process.kill)
            self._timer.start()

    def request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the reply to a request; GuestEnded if the reply is missing, late or invalid."""
        begin = time.monotonic()
        try:
            self._write(encode(dict(request)), begin)
            return self._receive(begin)
        finally:
            self._spent += time.monotonic() - begin

    def greeting(self) -> dict[str, Any]:
        """Return the active protection, which an untrusted process sends before it loads any code."""
        return self._receive(time.monotonic())

    def _receive(self, begin: float) -> dict[str, Any]:
        """Return the next value from the process; GuestEnded if the value is missing, late or invalid."""
        try:
            (length,) = struct.unpack("<Q", self._read(8, begin))
            if length > LARGEST:
                raise FrameError(f"more than {LARGEST >> 20} MB")
            if length > self._limits.max_reply:
                raise GuestEnded(f"returned {length / 1e6:,.0f} MB, far more than a right answer")
            reply: Any = decode(self._read(length, begin))
        except FrameError as error:
            raise GuestEnded(f"{NO_ANSWER}: {error}") from None
        if not isinstance(reply, dict):
            raise GuestEnded(NO_ANSWER)
        return cast("dict[str, Any]", reply)

    def close(self) -> None:
        """Kill the process and its children, except children that left its process group."""
        if self._timer is not None:
            self._timer.cancel()
        self._kill()
        for stream in (self._requests, self._replies):
            with suppress(OSError):
                stream.close()
        self.output.close()

    def _write(self, frame: bytes, begin: float) -> None:
        rest = memoryview(frame)
        while rest:
            try:
                rest = rest[os.write(self._requests.fileno(), rest) :]
            except BlockingIOError:
                self._wait(self._requests, select.POLLOUT, begin)
            except OSError:
                raise self._end_reason() from None

    def _read(self, count: int, begin: float) -> bytearray:
        """Return ``count`` bytes. Memory grows only with the received bytes."""
        received = bytearray()
        while len(received) < count:
            try:
                part = os.read(self._replies.fileno(), min(count - len(received), 1 << 20))
            except BlockingIOError:
                self._wait(self._replies, select.POLLIN, begin)
                continue
            except OSError:
                part = b""
            if not part:
                raise self._end_reason()
            received += part
        return received

    def _wait(self, stream: IO[bytes], event: int, begin: float) -> None:
        """Wait until a pipe is ready; GuestEnded if the time limit is exceeded."""
        remaining = self._limits.seconds - self._spent - (time.monotonic() - begin)
        poll = select.poll()
        poll.register(stream, event)
        if remaining <= 0 or not poll.poll(remaining * 1000):
            raise GuestEnded(self._timeout_message())

    def _end_reason(self) -> GuestEnded:
        """Return the reason why the process no longer replies."""
        try:
            code = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return GuestEnded("closed the pipes to the checker")
        if code == -getattr(signal, "SIGXCPU", 0) or (self._timer is not None and not self._timer.is_alive()):
            return GuestEnded(self._timeout_message())
        if code < 0:
            return GuestEnded(f"crashed: {signal.Signals(-code).name}")
        return GuestEnded(f"exited with code {code} before it could be checked")

    def _timeout_message(self) -> str:
        return f"stopped after {self._limits.seconds} s: is there an endless loop?"

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()


class Output:
    """A reader that drains a pipe, so that the writer never blocks, and stores the beginning."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept, self._bytes, self._lines = stream, bytearray(), 0, 0
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
        return f"{shown}\n… {omitted:,} more lines" if omitted > 1 else f"{shown}\n… {self._bytes:,} bytes in total"

    def close(self) -> None:
        """Close the pipe. Wait at most a second, because a process outside the group may keep the other end open."""
        self._thread.join(1)
        if not self._thread.is_alive():
            self._stream.close()

    def _drain(self) -> None:
        while chunk := os.read(self._stream.fileno(), 1 << 16):
            self._kept += chunk[: max(MAX_OUTPUT_BYTES - len(self._kept), 0)]
            self._bytes += len(chunk)
            self._lines += chunk.count(b"\n")
