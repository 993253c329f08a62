"""Peak memory of this process."""

import sys
from pathlib import Path


def peak() -> int:
    """Return the peak resident memory in bytes.

    On Linux it is read from /proc, because `getrusage` includes the process from which this one was forked.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        fields = [line.split() for line in lines if line.startswith("VmHWM:")]
        if fields:
            return int(fields[0][1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
