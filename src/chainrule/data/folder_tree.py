"""Listing of image folders. Hidden files are ignored, and links are followed only within the folder.

Every folder is listed only once, even if several links point to it. Therefore, the listing always ends, and no image is
counted twice.
"""

import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from chainrule.errors import DataError

SYSTEM_FILES = (
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
)  # ignored, as well as names with a leading dot
UNREADABLE = "cannot be read"
OUTSIDE = "link out of the folder"
AROUND = "link to a folder around it"
LISTED = "link to a folder that is already used"
SPECIAL = "no regular file"


class EntryKind(Enum):
    """Type of an entry after following links."""

    FILE = "file"
    FOLDER = "folder"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """An entry of a folder.

    path     path with links unresolved
    kind     FILE, FOLDER, or UNUSABLE for anything that must not be opened
    is_link  whether the entry is a symbolic link
    real     path with links resolved; of an unreadable entry, those of the folders above it
    reason   why the entry is unusable, such as `UNREADABLE`; None if it is usable
    detail   message of the operating system, or target of the link; None if there is neither
    suffix   suffix of the name in lower case, such as ".png"; it is stored because folders may have a million files
    """

    path: Path
    kind: EntryKind
    real: str
    is_link: bool = False
    reason: str | None = None
    detail: str | None = None
    suffix: str = ""

    @property
    def problem(self) -> str:
        """The reason why the entry is unusable, with the detail."""
        return f"{self.reason}" if self.detail is None else f"{self.reason} ({self.detail})"


class FolderTree:
    """The tree of visible entries below a folder.

    Errors   DataError if the folder cannot be resolved
    """

    def __init__(self, top: Path) -> None:
        try:
            self.top = FolderEntry(top, EntryKind.FOLDER, os.path.realpath(top, strict=True))
        except (OSError, ValueError) as error:
            raise _unreadable(top, error) from error

    def entries(self, folder: FolderEntry) -> list[FolderEntry]:
        """Return the visible entries of a folder, sorted; DataError if it cannot be listed."""
        try:
            with os.scandir(folder.path) as scan:
                visible = [entry for entry in scan if _is_visible(entry.name)]
        except OSError as error:
            raise _unreadable(folder.path, error) from error
        return sorted((self._entry(entry, folder) for entry in visible), key=_order)

    def walk(self, roots: Sequence[FolderEntry]) -> list[list[FolderEntry]]:
        """Return the files and unusable entries below each root, sorted by path.

        For the roots cats and dogs, where dogs/more is a link to cats, the entries of dogs are its own files, and
        dogs/more as unusable: its images already belong to cats.

        Links are followed after all folders have been listed, so that each folder belongs to the root that contains it.
        For a root that was already listed or cannot be listed, the only entry is the root itself, marked as unusable.
        """
        results: list[list[FolderEntry]] = [[] for _ in roots]
        listed: set[str] = set()
        # folders to list, with the index of their root; links wait until no other folder is left
        pending: list[tuple[int, FolderEntry]] = []
        links: list[tuple[int, FolderEntry]] = []
        for index, root in enumerate(roots):
            (links if root.is_link else pending).append((index, root))
        while pending or links:
            if not pending:  # in reverse order, because `pop` takes the last one
                pending = sorted(links, key=lambda link: link[1].path, reverse=True)
                links = []
            index, folder = pending.pop()
            if folder.real in listed:
                results[index].append(replace(folder, kind=EntryKind.UNUSABLE, reason=LISTED))
                continue
            listed.add(folder.real)
            for entry in self._entries_or_problem(folder):
                if entry.kind is not EntryKind.FOLDER:
                    results[index].append(entry)
                elif entry.is_link:
                    links.append((index, entry))
                else:
                    pending.append((index, entry))
        for entries in results:
            entries.sort(key=_order)
        return results

    def _entries_or_problem(self, folder: FolderEntry) -> list[FolderEntry]:
        """Return the visible entries of a folder, or the folder itself, marked as unusable, if it cannot be listed."""
        try:
            return self.entries(folder)
        except DataError as error:
            reason = _reason(error.__cause__)
            return [replace(folder, kind=EntryKind.UNUSABLE, reason=UNREADABLE, detail=reason)]

    def _entry(self, entry: "os.DirEntry[str]", folder: FolderEntry) -> FolderEntry:
        """Return an entry of a folder, with links resolved. Links that lead out of the top folder are unusable."""
        path = folder.path / entry.name
        real = os.path.join(folder.real, entry.name)
        suffix = os.path.splitext(entry.name)[1].lower()
        try:
            if entry.is_symlink() or _is_junction(entry):
                return replace(self._link(path, folder), suffix=suffix)
            if entry.is_dir(follow_symlinks=False):
                return FolderEntry(path, EntryKind.FOLDER, real)
            if entry.is_file(follow_symlinks=False):
                return FolderEntry(path, EntryKind.FILE, real, suffix=suffix)
            return FolderEntry(path, EntryKind.UNUSABLE, real, reason=SPECIAL, suffix=suffix)
        except OSError as error:
            return FolderEntry(path, EntryKind.UNUSABLE, real, reason=UNREADABLE, detail=_reason(error), suffix=suffix)

    def _link(self, path: Path, folder: FolderEntry) -> FolderEntry:
        real = os.path.realpath(path, strict=True)
        if not _is_within(real, self.top.real):
            return FolderEntry(path, EntryKind.UNUSABLE, real, is_link=True, reason=OUTSIDE, detail=f"to {real}")
        mode = os.stat(real).st_mode
        if stat.S_ISREG(mode):
            return FolderEntry(path, EntryKind.FILE, real, is_link=True)
        if not stat.S_ISDIR(mode):
            return FolderEntry(path, EntryKind.UNUSABLE, real, is_link=True, reason=SPECIAL)
        if _is_within(folder.real, real):
            return FolderEntry(path, EntryKind.UNUSABLE, real, is_link=True, reason=AROUND)
        return FolderEntry(path, EntryKind.FOLDER, real, is_link=True)


def leads_outside(path: Path, real_top: str) -> bool:
    """Return whether a path leads out of a folder through a link; False if it cannot be resolved.

    real_top   path of the folder with links resolved
    """
    try:
        return not _is_within(os.path.realpath(path, strict=True), real_top)
    except (OSError, ValueError):
        return False


def _order(entry: FolderEntry) -> tuple[str, ...]:
    """Return the key for sorting entries by path: tuples, which are compared faster than paths."""
    return entry.path.parts


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in SYSTEM_FILES


def _is_junction(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a junction (a folder link on Windows). Requires Python 3.12; otherwise False."""
    return sys.version_info >= (3, 12) and entry.is_junction()


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def _unreadable(folder: Path, error: Exception) -> DataError:
    return DataError(f"{folder}: {UNREADABLE} ({_reason(error)})")


def _reason(error: BaseException | None) -> str:
    """Return the message of the operating system or of another error."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
