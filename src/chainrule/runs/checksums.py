"""The checksums of a run's files, so that what was changed by hand or by damage is not taken for the run's own.

checksums.json lists for each file of the run its size and SHA-256. It is written before the files it lists, and a file
about to be replaced is listed twice, as it was and as it will be: a run that was killed at any moment verifies. Of
history.csv the first bytes are listed, for rows behind them may follow. The file detects changes; whoever wants to
deceive can write it anew.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from chainrule import files
from chainrule.errors import FormatError, RunError
from chainrule.runs.folder import CHECKSUMS, CONFIG, HELD, HISTORY

FORMAT = 1
CHUNK = 1 << 20  # bytes read at a time
TRIES, PAUSE = 50, 0.01  # readings of checksums that another process is replacing, and the seconds between them


@dataclass(frozen=True)
class Digest:
    """Size in bytes and SHA-256 of a file, or of its beginning."""

    size: int
    sha256: str

    @staticmethod
    def of(content: bytes) -> "Digest":
        """The digest of bytes."""
        return Digest(len(content), hashlib.sha256(content).hexdigest())


Listed = dict[str, tuple[Digest | None, ...]]  # a file's name → what it may be; None: not there


def check(folder: Path, names: Iterable[str] = HELD, *, accept: bool = False) -> list[str]:
    """Compare files of a run with its checksums, and return remarks to be shown: accepted changes, no checksums.

    accept   whether files that were changed may be used
    Errors   FormatError naming the changed files, unless ``accept``
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
        time.sleep(PAUSE)  # the run is being trained, and has just written other files
    else:
        return []
    if _announced(folder) and (folder / CONFIG).is_file():
        return _changed(folder, [CHECKSUMS], accept)
    return [f"{folder} has no checksums: it was written before chainrule kept them, and changes would not be seen"]


def read(folder: Path) -> Listed | None:
    """Return what checksums.json lists; None when there is none, or when it was itself changed."""
    path = folder / CHECKSUMS
    if not path.is_file():
        return None
    try:
        found = files.read_json(path)
        if found["format"] != FORMAT or found["sha256"] != _own(found["files"]):
            return None
        return {name: tuple(_digest(one) for one in several) for name, several in found["files"].items()}
    except (FormatError, KeyError, TypeError, ValueError, AttributeError):
        return None


def refuse_foreign(folder: Path) -> None:
    """RunError when a file of that name lies in the folder of a new run which no run wrote."""
    if (folder / CHECKSUMS).exists() and read(folder) is None:
        raise RunError(f"{folder} holds another {CHECKSUMS}; choose another folder")


def history_bytes(folder: Path) -> int | None:
    """Return how many bytes of history.csv the checksums vouch for; None when they list none."""
    listed = (read(folder) or {}).get(HISTORY, ())
    sizes = [one.size for one in listed if one is not None and _matches(folder / HISTORY, (one,))]
    return max(sizes, default=None)


class Recorder:
    """Writes the files of a run, whose folder is locked, and their checksums before them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._now: dict[str, Digest] = {}
        for name in HELD:
            if (folder / name).is_file():
                self._now[name] = _digest_of(folder / name)
        listed = read(folder) or {}
        if HISTORY in self._now:  # rows behind those listed may be torn
            known = [one for one in listed.get(HISTORY, ()) if one and _matches(folder / HISTORY, (one,))]
            self._now[HISTORY] = max(known, key=lambda one: one.size, default=self._now[HISTORY])
        self._history = hashlib.sha256()

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Replace files, in the order given, each whole or not at all."""
        coming = {name: Digest.of(content) for name, content in contents.items()}
        self._list(coming)
        for name, content in contents.items():
            files.write_whole(self.folder / name, content)
            self._now[name] = coming[name]
        if HISTORY in contents:
            self._history = hashlib.sha256(contents[HISTORY])

    def append_history(self, rows: bytes) -> None:
        """Append rows to history.csv, which `write` wrote; they are listed by the next `write` or `settle`."""
        files.append(self.folder / HISTORY, rows)
        self._history.update(rows)
        self._now[HISTORY] = Digest(self._now[HISTORY].size + len(rows), self._history.hexdigest())

    def settle(self) -> None:
        """List every file as it is now, and as nothing else."""
        self._list({})

    def _list(self, coming: Mapping[str, Digest]) -> None:
        listed: dict[str, list[Any]] = {}
        for name in (name for name in HELD if name in self._now or name in coming):
            may_be = dict.fromkeys([self._now.get(name), coming.get(name, self._now.get(name))])
            listed[name] = [None if one is None else [one.size, one.sha256] for one in may_be]
        content = {"format": FORMAT, "files": listed, "sha256": _own(listed)}
        files.write_whole(self.folder / CHECKSUMS, files.json_bytes(content))


def _changed(folder: Path, names: list[str], accept: bool) -> list[str]:
    parts = [f"{name} was {'changed' if (folder / name).exists() else 'removed'}" for name in names]
    what = f"{folder}: {', '.join(parts)} since the run wrote it"
    if not accept:
        raise FormatError(f"{what}; --accept-changes goes on nevertheless")
    return [f"{what}, and is used as it is"]


def _announced(folder: Path) -> bool:
    """Return whether there should be checksums: config.json says so, or a file of that name is there."""
    if (folder / CHECKSUMS).exists():
        return True
    try:
        found = files.read_json(folder / CONFIG)
    except FormatError:
        return False
    return isinstance(found, dict) and "checksums" in found


def _matches(path: Path, listed: tuple[Digest | None, ...]) -> bool:
    """Return whether a file is as listed; of history.csv, whether it begins so."""
    if not path.is_file():
        return None in listed
    whole = path.name != HISTORY
    try:
        return any(one is not None and _digest_of(path, None if whole else one.size) == one for one in listed)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None


def _digest_of(path: Path, size: int | None = None) -> Digest:
    """The digest of a file, or of its first bytes."""
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


def _own(listed: Any) -> str:
    """The checksum of the checksums: they, too, may be changed or damaged."""
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        found = (folder / CHECKSUMS).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
