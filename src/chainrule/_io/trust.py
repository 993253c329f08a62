"""Who may have written this? Code that other users can write or replace is not loaded, copied or shared."""

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

MAX_LINKS = 40


def writers(path: Path) -> set[int]:
    """Return who may replace a file or add files to a folder, besides this user and root.

    The result contains the numbers of owners, and −1 − the numbers of groups. A group means all users if all users
    may write. A user who may write to a folder above can replace the whole folder, except in a folder with the sticky
    bit, such as /tmp. The owner of a link on the way can point it elsewhere at any time. A path that does not exist is
    judged by the folders above it. On Windows, the result is empty.
    """
    others = set[int]()
    pending = [(path.absolute(), True)] * (sys.platform != "win32")  # places, and whether they are the path itself
    for place, is_path in pending:  # which grows meanwhile
        for above in (place, *place.parents):
            is_last = is_path and above == place
            with suppress(OSError):
                status = above.lstat()
                others.add(status.st_uid)
                if stat.S_ISLNK(status.st_mode):
                    if len(pending) < MAX_LINKS:
                        pending.append((above.parent / above.readlink(), is_last))
                elif status.st_mode & (0o22 if status.st_gid else 0o2) and (
                    is_last or not status.st_mode & stat.S_ISVTX
                ):
                    others.add(-1 - status.st_gid)
    return others and others - {os.getuid(), 0}


def is_trusted(path: Path, file: Path) -> bool:
    """Return whether only users who may replace a file may have written to another file or a folder."""
    return writers(path) <= writers(file)


def import_folders(file: Path) -> list[str]:
    """Return the folder of a Python file for `sys.path`; nothing if others may add modules to it, but not replace FILE.

    Such a folder is /tmp: users who name a file in it do not mean the files of other users beside it.
    """
    folder = file.resolve().parent
    return [str(folder)] * is_trusted(folder, file)
