"""`python -m benchmarks`: runs the benchmarks. Start it in the root folder of the repository."""

import signal
import sys

from benchmarks.commands import bench

if __name__ == "__main__":
    # End through the contexts, which end other processes and remove folders.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    bench(prog_name="python -m benchmarks")
