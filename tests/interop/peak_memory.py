"""Memory of this process."""

import resource
import sys
from pathlib import Path


def memory(field: str) -> int:
    """Return a field of /proc/self/status in bytes; 0 if it does not exist."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), 0)


def peak() -> int:
    """Return the peak resident memory in bytes.

    On Linux it is read from /proc, because `getrusage` includes the process from which this one was forked.
    """
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return memory("VmHWM") or (most if sys.platform == "darwin" else most * 1024)
