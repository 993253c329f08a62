"""The printed output of a submission: its beginning, and the amount left out."""

import os
import threading
from typing import IO

BYTES, LINES = 4000, 40  # kept at most


class Output:
    """Reader of a pipe that drains it, so that the writer never blocks, and keeps the beginning."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept, self._bytes, self._lines = stream, bytearray(), 0, 0
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """The beginning of the output, and a line that counts the rest."""
        whole = bytes(self._kept).decode("utf-8", "replace")
        lines = whole.splitlines()
        shown = "\n".join(lines[:LINES])
        if self._bytes <= len(self._kept) and len(lines) <= LINES:
            return shown
        left = self._lines - min(len(lines), LINES)
        return f"{shown}\n… {left:,} more lines" if left > 1 else f"{shown}\n… {self._bytes:,} bytes in all"

    def close(self) -> None:
        """Close the pipe, after a second at most: a process that left the group may keep the other end open."""
        self._thread.join(1)
        if not self._thread.is_alive():
            self._stream.close()

    def _drain(self) -> None:
        while chunk := os.read(self._stream.fileno(), 1 << 16):
            self._kept += chunk[: max(BYTES - len(self._kept), 0)]
            self._bytes += len(chunk)
            self._lines += chunk.count(b"\n")
