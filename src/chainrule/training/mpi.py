"""Workers that exchange messages through MPI: `mpiexec -n 4 chainrule train …`; needs `chainrule[mpi]`."""

import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.engines.protocol import Array
from chainrule.errors import OptionError, one_line
from chainrule.training.workers import ALONE, SHARDS, Arrays, Workers

LAUNCHED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")  # variables that mpiexec sets: Open MPI, MPICH, others
TEXT = 400  # bytes of a message about an error
GRACE = 2.0  # seconds in which worker 0 may report the error that all workers meet
FAILED = 2


class MpiWorkers(Workers):
    """The processes that mpiexec started; a single one cuts batches as several do, for the same bits."""

    default_shards: int = SHARDS

    def __init__(self, communicator: Any) -> None:
        self._communicator = communicator
        self.rank, self.size = communicator.rank, communicator.size

    def send(self, arrays: Arrays, to: int) -> None:
        """Send arrays to another worker, which `receive`s them."""
        for array in arrays:
            self._communicator.Send(array, to)

    def receive(self, like: Arrays, source: int) -> Arrays:
        """Return the arrays, of the shapes and dtypes of others, that another worker sends."""
        found = tuple(np.empty_like(each) for each in like)
        for array in found:
            self._communicator.Recv(array, source)
        return found

    def broadcast(self, array: Array) -> None:
        """Give every worker the array of worker 0, in place."""
        self._communicator.Bcast(array, 0)

    def any(self, flag: bool) -> bool:
        """Return whether the flag of some worker is set."""
        return bool(self._gather(np.array([flag], np.uint8)).any())

    def first(self, text: str) -> str:
        """Return the text of the first worker that has one."""
        row = np.zeros(TEXT, np.uint8)
        content = text.encode()[:TEXT]
        row[: len(content)] = np.frombuffer(content, np.uint8)
        texts: list[str] = [each.tobytes().rstrip(b"\0").decode(errors="ignore") for each in self._gather(row)]
        return next((each for each in texts if each), "")

    def abort(self) -> None:
        """End all workers."""
        self._communicator.Abort(FAILED)

    def _gather(self, row: Array) -> Array:
        """Return the rows of all workers."""
        rows = np.zeros((self.size, row.size), row.dtype)
        self._communicator.Allgather(row, rows)
        return rows


def find() -> Workers:
    """Return the workers that mpiexec started, or a single process.

    Errors   OptionError where mpi4py is missing or cannot be used
    """
    if not any(name in os.environ for name in LAUNCHED):
        return ALONE
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise OptionError(f"started by mpiexec, but without mpi4py ({error}); pip install 'chainrule[mpi]'") from None
    return MpiWorkers(MPI.COMM_WORLD)


@contextmanager
def session() -> Generator[Workers]:
    """Yield the workers of this command; an error of one of them ends them all.

    Worker 0 alone answers Ctrl-C, since the others follow it.
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
            time.sleep(GRACE)
        prefix = f"worker {workers.rank}: " if workers.rank else ""
        print(f"chainrule: {prefix}{one_line(str(error) or type(error).__name__)}", file=sys.stderr, flush=True)
        workers.abort()
        raise
