"""What a submission prints: its beginning, and how much more there was."""

import os
import threading
from typing import IO

BYTES, LINES = 4000, 40  # that are kept


class Output:
    """Reads all that comes through a pipe, so that its writer never waits, and keeps the beginning."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept, self._bytes, self._lines = stream, bytearray(), 0, 0
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """The beginning, and a line that counts what was left out."""
        whole = bytes(self._kept).decode("utf-8", "replace")
        lines = whole.splitlines()
        shown = "\n".join(lines[:LINES])
        if self._bytes <= len(self._kept) and len(lines) <= LINES:
            return shown
        left = self._lines - min(len(lines), LINES)
        return f"{shown}\n… {left:,} more lines" if left > 1 else f"{shown}\n… {self._bytes:,} bytes in all"

    def close(self) -> None:
        """Wait for the end; a process that left the group may still hold the other end, and is not waited for."""
        self._thread.join(1)
        if not self._thread.is_alive():
            self._stream.close()

    def _drain(self) -> None:
        while chunk := os.read(self._stream.fileno(), 1 << 16):
            self._kept += chunk[: max(BYTES - len(self._kept), 0)]
            self._bytes += len(chunk)
            self._lines += chunk.count(b"\n")
