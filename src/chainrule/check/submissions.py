"""The entries of a homework folder. Each entry specifies a file to grade, or the reason why there is none.

A submission is a Python file, a notebook, or a folder with one of these. If a folder contains several Python files, the
file that defines both forward and backward is graded. Links are not followed, and archives are not opened. Names that
begin with _ or . are not submissions. Submissions may import those that the teacher names (`_given.py`).
"""

import os
import re
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chainrule.errors import DataError, printable

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
CODE, NOTEBOOK = ".py", ".ipynb"
MAX_SIZES = {CODE: 1 << 20, NOTEBOOK: 16 << 20}  # maximum size of a file, in bytes
MAX_NESTING = 3  # maximum depth of folders that contain only another folder
MAX_FILES = 1000  # maximum number of files and folders in a submission
MAX_LISTED = 5  # maximum number of names listed in a sentence
Definitions = Sequence[re.Pattern[str]]
DEFINITIONS = tuple(
    re.compile(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{name}[ \t]*\(", re.M) for name in ("forward", "backward")
)


@dataclass(frozen=True)
class Submission:
    """An entry of a homework folder.

    name      name for display, with unprintable characters escaped by backslashes
    file      the file to grade; None if there is none
    readable  paths that the submission may read: the file, or the submitted folder
    reason    the reason why there is no file to grade; None if there is one
    """

    name: str
    file: Path | None = None
    readable: tuple[Path, ...] = ()
    reason: str | None = None


def entries(folder: Path, definitions: Definitions = DEFINITIONS, shared: Sequence[str] = ()) -> list[Submission]:
    """Return all entries of a folder, sorted by name; DataError if there are none.

    definitions   patterns that identify the file to grade if there are several Python files
    shared        names of entries that all submissions may import
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    paths = sorted(path for path in folder.iterdir() if not _is_ignored(path))
    if not paths:
        raise DataError(f"{folder}: no submissions (files *.py or *.ipynb, or folders with one)")
    given = _shared(folder, shared)
    return [_entry(path, given, definitions) for path in paths if path not in given]


def single_entry(path: Path, definitions: Definitions = DEFINITIONS, shared: Sequence[str] = ()) -> Submission:
    """Return the entry of a single submission, a file or a folder; DataError if the path does not exist."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    path = path.resolve()
    return _entry(path, _shared(path.parent, shared), definitions)


def ignored_entries(folder: Path) -> list[str]:
    """Return the names in a folder that begin with _ or . and are therefore not submissions."""
    return sorted(printable(path.name) for path in folder.iterdir() if _is_ignored(path))


def _shared(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Return the entries that all submissions may import; DataError for others, and for names of Python's modules."""
    paths = list[Path]()
    for name in names:
        path = folder / name
        if Path(name).name != name or not path.exists() or not _holds_no_links(path):
            raise DataError(f"--shared {name}: expected a file or a folder without links in {folder}")
        if path.stem in sys.stdlib_module_names:
            raise DataError(f"--shared {name}: Python has a module of this name; rename the file")
        paths.append(path)
    return tuple(paths)


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(("_", "."))


def _entry(path: Path, shared: tuple[Path, ...], definitions: Definitions) -> Submission:
    name = printable(path.name)
    try:
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            return _folder(path, name, shared, definitions)
        reason = _unusable_reason(path)
    except OSError as error:
        reason = error.strerror or str(error)
    if reason is not None:
        return Submission(name, reason=reason)
    return Submission(name, path, (path, *shared))


def _folder(path: Path, name: str, shared: tuple[Path, ...], definitions: Definitions) -> Submission:
    """Return the entry of a folder: its only candidate, inside any folders that contain only another folder.

    Candidates are Python files or, without any, notebooks. Of several Python files, those that define what is to be
    graded are candidates. Links are refused, because they may lead out of the submission.
    """
    folder = path
    for _ in range(MAX_NESTING):
        contents = list[Path]()
        for entry in sorted(folder.iterdir()):
            if not _is_ignored(entry):
                contents.append(entry)
        if len(contents) != 1 or contents[0].is_symlink() or not contents[0].is_dir():
            break
        folder = contents[0]
    link = _first_link(path)
    if link is not None:
        return Submission(name, reason=link)
    contents = list[Path]()
    for entry in sorted(folder.iterdir()):
        if not _is_ignored(entry):
            contents.append(entry)
    code = list[Path]()
    for entry in contents:
        if entry.suffix.lower() == CODE:
            code.append(entry)
    notebooks = list[Path]()
    for entry in contents:
        if entry.suffix.lower() == NOTEBOOK:
            notebooks.append(entry)
    candidates = code or notebooks
    if len(code) > 1:
        candidates = list[Path]()
        for entry in code:
            if _unusable_reason(entry) is None and _defines(entry, definitions):
                candidates.append(entry)
    if len(candidates) != 1:
        return Submission(name, reason=_ambiguous(contents, code, notebooks, len(candidates)))
    reason = _unusable_reason(candidates[0])
    file = printable(str(candidates[0].relative_to(path.parent)))
    if reason is not None:
        return Submission(name, reason=f"{file}: {reason}")
    return Submission(file, candidates[0], (folder, *shared))


def _ambiguous(contents: list[Path], code: list[Path], notebooks: list[Path], fitting: int) -> str:
    if not contents:
        return "an empty folder"
    if code:
        if fitting:
            which = "several define"
        else:
            which = "none defines"
        return f"{len(code)} Python files, {which} what is to be graded: {_list_names(code)}"
    if notebooks:
        return f"{len(notebooks)} notebooks: {_list_names(notebooks)}; leave one"
    return f"no Python file and no notebook, but {_list_names(contents)}"


def _list_names(paths: list[Path]) -> str:
    names = list[str]()
    for path in paths:
        names.append(printable(path.name) + "/" * path.is_dir())
    return ", ".join(names[:MAX_LISTED]) + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")


def _holds_no_links(path: Path) -> bool:
    return not path.is_symlink() and (not path.is_dir() or _first_link(path) is None)


def _first_link(folder: Path) -> str | None:
    """Return the reason why a folder is refused (a link, or too many files), or None if it is accepted."""
    count = 0
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            count += 1
            if Path(root, name).is_symlink():
                return f"{printable(str(Path(root, name).relative_to(folder)))} is a link, and links are not followed"
            if count > MAX_FILES:
                return f"more than {MAX_FILES:,} files and folders"
    return None


def _unusable_reason(path: Path) -> str | None:
    """Return the reason why a file's name, type or size prevents grading; None if nothing does."""
    status = path.lstat()
    suffix = path.suffix.lower()
    if not path.name.isascii() and "\ufffd" in os.fsencode(path).decode("utf-8", "replace"):
        return "its name is not valid text: rename it"
    if stat.S_ISLNK(status.st_mode):
        return "a link, and links are not followed"
    if suffix in ARCHIVES:
        return "an archive; archives are not opened: unpack it into a folder"
    if suffix not in MAX_SIZES:
        return "neither a Python file (.py) nor a notebook (.ipynb)"
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if status.st_size > MAX_SIZES[suffix]:
        return f"{status.st_size >> 20} MB; at most {MAX_SIZES[suffix] >> 20} MB are read"
    if not os.access(path, os.R_OK):
        return "permission denied"
    return None


def _defines(file: Path, definitions: Definitions) -> bool:
    """Return whether a file's text contains every definition. The file is neither parsed nor run."""
    text = file.read_text(encoding="utf-8", errors="replace")
    return all(definition.search(text) for definition in definitions)
