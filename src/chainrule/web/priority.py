"""Whoever looks comes first: threads that compute for long let the browser and the server have the processors."""

import os
import sys
import threading
from contextlib import suppress

LESS = 5  # as `nice` counts: a third of the processor time of whoever wants the same processor


def yielding() -> None:
    """Let this thread, and those it starts for its loops, wait for others. Only Linux can say that of a thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + LESS)
