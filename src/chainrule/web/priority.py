"""Thread priority: long computations leave the processors to the browser and the server."""

import os
import sys
import threading
from contextlib import suppress

LESS = 5  # increment of `nice`: the thread gets a third of a contended processor


def lower_priority() -> None:
    """Lower the priority of this thread and of those it starts; only Linux sets it for a single thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + LESS)
