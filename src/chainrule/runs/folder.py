"""The folder of a run: the names of its files, and the lock held by the process that writes there."""

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
START = "start.safetensors"  # initial weights that do not follow from the seed
CHECKED_FILES = (CONFIG, START, CHECKPOINT, HISTORY, MODEL, BEST, EVALUATION)
PICTURES = ("curves.png", "kernels-*.png", "confusion.png", "mistakes.png")
LOCK = ".lock"
LOCK_TIMEOUT = 0.05  # seconds after which a lock is not held by a mere check any more


def refuse_occupied(folder: Path) -> None:
    """Raise RunError when the folder holds any file of a run, or its name is not printable."""
    if not str(folder).isprintable():
        raise RunError(f"{str(folder)!r} cannot be a run folder: its name holds unprintable characters")
    for name in CHECKED_FILES:
        if os.path.lexists(folder / name):
            advice = (
                f"go on with it by --resume {folder} or fit(…, run=Run(…, resume=True)), or " if name == CONFIG else ""
            )
            raise RunError(f"{folder} already holds a run ({name}); {advice}choose another folder")


@contextmanager
def claim(folder: Path) -> Generator[None]:
    """Create and lock the folder of a new run; RunError when it holds a run already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the run folder {folder}: {error.strerror or error}") from None
    with locked(folder):
        refuse_occupied(folder)
        yield


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Lock a folder against training by other processes; RunError when it is locked already.

    The lock is a file lock of the operating system, so it ends with the process in any case. Its file is removed then.
    """
    path = folder / LOCK
    try:
        handle = _acquire(path)
        if handle is None:  # perhaps only a check by `in_use`
            time.sleep(LOCK_TIMEOUT)
            handle = _acquire(path)
    except OSError as error:
        raise RunError(f"cannot lock the run folder {folder}: {error.strerror or error}") from None
    if handle is None:
        raise RunError(f"{folder} is being trained by another process")
    try:
        yield
    finally:
        _release(handle, path)


def in_use(folder: Path) -> bool:
    """Return whether a process is training in a folder, without changing anything there."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(handle)
    except OSError:
        return False
    finally:
        _close(handle)  # releases the lock if it was free


def _acquire(path: Path) -> int | None:
    """Open and lock the file; None if another process holds the lock. Retry if the file is removed in between."""
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
    if sys.platform == "win32":  # an open file cannot be removed; a file opened by another process stays
        _close(handle)
        with suppress(OSError):
            path.unlink()
    else:
        with suppress(OSError):
            path.unlink()
        _close(handle)


def _close(handle: int) -> None:
    """Close the lock file; since nothing is written to it, an error does not matter."""
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
                raise  # a file system without locks cannot keep others out, and training goes on
        return True


def require_run(folder: Path) -> Path:
    """Return the folder; RunError when it holds no run."""
    if not (folder / CONFIG).is_file():
        raise RunError(f"{folder} holds no run (there is no {CONFIG})")
    return folder
