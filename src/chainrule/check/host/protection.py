"""Confinement of untrusted submissions: their permissions, the kernel's protection, and their temporary folders."""

import importlib.util
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import chain, starmap
from pathlib import Path
from typing import Any

from chainrule.check.host.process import start
from chainrule.errors import ChainruleError, OptionError, StudentError, one_line

NUMPY = ("numpy",)
NOT_LINUX = "namespaces exist on Linux only"
SPARE_USERS = range(61_184, 65_520)  # ids that are not assigned to users; every submission gets its own
MAX_COPY, BLOCK_BYTES = 1 << 28, 4096  # bytes that are copied of a submission, and at least of each file
TRIAL_SECONDS, TRIAL_MEMORY = 30, 2 << 30  # limits of the process that tests the protection; memory in bytes


@dataclass(frozen=True)
class Protection:
    """The protection of submissions on this machine. As a string, it is a line for reports.

    namespaces   whether a submission has its own file system, processes and network
    user         whether it runs as a user that owns no other files, because the grader is root
    call_filter  whether libseccomp refuses it some system calls
    missing      reasons why there are no namespaces or no filter
    """

    namespaces: bool
    user: bool
    call_filter: bool
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = ["Linux namespaces" if self.namespaces else "not isolated by the kernel"]
        if self.user:
            parts.append("another user")
        if self.call_filter:
            parts.append("filter of system calls (libseccomp)")
        return "; ".join([", ".join(parts), *self.missing])


@dataclass(frozen=True)
class Permissions:
    """The permissions of an untrusted submission: its own files, NumPy, and little else.

    readable  files, and folders with all their contents; the submission receives a copy
    packages  folders of packages by name, which may be imported in addition to the standard library
    memory    memory limit in bytes
    """

    readable: tuple[Path, ...]
    packages: Mapping[str, str]
    memory: int


def package_folders(names: Sequence[str] = NUMPY) -> dict[str, str]:
    """Return the folders of packages by name; OptionError for chainrule and for packages that are not installed."""
    folders: dict[str, str] = {}
    for name in dict.fromkeys([*NUMPY, *names]):
        if name.isidentifier():
            spec = importlib.util.find_spec(name)
        else:
            spec = None
        if spec is None or spec.origin is None or name == "chainrule":
            raise OptionError(f"package {name!r}: expected the name of an installed package other than chainrule")
        origin = Path(spec.origin)
        folders[name] = str(origin.parents[1] if origin.name == "__init__.py" else origin.parent)
    return folders


@cache
def available_protection() -> Protection:
    """Return the protection that this machine grants. It is tested by starting processes with each protection."""
    if sys.platform != "linux":
        return Protection(False, False, False, (f"no namespaces: {NOT_LINUX}",))
    missing = list[str]()
    root = os.getuid() == 0
    unfiltered = _failure(Protection(False, False, True))
    if unfiltered:
        missing.append(f"no filter of system calls: {unfiltered}")
    user = root
    refused = _failure(Protection(True, root, not unfiltered))
    if refused:
        missing.append(f"no namespaces: {refused}")
        user = root and not _failure(Protection(False, True, not unfiltered))
    return Protection(not refused, user, not unfiltered, tuple(missing))


class NotGivenError(ChainruleError):
    """Files that cannot be given to another user. A container that maps a single user has no other one."""


def _failure(protection: Protection) -> str:
    """Return the reason why this protection is refused to a process, or an empty string if it is granted.

    Errors   OSError if no process can be tried, for example without memory or disk space: this is no reason to do
             without the protection
    """
    permissions = Permissions((), package_folders(), TRIAL_MEMORY)
    try:
        with (
            confine(permissions, TRIAL_SECONDS, protection) as (folder, options),
            start([str(folder)], options) as trial,
        ):
            lines = trial.communicate()[1].decode("utf-8", "replace").splitlines()
    except NotGivenError as error:
        return str(error)
    if trial.returncode:
        return one_line(lines[-1] if lines else "the process ended unexpectedly")
    return ""


@contextmanager
def confine(permissions: Permissions, seconds: int, protection: Protection) -> Generator[tuple[Path, dict[str, Any]]]:
    """Yield a temporary folder with a copy of a submission's files, and its confinement as in `guest/boot.py`.

    seconds  limit on the processor time

    Errors   NotGivenError if the protection needs another user, who cannot become the owner of the copy
    """
    with tempfile.TemporaryDirectory(prefix="chainrule-", ignore_cleanup_errors=True) as name:
        home = Path(os.path.realpath(name))
        folder = home / "submission"
        work = home / "work"
        folder.mkdir()
        work.mkdir()
        _copy(permissions.readable, folder)
        user = None
        if protection.user:
            user = secrets.choice(SPARE_USERS)
            _give(home, user)
        yield (
            folder,
            {
                "packages": dict(permissions.packages),
                "installed": [*chain(*starmap(_package_paths, permissions.packages.items()))],
                "submission": str(folder),
                "work": str(work),
                "namespaces": protection.namespaces,
                "user": user,
                "call_filter": protection.call_filter,
                "seconds": seconds,
                "memory": permissions.memory,
            },
        )


def common_folder(readable: Sequence[Path]) -> Path:
    """Return the folder that contains all paths that a submission may read."""
    return Path(os.path.commonpath([path.resolve().parent for path in readable]))


def _give(home: Path, user: int) -> None:
    """Make a user the owner of a folder and its contents."""
    for path in (home, *home.rglob("*")):
        try:
            os.chown(path, user, user, follow_symlinks=False)
        except OSError as error:
            raise NotGivenError(
                f"the files of a submission cannot be given to another user ({error.strerror})"
            ) from None


def _copy(readable: Sequence[Path], folder: Path) -> None:
    """Copy files and folders to a folder, with the same relative positions. Pipes and unreadable files are skipped."""
    size = 0
    for path in readable:
        for file in (path, *path.rglob("*")):
            size += BLOCK_BYTES + file.lstat().st_size  # sparse files are written out in full
    if size > MAX_COPY:
        raise StudentError(f"its files have {size >> 20:,} MB; expected at most {MAX_COPY >> 20}")
    for path in readable:
        target = folder / path.resolve().relative_to(common_folder(readable))
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # and its subclass shutil.Error
            if path.is_dir():
                shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copyfile(path, target)


def _package_paths(package: str, folder: str) -> list[str]:
    """Return the paths that a package may consist of: a folder, a module, and shared libraries."""
    return [str(Path(folder, part)) for part in (package, f"{package}.py", f"{package}.libs")]
