"""`python -m benchmarks`: runs the benchmarks. Start it in the root folder of the repository."""

import signal
import sys
from typing import NoReturn

from benchmarks.commands import bench


def _end(*_: object) -> NoReturn:
    """End through the contexts, which end other processes and remove folders."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    bench(prog_name="python -m benchmarks")
