"""Compiled programs on disk: a folder for each version of the kernels, removed when it is no longer used.

A folder is used by every process whose kernels have the same fingerprint, of this checkout or another. It is removed
when a newer one is begun and it has not been used for a month; a process that runs keeps its folder.
"""

import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from chainrule._io import locks
from chainrule._io.cache_folder import cache_folder

LOCKS = "locks"  # the file of locks in a folder; when it was last changed is when the folder was last used
DAY = 24 * 3600.0
UNUSED_DAYS = 30
REMOVED = ".removed-"  # the beginning of the name of a folder that is being removed


def compiled_programs() -> Path:
    """Return the folder that holds the folders of all versions."""
    return cache_folder() / "compiled"


def use(fingerprint: str) -> Path:
    """Make the folder of a version, unless it is there, and note that it is used; a new one clears out unused ones.

    Errors   OSError when it cannot be made or written
    """
    folder = compiled_programs() / fingerprint
    is_new = not folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(folder))
    used = folder / LOCKS
    used.touch()
    if is_new:
        remove_unused()
    return folder


def remove_unused(days: float = UNUSED_DAYS) -> int:
    """Remove the folders that no process uses or has used for so many days; return the bytes that this freed."""
    limit = time.time() - days * DAY
    return sum(
        _removed(folder) for folder in _folders() if _last_used(folder) < limit and not locks.in_use(folder / LOCKS)
    )


def clear() -> int:
    """Remove all compiled programs and return the bytes that this freed; running processes compile anew."""
    freed = sum(_removed(folder) for folder in _folders())
    with suppress(OSError):
        compiled_programs().rmdir()
    return freed


def size() -> int:
    """Return the bytes of all compiled programs on disk."""
    return sum(map(_size, _folders()))


def versions() -> int:
    """Return how many versions of the kernels have compiled programs on disk."""
    return len(_folders())


def _folders() -> list[Path]:
    try:
        return sorted(path for path in compiled_programs().iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []


def _last_used(folder: Path) -> float:
    """Return seconds since the epoch; the present, where another process has just removed the folder."""
    try:
        return max(path.stat().st_mtime for path in (folder, folder / LOCKS) if path.exists())
    except (OSError, ValueError):
        return time.time()


def _removed(folder: Path) -> int:
    """Remove a folder under another name, so that no process sees it half empty, and return the bytes freed."""
    many = _size(folder)
    with suppress(OSError):
        folder = folder.rename(folder.with_name(f"{REMOVED}{secrets.token_hex(8)}"))
    shutil.rmtree(folder, ignore_errors=True)
    return many - (_size(folder) if folder.is_dir() else 0)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
