"""Workers: processes that train together."""

from chainrule.core.arrays import Array, Arrays

DEFAULT_SHARDS = 8  # shards per batch if the workers were started by mpiexec


class Workers:
    """All workers that train together, as seen by one worker. This base class represents a single process.

    rank             number of this worker, from 0; worker 0 writes the run folder
    size             number of workers
    default_shards   default number of shards per batch
    """

    rank: int = 0
    size: int = 1
    default_shards: int = 1

    def send(self, arrays: Arrays, to: int) -> None:
        """Send arrays to the worker with rank ``to``, which calls `receive`."""
        raise NotImplementedError

    def receive(self, like: Arrays, source: int) -> Arrays:
        """Receive arrays from the worker with rank ``source``.

        like  arrays with the expected shapes and dtypes
        """
        raise NotImplementedError

    def broadcast(self, array: Array) -> None:
        """Copy worker 0's array to all workers, in place."""

    def any(self, flag: bool) -> bool:
        """Return whether the flag is True on any worker."""
        return flag

    def first(self, text: str) -> str:
        """Return the first nonempty text, in order of the workers' ranks; "" if all are empty."""
        return text


SINGLE_PROCESS = Workers()
