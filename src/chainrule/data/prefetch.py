"""Reading ahead in worker processes, which pass batches to the training process in shared memory."""

import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from multiprocessing import util
from multiprocessing.connection import Connection
from typing import Any, TypeAlias, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.shapes import is_whole
from chainrule.errors import ChainruleError, DataError, OptionError, quoted

Arrays: TypeAlias = tuple[Array, ...]
Reader: TypeAlias = Callable[..., Arrays]
Request: TypeAlias = tuple[Any, ...]  # arguments of the reader

SLOTS = 2  # batches that each process may read ahead
ALIGNMENT = 64  # bytes
MAX_PROCESSES = 64
STOP = None  # message that ends a process


def default_readers() -> int:
    """Return the default number of reading processes: one per processor, or 0 where processes are unavailable."""
    if sys.platform == "emscripten":
        return 0
    processors = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # on Linux: those that this process may use
        processors = len(os.sched_getaffinity(0))
    return min(processors, MAX_PROCESSES)


class Prefetcher:
    """Worker processes that read batches ahead of their use, in a fixed order.

    read        function that returns the arrays of a batch. In systems without `fork`, it must support pickling
    processes   number of processes; 0: read in this process, when a batch is needed
    slot_bytes  size of the shared memory for a batch; larger batches, and arrays of objects, are copied through a pipe

    The memory for batches that have been read ahead is at most processes · `SLOTS` · slot_bytes. Processes are started
    by the first call of `batches`, and end with `close` or with this process.
    """

    def __init__(self, read: Reader, processes: int, slot_bytes: int) -> None:
        self._read = read
        self._processes = processes
        self._slot_bytes = -(-slot_bytes // ALIGNMENT) * ALIGNMENT
        self._workers: list[_Worker] = []

    def batches(self, requests: Iterable[Request]) -> Iterator[Arrays]:
        """Yield the arrays of each requested batch, in order. They are valid until the next batch is requested.

        Any exception, including one raised by a signal handler, and an unfinished iteration end the processes.

        requests   arguments of ``read`` for each batch

        Errors   errors of ``read``; DataError if a process ends unexpectedly
        """
        try:
            self._start()
            if not self._workers:
                yield from (self._read(*request) for request in requests)
                return
            sent = received = 0
            for request in requests:
                if sent - received == SLOTS * len(self._workers):
                    received += 1
                    yield self._receive(received - 1)
                self._worker(sent).send(sent // len(self._workers) % SLOTS, request)
                sent += 1
            while received < sent:
                received += 1
                yield self._receive(received - 1)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the processes. In a copy of the starting process (`os.fork`), only forget them."""
        workers = self._workers
        self._workers = []
        for worker in workers:
            worker.end()
        for worker in workers:
            worker.join()

    def _start(self) -> None:
        """Start the processes. If the system does not allow this, batches are read in this process.

        A daemonic process of `multiprocessing` cannot start processes.
        """
        _wait_if_ending()
        if self._workers and not self._workers[0].is_own:
            self.close()
        if self._workers or not self._processes or multiprocessing.current_process().daemon:
            return
        try:
            for _ in range(self._processes):
                others = [worker.connection for worker in self._workers]
                self._workers.append(_Worker(self._read, SLOTS * self._slot_bytes, others))
        except OSError as error:
            if error.errno is None:  # raised by a signal handler
                raise
            self.close()

    def _worker(self, number: int) -> "_Worker":
        return self._workers[number % len(self._workers)]

    def _receive(self, number: int) -> Arrays:
        return self._worker(number).receive(number // len(self._workers) % SLOTS * self._slot_bytes)


class _Worker:
    """A reading process, its shared memory and its pipe."""

    def __init__(self, read: Reader, memory_bytes: int, others: Sequence[Connection]) -> None:
        method = "fork" if sys.platform == "linux" else "spawn"  # `fork` needs no importable main module
        context: Any = multiprocessing.get_context(method)
        self._memory = context.RawArray("B", memory_bytes)
        self._slot_bytes = memory_bytes // SLOTS
        self.connection, other_end = context.Pipe()
        inherited = list[Connection]()
        if method == "fork":
            inherited = [*others, self.connection]
        arguments = (read, self._memory, self._slot_bytes, other_end, inherited)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._starter = os.getpid()
        try:
            with warnings.catch_warnings():  # about `fork` with threads: the process uses none of their locks
                warnings.simplefilter("ignore")
                self._process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            other_end.close()

    @property
    def is_own(self) -> bool:
        """Whether this process started the reading process, rather than being a copy of the one that did."""
        return self._starter == os.getpid()

    def send(self, slot: int, request: Request) -> None:
        try:
            self.connection.send((slot, request))
        except OSError as error:
            raise self._explained(error) from None

    def receive(self, offset: int) -> Arrays:
        """Return the arrays of the oldest request, as views of the shared memory at ``offset`` bytes.

        Errors   the error that the process sent instead of the arrays; DataError if the process has ended
        """
        try:
            reply = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._explained(error) from None
        if isinstance(reply, BaseException):
            raise reply
        memory = memoryview(self._memory).cast("B")
        start = offset
        arrays = list[Array]()
        for item in reply:
            if isinstance(item, np.ndarray):
                arrays.append(cast("Array", item))
            else:
                shape, dtype = cast("tuple[tuple[int, ...], str]", item)
                arrays.append(np.frombuffer(memory, dtype, prod(shape), start).reshape(shape))
                start += _aligned(arrays[-1].nbytes)
        return tuple(arrays)

    def end(self) -> None:
        """Start ending the process. Its pipe is closed, so that it ends even if this process does so before `join`."""
        self.connection.close()
        if self.is_own:
            self._process.terminate()

    def join(self) -> None:
        if self.is_own:
            self._process.join()

    def _explained(self, error: EOFError | OSError) -> BaseException:
        """Return the error for an exception of the pipe: DataError if the process has ended, or else the exception.

        The exception may come from a signal handler.
        """
        if getattr(error, "errno", 0) is None:
            return error
        self._process.join(1)
        code = self._process.exitcode
        if code is None:
            return error
        _wait_if_ending()
        return DataError(
            f"a process that reads samples has ended (exit code {code}); readers=0 reads without processes"
        )


_ending = threading.Event()  # set when the interpreter is ending, before `multiprocessing` ends its processes
_end = util.Finalize(None, _ending.set, exitpriority=100)


def _wait_if_ending() -> None:
    """If the interpreter is ending, stop this thread, which must be a daemon, until it is ended."""
    if _ending.is_set() and threading.current_thread() is not threading.main_thread():
        threading.Event().wait()


def _serve(read: Reader, memory: Any, slot_bytes: int, connection: Connection, inherited: Sequence[Connection]) -> None:
    """Read batches on request until the pipe is closed. This is the main function of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in inherited:  # so that the pipe is closed when the training process ends
        other.close()
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    bytes_of_memory = memoryview(memory).cast("B")
    while True:
        try:
            slot, request = connection.recv()
            connection.send(_reply(read, request, bytes_of_memory, slot * slot_bytes, slot_bytes))
        except (EOFError, OSError):
            return


def _reply(read: Reader, request: Request, memory: memoryview, offset: int, size: int) -> Any:
    """Return the shape and dtype of each array, which is copied to the memory, or else the array; or the error."""
    reply = list[Any]()
    start = offset
    end = offset + size
    try:
        for array in read(*request):
            if array.dtype.hasobject or start + array.nbytes > end:
                reply.append(array)
            else:
                np.frombuffer(memory, array.dtype, array.size, start).reshape(array.shape)[...] = array
                reply.append((array.shape, array.dtype.str))
                start += _aligned(array.nbytes)
    except ChainruleError as error:
        return error
    except Exception as error:
        where = "; ".join([*getattr(error, "__notes__", ()), "readers=0 shows where"])
        return DataError(f"reading samples failed with {type(error).__name__}: {error}; {where}")
    return reply


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


class SeededGlobals:
    """Context that seeds the global random generators of Python, NumPy and PyTorch, and restores them at the end.

    Data sets of other libraries use them for random transformations, which thereby depend only on the seed.
    """

    def __init__(self) -> None:
        self._torch: Any = sys.modules.get("torch")

    def __enter__(self) -> "SeededGlobals":
        self._python_state = random.getstate()
        self._numpy_state = np.random.get_state()  # noqa: NPY002
        if self._torch:
            self._torch_state = self._torch.get_rng_state()
        return self

    def seed(self, seed: int) -> None:
        """Seed all generators with a number of 64 bits."""
        random.seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002
        if self._torch:
            self._torch.manual_seed(seed >> 1)

    def __exit__(self, *error: object) -> None:
        random.setstate(self._python_state)
        np.random.set_state(self._numpy_state)  # noqa: NPY002
        if self._torch:
            self._torch.set_rng_state(self._torch_state)


def reading_processes(readers: int | None, *, decodes: bool) -> int:
    """Return the number of processes that read ahead; OptionError for an invalid number.

    readers   number chosen by the user; None: one per processor if the data are decoded when needed
    decodes   whether the data are decoded when they are needed; otherwise no process reads ahead
    """
    if readers is None:
        readers = default_readers()
    if not is_whole(readers, 0) or readers > MAX_PROCESSES:
        raise OptionError(f"readers {quoted(readers)}: expected a number of processes from 0 to {MAX_PROCESSES}")
    if not decodes:
        return 0
    return readers
