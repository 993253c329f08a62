"""The most memory that this process had at once."""

import sys
from pathlib import Path


def peak() -> int:
    """Peak resident memory in bytes.

    Linux tells it for this program alone; what `getrusage` tells there includes the process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        found = [line.split() for line in lines if line.startswith("VmHWM:")]
        if found:
            return int(found[0][1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
