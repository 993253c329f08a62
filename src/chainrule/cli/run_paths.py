"""Output paths: run folders, named by the user or dated, and checks that a file can be written."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path

from chainrule._io.reading import kind_of
from chainrule.errors import RunError
from chainrule.runs.folder import refuse_occupied

RUNS = Path("runs")


@contextmanager
def reserve(out: Path | None, name: str) -> Generator[Path]:
    """Create a run folder: `out`, or runs/NAME-DATE-TIME; remove it again if it is still empty in the end."""
    made: list[Path] = []
    try:
        yield _new(out, made) if out is not None else _dated(name, made)
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # not empty: keep it
                folder.rmdir()


def require_writable(path: Path | None) -> None:
    """Raise RunError when a file cannot be written to a path, to fail before the work instead of after it."""
    if path is None:
        return
    if path.exists() and not path.is_file():
        raise RunError(f"cannot write {path}: it is {kind_of(path.stat().st_mode)}")
    if not path.parent.is_dir():
        raise RunError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise RunError(f"cannot write {path}: permission denied")


def require_folder(path: Path) -> Path:
    """Return the path of a folder, which need not exist yet; RunError when it is anything else."""
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is not a folder; choose another")
    return path


def _new(folder: Path, made: list[Path]) -> Path:
    refuse_occupied(folder)
    _make(folder, made)
    if not os.access(folder, os.W_OK):
        raise RunError(f"cannot write to the run folder {folder}")
    return folder


def _dated(name: str, made: list[Path]) -> Path:
    _make(RUNS, made)
    plain = re.sub(r"[^\w.-]+", "-", name).strip(".-")  # a user's network may have any name
    first = f"{plain or 'run'}-{datetime.now():%Y-%m-%d-%H%M}"
    for number in count(1):
        folder = RUNS / (first if number == 1 else f"{first}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise _cannot(folder, error) from None
        made.append(folder)
        return folder
    raise AssertionError


def _make(folder: Path, made: list[Path]) -> None:
    """Create a folder and its missing parents, and append them to `made`."""
    try:
        for place in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
            place.mkdir(exist_ok=True)
            made.append(place)
    except OSError as error:
        raise _cannot(folder, error) from None
    if not folder.is_dir():
        raise RunError(f"cannot make the run folder {folder}: it is a file")


def _cannot(folder: Path, error: OSError) -> RunError:
    return RunError(f"cannot make the run folder {folder}: {error.strerror or error}")
