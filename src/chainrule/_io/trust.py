"""Who else may write to a file or a folder: code that other users can replace is not loaded."""

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path


def writers(path: Path) -> set[int]:
    """Return who may replace a file or add files to a folder, besides this user and root.

    The result contains the numbers of owners, and −1 − the numbers of groups. A group means all users if all users
    may write. A user who may write to a folder above can replace the whole folder, except in a folder with the sticky
    bit, such as /tmp. A path that does not exist is judged by the folders above it. On Windows, the result is empty.
    """
    others = set[int]()
    if sys.platform == "win32":
        return others
    place = path.resolve()
    for above in (place, *place.parents):
        with suppress(OSError):
            status = above.stat()
            others.add(status.st_uid)
            is_open = above == place or not status.st_mode & stat.S_ISVTX
            if is_open and status.st_mode & (0o22 if status.st_gid else 0o2):
                others.add(-1 - status.st_gid)
    return others - {os.getuid(), 0}


def import_folders(file: Path) -> list[str]:
    """Return the folder of a Python file for `sys.path`; nothing if others may add modules to it, but not replace FILE.

    Such a folder is /tmp: users who name a file in it do not mean the files of other users beside it.
    """
    folder = file.resolve().parent
    return [str(folder)] * (writers(folder) <= writers(file))
