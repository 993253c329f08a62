"""Checksums of a run's files, to detect files that were edited or damaged.

checksums.json lists the size and SHA-256 of each file of the run. It is written before the files it lists, with both
the old and the new digest of a file about to be replaced, so that a run killed at any moment still verifies. For
history.csv it covers the first bytes only, since rows may be appended. It detects accidents, not forgery: anyone can
recompute it.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from chainrule._io import files
from chainrule.errors import ChangedError, FormatError, RunError
from chainrule.runs.folder import CHECKED_FILES, CHECKSUMS, CONFIG, HISTORY

FORMAT = 1
CHUNK = 1 << 20  # bytes read at a time
TRIES, PAUSE = 50, 0.01  # retries while another process replaces files, and the seconds between them


@dataclass(frozen=True)
class Digest:
    """Size in bytes and SHA-256 of a file, or of its beginning."""

    size: int
    sha256: str

    @staticmethod
    def of(content: bytes) -> "Digest":
        """Return the digest of bytes."""
        return Digest(len(content), hashlib.sha256(content).hexdigest())


Listed = dict[str, tuple[Digest | None, ...]]  # file name → allowed digests; None: may be absent


def check(folder: Path, names: Iterable[str] = CHECKED_FILES, *, accept: bool = False) -> list[str]:
    """Compare files of a run with its checksums, and return remarks on accepted changes or missing checksums.

    accept   whether changed files may be used
    Errors   ChangedError naming the changed files, unless ``accept``
    """
    for _ in range(TRIES):
        stamp = _stamp(folder)
        listed = read(folder)
        if listed is None:
            break
        found = [name for name in names if name in listed and not _matches(folder / name, listed[name])]
        if not found:
            return []
        if stamp == _stamp(folder):
            return _changed(folder, found, accept)
        time.sleep(PAUSE)  # the run is being trained and has just written new checksums
    else:
        return []
    if _checksums_expected(folder) and (folder / CONFIG).is_file():
        return _changed(folder, [CHECKSUMS], accept)
    return [f"{folder} has no checksums: an older chainrule wrote it, and changes to its files cannot be detected"]


def read(folder: Path) -> Listed | None:
    """Read checksums.json; None if it is missing, or was itself changed."""
    path = folder / CHECKSUMS
    if not path.is_file():
        return None
    try:
        found = files.read_json(path)
        if found["format"] != FORMAT or found["sha256"] != _self_checksum(found["files"]):
            return None
        return {name: tuple(_digest(one) for one in several) for name, several in found["files"].items()}
    except (FormatError, KeyError, TypeError, ValueError, AttributeError):
        return None


def refuse_foreign(folder: Path) -> None:
    """Raise RunError when the folder of a new run holds a checksums.json that no run has written."""
    if (folder / CHECKSUMS).exists() and read(folder) is None:
        raise RunError(f"{folder} holds another {CHECKSUMS}; choose another folder")


def history_bytes(folder: Path) -> int | None:
    """Return the number of bytes of history.csv covered by the checksums; None if they do not list it."""
    listed = (read(folder) or {}).get(HISTORY, ())
    sizes = [one.size for one in listed if one is not None and _matches(folder / HISTORY, (one,))]
    return max(sizes, default=None)


class Recorder:
    """Writer of a run's files, which writes their checksums first; the folder must be locked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._current: dict[str, Digest] = {}
        for name in CHECKED_FILES:
            if (folder / name).is_file():
                self._current[name] = _digest_of(folder / name)
        listed = read(folder) or {}
        if HISTORY in self._current:  # rows after the listed ones may be incomplete
            known = [one for one in listed.get(HISTORY, ()) if one and _matches(folder / HISTORY, (one,))]
            self._current[HISTORY] = max(known, key=lambda one: one.size, default=self._current[HISTORY])
        self._history = hashlib.sha256()

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Replace files in the order given, each atomically."""
        coming = {name: Digest.of(content) for name, content in contents.items()}
        self._list(coming)
        for name, content in contents.items():
            files.write_atomic(self.folder / name, content)
            self._current[name] = coming[name]
        if HISTORY in contents:
            self._history = hashlib.sha256(contents[HISTORY])

    def append_history(self, rows: bytes) -> None:
        """Append rows to the history.csv written by `write`; the next `write` or `settle` updates its digest."""
        files.append(self.folder / HISTORY, rows)
        self._history.update(rows)
        self._current[HISTORY] = Digest(self._current[HISTORY].size + len(rows), self._history.hexdigest())

    def record_all(self) -> None:
        """List only the current digest of every file."""
        self._list({})

    def _list(self, coming: Mapping[str, Digest]) -> None:
        listed: dict[str, list[Any]] = {}
        for name in (name for name in CHECKED_FILES if name in self._current or name in coming):
            may_be = dict.fromkeys([self._current.get(name), coming.get(name, self._current.get(name))])
            listed[name] = [None if one is None else [one.size, one.sha256] for one in may_be]
        content = {"format": FORMAT, "files": listed, "sha256": _self_checksum(listed)}
        files.write_atomic(self.folder / CHECKSUMS, files.json_bytes(content))


def _changed(folder: Path, names: list[str], accept: bool) -> list[str]:
    parts = [f"{name} was {'changed' if (folder / name).exists() else 'removed'}" for name in names]
    what = f"{folder}: {', '.join(parts)} since the run wrote it"
    if not accept:
        raise ChangedError(what)
    return [f"{what}, and is used as it is"]


def _checksums_expected(folder: Path) -> bool:
    """Return whether a run should have checksums: config.json says so, or checksums.json exists."""
    if (folder / CHECKSUMS).exists():
        return True
    try:
        found = files.read_json(folder / CONFIG)
    except FormatError:
        return False
    return isinstance(found, dict) and "checksums" in found


def _matches(path: Path, listed: tuple[Digest | None, ...]) -> bool:
    """Return whether a file, or the beginning of history.csv, matches one of the listed digests."""
    if not path.is_file():
        return None in listed
    whole = path.name != HISTORY
    try:
        return any(one is not None and _digest_of(path, None if whole else one.size) == one for one in listed)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None


def _digest_of(path: Path, size: int | None = None) -> Digest:
    """Compute the digest of a file, or of its first `size` bytes."""
    digest, left, done = hashlib.sha256(), size, 0
    with path.open("rb") as stream:
        while block := stream.read(CHUNK if left is None else min(CHUNK, left - done)):
            digest.update(block)
            done += len(block)
    return Digest(done, digest.hexdigest())


def _digest(value: Any) -> Digest | None:
    if value is None:
        return None
    size, sha256 = cast(list[Any], value)
    if not isinstance(size, int) or not isinstance(sha256, str) or size < 0:
        raise ValueError
    return Digest(size, sha256)


def _self_checksum(listed: Any) -> str:
    """Return the checksum of the checksums, which may be changed or damaged too."""
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        found = (folder / CHECKSUMS).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
