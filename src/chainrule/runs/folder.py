"""Run folders: the names of their files, and the lock of the process that writes them."""

import errno
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from chainrule.errors import FormatError, RunError

CONFIG, HISTORY, CHECKPOINT = "config.json", "history.csv", "checkpoint.safetensors"
EVALUATION, MODEL = "evaluation.json", "model.safetensors"
RUN_FILES = (CONFIG, HISTORY, CHECKPOINT, EVALUATION, MODEL)
PICTURES = ("curves.png", "kernels-*.png", "confusion.png", "mistakes.png")
LOCK = ".lock"
LOCK_TIMEOUT = 0.05  # seconds before the second attempt to lock a folder; `in_use` holds the lock for less time


def refuse_occupied(folder: Path) -> None:
    """Raise RunError if the folder contains a file of a run, or if its name is not printable."""
    if not str(folder).isprintable():
        raise RunError(f"{str(folder)!r} cannot be a run folder: its name contains unprintable characters")
    for name in RUN_FILES:
        if os.path.lexists(folder / name) and not _is_first_checkpoint(folder / name):
            advice = "choose another folder"
            if name == CONFIG:
                advice = f"continue it with --resume {folder} or fit(…, run=Run(…, resume=True)), or {advice}"
            raise RunError(f"{folder} already contains a run ({name}); {advice}")


def _is_first_checkpoint(path: Path) -> bool:
    """Return whether this is the checkpoint before the first step, of a run that was killed before it had a config."""
    if path.name != CHECKPOINT or path.with_name(CONFIG).exists():
        return False
    from chainrule._io import files  # which imports NumPy

    try:
        return files.read_tensors(path, "checkpoint")[1].get("step") == 0
    except FormatError:
        return False


@contextmanager
def claim(folder: Path) -> Generator[None]:
    """Create and lock the folder of a new run; RunError if it already contains a run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot create the run folder {folder}: {error.strerror or error}") from None
    with locked(folder):
        refuse_occupied(folder)
        yield


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Lock a folder against training by other processes; RunError if it is already locked.

    The lock is a file lock of the operating system, so it is released when the process ends for any reason.
    """
    path = folder / LOCK
    try:
        handle = _acquire(path)
        if handle is None:  # another process may hold it only briefly, in `in_use`
            time.sleep(LOCK_TIMEOUT)
            handle = _acquire(path)
    except OSError as error:
        raise RunError(f"cannot lock the run folder {folder}: {error.strerror or error}") from None
    if handle is None:
        raise RunError(f"{folder} is in use: another process is training it")
    try:
        yield
    finally:
        _release(handle, path)


def in_use(folder: Path) -> bool:
    """Return whether a process is training in a folder, without modifying the folder."""
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
    """Open a file, lock it, and return its handle; None if another process holds the lock.

    If the file is removed between opening and locking, try again.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        locked = valid = False
        try:
            locked = _lock(handle)
            valid = locked and _is_there(handle, path)
        finally:
            if not valid:
                _close(handle)
        if valid:
            return handle
        if not locked:
            return None


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
    """Close the lock file, ignoring errors: nothing was written to it."""
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
                raise  # on a file system without locks, continue without protection
        return True


def require_run(folder: Path) -> Path:
    """Return the folder; RunError if it contains no run."""
    if not (folder / CONFIG).is_file():
        raise RunError(f"{folder} contains no run (there is no {CONFIG})")
    return folder
