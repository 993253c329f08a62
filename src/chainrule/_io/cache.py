"""The cache on disk: where it is, and the compiled programs in it.

Compiled programs have a folder for each version of the kernels. A folder is used by every process whose kernels have
the same fingerprint, of this checkout or another. It is removed when a newer one is begun and it has not been used for
a month; a process that runs keeps its folder.
"""

import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from chainrule._io import locks
from chainrule._io.reading import expanded
from chainrule.errors import OptionError

CACHE_VARIABLE = "CHAINRULE_CACHE"
LOCKS = "locks"  # the file of locks in a folder; when it was last changed is when the folder was last used
DAY = 24 * 3600.0
UNUSED_DAYS = 30
REMOVED = ".removed-"  # the beginning of the name of a folder that is being removed


def cache_folder() -> Path:
    """Return the user's cache folder for chainrule, or the one named by the environment variable CHAINRULE_CACHE.

    Errors   OptionError when the user has no home folder, or the variable names one that does not exist
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        try:
            return expanded(chosen)
        except OptionError as error:
            raise OptionError(f"{CACHE_VARIABLE}={error}") from None
    import platformdirs

    try:
        folder = Path(platformdirs.user_cache_dir("chainrule"))
    except (RuntimeError, ValueError, OSError):
        folder = Path("~")
    if not folder.is_absolute():  # older versions of platformdirs leave "~" as it is
        raise OptionError(f"this user has no home folder to keep a cache in; set {CACHE_VARIABLE} to a folder")
    return folder


def programs_folder() -> Path:
    """Return the folder that holds the folders of all versions."""
    return cache_folder() / "compiled"


def use_programs(fingerprint: str) -> Path:
    """Make the folder of a version, unless it is there, and note that it is used; a new one clears out unused ones.

    Errors   OSError when it cannot be made or written
    """
    folder = programs_folder() / fingerprint
    is_new = not folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(folder))
    used = folder / LOCKS
    used.touch()
    if is_new:
        remove_unused_programs()
    return folder


def remove_unused_programs(days: float = UNUSED_DAYS) -> int:
    """Remove the folders that no process uses or has used for so many days; return the bytes that this freed."""
    limit = time.time() - days * DAY
    return sum(
        _removed(folder) for folder in _folders() if _last_used(folder) < limit and not locks.in_use(folder / LOCKS)
    )


def clear_programs() -> int:
    """Remove all compiled programs and return the bytes that this freed; running processes compile anew."""
    freed = sum(_removed(folder) for folder in _folders())
    with suppress(OSError):
        programs_folder().rmdir()
    return freed


def programs_size() -> int:
    """Return the bytes of all compiled programs on disk."""
    return sum(map(_size, _folders()))


def program_versions() -> int:
    """Return how many versions of the kernels have compiled programs on disk."""
    return len(_folders())


def _folders() -> list[Path]:
    try:
        return sorted(path for path in programs_folder().iterdir() if path.is_dir() and not path.is_symlink())
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
