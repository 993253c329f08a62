"""The folder of a run: the names of what lies in it, and the lock of the one process that writes there."""

import errno
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from chainrule.errors import RunError

CONFIG, EVALUATION = "config.json", "evaluation.json"
CHECKPOINT, HISTORY, MODEL, BEST = "checkpoint.safetensors", "history.csv", "model.safetensors", "best.safetensors"
CHECKSUMS = "checksums.json"
START = "start.safetensors"  # the first weights, where the seed does not tell them
HELD = (CONFIG, START, CHECKPOINT, HISTORY, MODEL, BEST, EVALUATION)
PICTURES = ("curves.png", "kernels-*.png", "confusion.png", "mistakes.png")
LOCK = ".lock"
GLANCE = 0.05  # seconds after which nobody merely looks at a lock any more


def refuse_held(folder: Path) -> None:
    """RunError when a run, or any file of one, lies in the folder, or when it cannot be named in a line."""
    if not str(folder).isprintable():
        raise RunError(f"{str(folder)!r} cannot be a run folder: its name holds letters that cannot be printed")
    for name in HELD:
        if os.path.lexists(folder / name):
            advice = f"go on with it by --resume {folder} or fit(…, resume=True), or " if name == CONFIG else ""
            raise RunError(f"{folder} already holds a run ({name}); {advice}choose another folder")


@contextmanager
def claimed(folder: Path) -> Generator[None]:
    """Make the folder of a new run and keep all others out of it; RunError when it holds a run already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the run folder {folder}: {error.strerror or error}") from None
    with locked(folder):
        refuse_held(folder)
        yield


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Keep all other processes from training in a folder; RunError when one does.

    The lock is the system's, on a file: it ends with the process, however that dies. The file is removed with it.
    """
    path = folder / LOCK
    try:
        handle = _acquired(path)
        if handle is None:  # or somebody is just looking whether it is locked
            time.sleep(GLANCE)
            handle = _acquired(path)
    except OSError as error:
        raise RunError(f"cannot lock the run folder {folder}: {error.strerror or error}") from None
    if handle is None:
        raise RunError(f"{folder} is being trained by another process")
    try:
        yield
    finally:
        _release(handle, path)


def in_use(folder: Path) -> bool:
    """Whether a process trains in a folder. Nothing there is made, written or removed."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(handle)
    except OSError:
        return False
    finally:
        _close(handle)  # and with it the lock, if it was free


def _acquired(path: Path) -> int | None:
    """The locked file; None where another has locked it. One removed between opening and locking is nobody's: again."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        got = kept = False
        try:
            got = _lock(handle)
            kept = got and _is_there(handle, path)
        finally:
            if not kept:
                _close(handle)
        if kept or not got:
            return handle if kept else None


def _is_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _release(handle: int, path: Path) -> None:
    if sys.platform == "win32":  # an open file cannot be removed; one that somebody else has opened stays
        _close(handle)
        with suppress(OSError):
            path.unlink()
    else:
        with suppress(OSError):
            path.unlink()
        _close(handle)


def _close(handle: int) -> None:
    """Close the file of a lock, in which nothing is written: it is closed even where the system complains."""
    with suppress(OSError):
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    UNABLE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in UNABLE:
                raise  # where the file system has no locks, nobody can be kept out, and training goes on
        return True
