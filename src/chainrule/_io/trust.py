"""Who may have written this? Code that other users can write or replace is not loaded, copied or shared."""

import os
import stat
import sys
from collections.abc import Iterator
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
    if sys.platform == "win32":
        return others
    for link in _links(path):
        others |= {link.lstat().st_uid} | _owners(link.parent, is_inside=True)
    return (others | _owners(path.resolve(), is_inside=False)) - {os.getuid(), 0}


def is_trusted(path: Path, file: Path) -> bool:
    """Return whether only users who may replace a file may have written to another file or a folder."""
    return writers(path) <= writers(file)


def import_folders(file: Path) -> list[str]:
    """Return the folder of a Python file for `sys.path`; nothing if others may add modules to it, but not replace FILE.

    Such a folder is /tmp: users who name a file in it do not mean the files of other users beside it.
    """
    folder = file.resolve().parent
    return [str(folder)] * is_trusted(folder, file)


def _links(path: Path) -> Iterator[Path]:
    """Yield the links in a path, and in the paths that they point to."""
    pending = [path.absolute()]
    for place in pending:  # which grows meanwhile
        if len(pending) > MAX_LINKS:
            return
        for above in (place, *place.parents):
            if above.is_symlink():
                yield above
                with suppress(OSError):
                    pending.append(above.parent / above.readlink())


def _owners(place: Path, is_inside: bool) -> set[int]:
    """Return the owners of a path and of the folders above it, and the groups that may write to them.

    is_inside   whether only an entry of the last folder counts, which a sticky bit protects
    """
    found = set[int]()
    for above in (place, *place.parents):
        with suppress(OSError):
            status = above.stat()
            found.add(status.st_uid)
            is_open = (above == place and not is_inside) or not status.st_mode & stat.S_ISVTX
            if is_open and status.st_mode & (0o22 if status.st_gid else 0o2):
                found.add(-1 - status.st_gid)
    return found
