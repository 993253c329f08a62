"""The cache folder on disk, and the compiled programs in it.

Compiled programs are stored in one folder per version of the kernels, identified by a fingerprint and shared by all
processes with the same kernels. When a folder is created, folders that no process has begun to use for a month are
removed.
"""

import os
import secrets
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from chainrule._io.reading import expanded
from chainrule._io.trust import writers
from chainrule.errors import OptionError

CACHE_VARIABLE = "CHAINRULE_CACHE"
LOCKS = "locks"  # lock file in each folder
DAY = 24 * 3600.0  # seconds
UNUSED_DAYS = 30
REMOVED_PREFIX = ".removed-"  # prefix of the names of folders being removed


def cache_folder() -> Path:
    """Return the folder in the environment variable CHAINRULE_CACHE, by default the user's cache folder for chainrule.

    Errors   OptionError if the user has no home folder, or if the variable refers to an unknown home folder
    """
    path = os.environ.get(CACHE_VARIABLE)
    if path:
        try:
            return expanded(path)
        except OptionError as error:
            raise OptionError(f"{CACHE_VARIABLE}={error}") from None
    import platformdirs

    try:
        folder = Path(platformdirs.user_cache_dir("chainrule"))
    except (RuntimeError, ValueError, OSError):
        folder = Path("~")
    if not folder.is_absolute():  # older versions of platformdirs do not expand "~"
        raise OptionError(f"the user has no home folder for the cache; set {CACHE_VARIABLE} to a folder")
    return folder


def programs_folder() -> Path:
    """Return the parent of the folders of all kernel versions. Other users cannot write to it.

    If they could write to the one in the cache folder, the result is a private one in the folder of temporary files.
    """
    folder = cache_folder() / "compiled"
    if writers(folder):
        folder = Path(tempfile.gettempdir(), f"chainrule-{os.getuid()}")
    return folder


def make_private(folder: Path) -> None:
    """Create a folder, and missing folders above it, which only this user can use, whatever the umask."""
    for place in (*reversed(folder.parents), folder):
        if not place.exists():
            place.mkdir(0o700, exist_ok=True)


def use_programs(fingerprint: str) -> Path:
    """Return the folder of a kernel version, and update its time of last use.

    If the folder does not exist yet, it is created, and unused folders of other versions are removed.

    fingerprint   hash that identifies the kernel version
    Errors   OSError if the folder cannot be created or written, or if other users may write to it
    """
    folder = programs_folder() / fingerprint
    is_new = not folder.is_dir()
    make_private(folder)
    if writers(folder) or not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(folder))
    os.utime(folder)  # its modification time is its time of last use
    if is_new:
        remove_unused_programs()
    return folder


def remove_unused_programs(days: float = UNUSED_DAYS) -> int:
    """Remove folders that no process has begun to use for `days` days. Return the number of bytes freed."""
    limit = time.time() - days * DAY
    return sum(_remove(folder) for folder in _folders() if _last_used(folder) < limit)


def clear_programs() -> int:
    """Remove all compiled programs, and return the number of bytes freed. Running processes will recompile them."""
    freed = sum(_remove(folder) for folder in _folders())
    with suppress(OSError):
        programs_folder().rmdir()
    return freed


def programs_size() -> int:
    """Return the size of all compiled programs on disk in bytes."""
    return sum(map(_size, _folders()))


def _folders() -> list[Path]:
    try:
        return sorted(path for path in programs_folder().iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []


def _last_used(folder: Path) -> float:
    """Return the time of last use in seconds since the epoch; the current time if the folder no longer exists."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return time.time()


def _remove(folder: Path) -> int:
    """Rename a folder, so that no process uses it while it is incomplete, and remove it. Return the bytes freed."""
    size = _size(folder)
    with suppress(OSError):
        folder = folder.rename(folder.with_name(f"{REMOVED_PREFIX}{secrets.token_hex(8)}"))
    shutil.rmtree(folder, ignore_errors=True)
    return size - _size(folder)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
