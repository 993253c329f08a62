"""Workers that communicate through MPI: `mpiexec -n 4 chainrule train …`. This requires the extra `mpi`."""

import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule._io.extras import install_command
from chainrule.core.arrays import Array, Arrays
from chainrule.errors import OptionError, one_line
from chainrule.training.workers import DEFAULT_SHARDS, SINGLE_PROCESS, Workers

MPI_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")  # set by mpiexec: Open MPI, MPICH, others
MAX_MESSAGE = 400  # maximum length of an error message in bytes
ERROR_DELAY = 2.0  # seconds of delay of the error reports of other workers, so that worker 0 reports first
EXIT_STATUS = 2


class MpiWorkers(Workers):
    """The processes started by mpiexec. A single process also computes in shards, for the same results as several."""

    default_shards: int = DEFAULT_SHARDS

    def __init__(self, communicator: Any) -> None:
        self._communicator = communicator
        self.rank = communicator.rank
        self.size = communicator.size

    def send(self, arrays: Arrays, to: int) -> None:
        """Send arrays to the worker with rank ``to``, which calls `receive`."""
        for array in arrays:
            self._communicator.Send(array, to)

    def receive(self, like: Arrays, source: int) -> Arrays:
        """Receive arrays, with the shapes and dtypes of ``like``, from the worker with rank ``source``."""
        received = tuple(map(np.empty_like, like))
        for array in received:
            self._communicator.Recv(array, source)
        return received

    def broadcast(self, array: Array) -> None:
        """Copy worker 0's array to all workers, in place."""
        self._communicator.Bcast(array, 0)

    def any(self, flag: bool) -> bool:
        """Return whether the flag is True on any worker."""
        return bool(self._gather(np.array([flag], np.uint8)).any())

    def first(self, text: str) -> str:
        """Return the first nonempty text, in order of the workers' ranks; "" if all are empty."""
        row = np.zeros(MAX_MESSAGE, np.uint8)
        content = text.encode()[:MAX_MESSAGE]
        row[: len(content)] = np.frombuffer(content, np.uint8)
        for gathered in self._gather(row):
            found = gathered.tobytes().rstrip(b"\0").decode(errors="ignore")
            if found:
                return found
        return ""

    def abort(self) -> None:
        """Terminate all workers."""
        self._communicator.Abort(EXIT_STATUS)

    def _gather(self, row: Array) -> Array:
        """Gather one row from each worker, and return all rows, (size, n)."""
        rows = np.zeros((self.size, row.size), row.dtype)
        self._communicator.Allgather(row, rows)
        return rows


def find() -> Workers:
    """Return the workers started by mpiexec, or a single process.

    Errors   OptionError if mpi4py is missing or unusable
    """
    if not any(name in os.environ for name in MPI_VARIABLES):
        return SINGLE_PROCESS
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise OptionError(f"started by mpiexec, but without mpi4py ({error}); {install_command('mpi')}") from None
    return MpiWorkers(MPI.COMM_WORLD)


@contextmanager
def session() -> Generator[Workers]:
    """Yield the workers of the current command. An error in one worker terminates all workers.

    Only worker 0 handles Ctrl-C. The other workers stop when worker 0 stops.
    """
    workers = find()
    if not isinstance(workers, MpiWorkers) or workers.size == 1:
        yield workers
        return
    if workers.rank:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield workers
    except BaseException as error:
        if workers.rank:
            time.sleep(ERROR_DELAY)
        prefix = f"worker {workers.rank}: " if workers.rank else ""
        print(f"chainrule: {prefix}{one_line(str(error) or type(error).__name__)}", file=sys.stderr, flush=True)
        workers.abort()
        raise
