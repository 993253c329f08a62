"""Checksums of the files of a run, to detect files that were edited or damaged.

checksums.json lists the digest (size and SHA-256) of each file of the run. Before a file is replaced, both its old and
its new digest are listed. Therefore, the files match the checksums even if the run is killed. Rows are appended to
history.csv between two updates of the checksums, so its digest covers only the beginning of the file. Checksums detect
accidents, not forgery: anyone can recompute them.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from chainrule._io import files
from chainrule.errors import ChangedError, FormatError, RunError
from chainrule.runs.folder import CHECKED_FILES, CHECKSUMS, HISTORY

FORMAT = 1
CHUNK, MAX_BYTES = 1 << 20, 1 << 31  # bytes read at a time, and of a file: a sparse one may state any size
TRIES, PAUSE = 50, 0.01  # number of attempts while another process replaces files, and seconds between two attempts


@dataclass(frozen=True)
class Digest:
    """Size in bytes and SHA-256 of a file, or of its beginning."""

    size: int
    sha256: str

    @staticmethod
    def of(content: bytes) -> "Digest":
        """Return the digest of bytes."""
        return Digest(len(content), hashlib.sha256(content).hexdigest())


Listed = dict[str, tuple[Digest | None, ...]]  # file name → allowed digests, with None if the file may be missing


def check(folder: Path, names: Iterable[str] = CHECKED_FILES, *, accept: bool = False) -> list[str]:
    """Compare the files of a run with its checksums, and return remarks on accepted changes.

    names    files to compare
    accept   whether changed files are accepted
    Errors   ChangedError, with the names of the changed files, unless ``accept``
    """
    for _ in range(TRIES):
        listed = read(folder)
        if listed is None:
            break
        changed = [name for name in names if name in listed and not _matches(folder / name, listed[name])]
        if not changed:
            return []
        if read(folder) == listed:
            return _changed(folder, changed, accept)
        time.sleep(PAUSE)  # another process trains the run and has just written new checksums
    else:
        return []
    return _changed(folder, [CHECKSUMS], accept)


def read(folder: Path) -> Listed | None:
    """Return the content of checksums.json; None if this file is missing, damaged or was edited."""
    try:
        content = files.read_json(folder / CHECKSUMS)
        if content["format"] != FORMAT or content["sha256"] != _self_checksum(content["files"]):
            return None
        return {name: tuple(map(_digest, digests[-2:])) for name, digests in content["files"].items()}
    except (FormatError, KeyError, TypeError, ValueError, AttributeError):
        return None


def refuse_foreign(folder: Path) -> None:
    """Raise RunError if the folder of a new run contains a checksums.json that was not written by a run."""
    if (folder / CHECKSUMS).exists() and read(folder) is None:
        raise RunError(f"{folder} contains a {CHECKSUMS} of another program; choose another folder")


def history_bytes(folder: Path) -> int | None:
    """Return the number of bytes of history.csv that the checksums cover; None if they do not list the file."""
    digest = _history_digest(folder)
    if digest is None:
        return None
    return digest.size


def _history_digest(folder: Path) -> Digest | None:
    """Return the longest listed beginning of history.csv; None if the checksums do not list the file."""
    listed = (read(folder) or {}).get(HISTORY, ())
    matching = [digest for digest in listed if digest is not None and _matches(folder / HISTORY, (digest,))]
    return max(matching, key=lambda digest: digest.size, default=None)


class Recorder:
    """Writes files to a run folder, which must be locked.

    A file is replaced only after the new checksums are written; rows of history.csv are appended before.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._current: dict[str, Digest] = {}
        for name in CHECKED_FILES:
            if (folder / name).is_file():
                self._current[name] = _digest_of_file(folder / name)
        digest = _history_digest(folder)  # the rows that the checksums do not cover may be incomplete
        if digest is not None:
            self._current[HISTORY] = digest
        self._history = hashlib.sha256()

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Replace files atomically, in the order of ``contents`` (name → content)."""
        new_digests = {name: Digest.of(content) for name, content in contents.items()}
        self._list(new_digests)
        for name, content in contents.items():
            files.write_atomic(self.folder / name, content)
            self._current[name] = new_digests[name]
        if HISTORY in contents:
            self._history = hashlib.sha256(contents[HISTORY])

    def append_history(self, rows: bytes) -> None:
        """Append rows to the history.csv that `write` has written. The next `write` saves the digest of the rows."""
        files.append(self.folder / HISTORY, rows)
        self._history.update(rows)
        self._current[HISTORY] = Digest(self._current[HISTORY].size + len(rows), self._history.hexdigest())

    def record_all(self) -> None:
        """Write checksums with only the current digest of every file."""
        self._list({})

    def _list(self, new_digests: Mapping[str, Digest]) -> None:
        listed: dict[str, list[Any]] = {}
        for name in CHECKED_FILES:
            current = self._current.get(name)
            new = new_digests.get(name, current)
            if current is None and new is None:
                continue
            allowed = list[Any]()
            for digest in dict.fromkeys([current, new]):
                if digest is None:
                    allowed.append(None)
                else:
                    allowed.append([digest.size, digest.sha256])
            listed[name] = allowed
        content = {"format": FORMAT, "files": listed, "sha256": _self_checksum(listed)}
        files.write_atomic(self.folder / CHECKSUMS, files.json_bytes(content))


def _changed(folder: Path, names: list[str], accept: bool) -> list[str]:
    parts = list[str]()
    for name in names:
        if (folder / name).exists():
            parts.append(f"{name} was changed")
        else:
            parts.append(f"{name} was removed")
    description = f"{folder}: {', '.join(parts)} since the run wrote it"
    if not accept:
        raise ChangedError(description)
    return [f"{description}, and is used as it is"]


def _matches(path: Path, listed: tuple[Digest | None, ...]) -> bool:
    """Return whether a file, or the beginning of history.csv, matches one of the listed digests.

    A missing file matches None. Size and content are those of one open file: the path may name the next file a moment
    later.
    """
    if not path.is_file():
        return None in listed
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            for covered in {digest.size for digest in listed if digest is not None}:
                may_match = size == covered or (path.name == HISTORY and size > covered)
                if may_match and _digest_of(stream, covered) in listed:
                    return True
        return False
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None


def _digest_of_file(path: Path) -> Digest:
    """Compute the digest of a whole file."""
    with path.open("rb") as stream:
        return _digest_of(stream, os.fstat(stream.fileno()).st_size)


def _digest_of(stream: BinaryIO, size: int) -> Digest:
    """Compute the digest of the first `size` bytes of a file; FormatError if these are more than ``MAX_BYTES``."""
    if size > MAX_BYTES:
        raise FormatError(f"{stream.name}: {size} bytes; expected at most {MAX_BYTES} in a run")
    digest = hashlib.sha256()
    done = 0
    stream.seek(0)
    while block := stream.read(min(CHUNK, size - done)):
        digest.update(block)
        done += len(block)
    return Digest(done, digest.hexdigest())


def _digest(value: Any) -> Digest | None:
    if value is None:
        return None
    size, sha256 = value
    if not isinstance(size, int) or not isinstance(sha256, str) or size < 0:
        raise ValueError
    return Digest(size, sha256)


def _self_checksum(listed: object) -> str:
    """Return the SHA-256 of the list of digests, which detects changes of checksums.json itself."""
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
