"""Output paths: run folders, and checks that a file can be written."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path

from chainrule._io.reading import kind_of
from chainrule.errors import OptionError, RunError
from chainrule.runs.folder import refuse_occupied

RUNS = Path("runs")


@contextmanager
def reserve(out: Path | None, name: str) -> Generator[Path]:
    """Create the run folder `out` (default: runs/NAME-DATE-TIME); remove it on exit if it is still empty."""
    created: list[Path] = []
    try:
        if out is None:
            yield _create_dated(name, created)
        else:
            yield _create_empty(out, created)
    finally:
        for folder in reversed(created):
            with suppress(OSError):  # not empty: keep it
                folder.rmdir()


def explained(run: Path | None, model: str | None) -> Path | None:
    """Return the run to explain: by default the newest one; None for a network by name, and without runs.

    Errors   OptionError for both a run and a name
    """
    from chainrule.web.subjects import newest_run

    if run is not None and model is not None:
        raise OptionError(f"expected a RUN or --model NAME, found both {run} and {model}")
    if run is None and model is None:
        return newest_run(RUNS)
    return run


def require_writable(path: Path) -> Path:
    """Return the path of a file, which need not exist; raise RunError if it cannot be written."""
    if path.exists() and not path.is_file():
        raise RunError(f"cannot write {path}: it is {kind_of(path.stat().st_mode)}")
    if not path.parent.is_dir():
        raise RunError(f"cannot write {path}: there is no folder {path.parent}")
    written = path if path.exists() else path.parent
    if not os.access(written, os.W_OK):
        raise RunError(f"cannot write {path}: permission denied")
    return path


def require_folder(path: Path) -> Path:
    """Return the path of a folder, which need not exist; raise RunError if it exists and is not a folder."""
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is not a folder; choose another")
    return path


def _create_empty(folder: Path, created: list[Path]) -> Path:
    refuse_occupied(folder)
    _create(folder, created)
    if not os.access(folder, os.W_OK):
        raise RunError(f"cannot write to the run folder {folder}")
    return folder


def _create_dated(name: str, created: list[Path]) -> Path:
    _create(RUNS, created)
    safe_name = re.sub(r"[^\w.-]+", "-", name).strip(".-")  # a user's network may have any name
    base = f"{safe_name or 'run'}-{datetime.now():%Y-%m-%d-%H%M}"
    for number in count(1):
        folder = RUNS / (base if number == 1 else f"{base}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise _creation_error(folder, error) from None
        created.append(folder)
        return folder
    raise AssertionError


def _create(folder: Path, created: list[Path]) -> None:
    """Create a folder and its missing parents, and append them to `created`."""
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            created.append(path)
    except OSError as error:
        raise _creation_error(folder, error) from None
    if not folder.is_dir():
        raise RunError(f"cannot create the run folder {folder}: it is a file")


def _creation_error(folder: Path, error: OSError) -> RunError:
    return RunError(f"cannot create the run folder {folder}: {error.strerror or error}")
