"""Whoever looks comes first: threads that compute for long let the browser and the server have the processors."""

import os
import sys
import threading
from contextlib import suppress

LESS = 10  # of 19 at most, as `nice` counts


def yielding() -> None:
    """Let this thread, and those it starts for its loops, wait for others. Only Linux can say that of a thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LESS)
