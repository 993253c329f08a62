"""An audit hook that denies a submission access to other files, other processes and their memory, and the network.

An audit hook (PEP 578) cannot be removed. However, a submission can obtain the hook's functions from the traceback of
a refusal, or from a signal that interrupts it, so nothing inside these functions may be mutable. They use neither
global names nor closures. All their data is stored in tuples, as default arguments, and the fence refuses changes to
their code and defaults. The fence is not a sandbox: native code, and memory writes through a forged address, bypass
it (SECURITY.md).
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

REFUSED = {  # prefixes of refused events, by description in error messages
    "start processes": ("os.fork", "os.exec", "os.spawn", "os.posix_spawn", "os.system", "os.startfile", "subprocess."),
    "open terminals": ("pty.",),
    "use the network": ("socket.", "urllib.", "ftplib.", "http.", "smtplib.", "poplib.", "imaplib.", "webbrowser."),
    "touch other processes": ("os.kill", "signal.pthread_kill", "resource.prlimit", "resource.setrlimit", "sys.remote"),
    "run native code": ("ctypes.", "_winapi.", "winreg.", "msvcrt."),
    "look into the interpreter": ("gc.get_", "code.__new__", "sys._current_frames", "cpython._PySys_ClearAuditHooks"),
    "make links": ("os.symlink", "os.link"),
    "use the system": ("sqlite3.", "syslog.", "fcntl.", "os.mount", "mmap."),
}
UNAUDITED = {  # functions without audit events, and the modules from which they are removed
    "fork_exec": ("_posixsubprocess",),
    "_fork_exec": ("subprocess",),
    "pidfd_send_signal": ("signal", "_signal"),
    **dict.fromkeys(("pidfd_open", "setpriority", "sched_setaffinity", "chroot", "unshare", "setns"), ("os", "posix")),
    **dict.fromkeys(("sched_setscheduler", "sched_setparam", "setsid", "setpgid", "setpgrp"), ("os", "posix")),
    **dict.fromkeys(("mkfifo", "mknod"), ("os", "posix")),
    "create_builtin": ("_imp",),  # would create new copies of modules, including the removed functions
}
UNSAFE_MODULES = frozenset((  # compiled standard modules that perform refused operations without audit events
    *("_interpreters", "_xxsubinterpreters", "_posixsubprocess", "_posixshmem", "_multiprocessing"),
    *("readline", "_dbm", "_gdbm", "_tkinter", "_curses", "_ctypes_test"),
))  # fmt: skip
TEST_PREFIX = "_test"  # prefix of modules that test Python itself
WRITE_EVENTS = frozenset((
    *("os.chmod", "os.chown", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.utime"),
    *("os.setxattr", "os.removexattr", "os.chflags"),
))  # fmt: skip
LIST_EVENTS = frozenset(("os.listdir", "os.scandir", "os.chdir"))
DEVICES = frozenset(("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"))
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MAX_FILES = 100  # maximum number of files that a submission may write
SITE_FOLDERS = ("/site-packages/", "/dist-packages/")
WINDOWS = os.name == "nt"

PROTECTED_ATTRIBUTES = frozenset(("__code__", "__defaults__", "__kwdefaults__"))  # attributes of the fence's functions

Hook = Callable[[str, tuple[Any, ...]], None]
Check = Callable[[Any], None]
Resolver = Callable[[Any], str]
Prefixes = tuple[str, ...]


def install(readable: Sequence[str], packages: Sequence[str], listed: Sequence[str], writable: str) -> None:
    """Install the fence. Afterwards, only these files can be read, and only one folder can be written to.

    readable  files, and folders with all their contents
    packages  like readable, but compiled modules may be imported from them
    listed    folders that may be listed
    writable  the folder where files may be written
    """
    for name in sys.builtin_module_names:
        if name not in UNSAFE_MODULES and not name.startswith(TEST_PREFIX):
            with suppress(ImportError):
                importlib.import_module(name)  # the fence would refuse it later
    for module, name in ((module, name) for name, modules in UNAUDITED.items() for module in modules):
        if hasattr(sys.modules.get(module), name):
            delattr(sys.modules[module], name)
    refuse, library = _make_refuser(), _prefixes([os.path.dirname(os.__file__)])
    resolved, installed = _make_resolver(refuse), _make_installed(library, _prefixes(packages))
    owned, within = _prefixes(readable), _prefixes([writable])
    read = _make_reader(refuse, resolved, installed, owned + within)
    list_folder = _make_folder_lister(refuse, resolved, installed, owned + within, _prefixes(listed))
    checks = (
        refuse,
        read,
        list_folder,
        _make_loader(refuse, resolved, installed),
        _make_writer(refuse, resolved, within),
    )
    sys.addaudithook(_make_hook(*checks, protected=(*checks, resolved, installed)))


def _prefixes(paths: Sequence[str]) -> tuple[str, ...]:
    """Return each path with a final slash, with and without resolved links, in the form used by the hook."""
    absolute = [resolve(path) for path in paths for resolve in (os.path.abspath, os.path.realpath)]
    return tuple(dict.fromkeys(f"{_normalized(path)}/" for path in absolute))


def _normalized(path: str) -> str:
    return path.replace("\\", "/").lower() if WINDOWS else path


# Each function below returns a function without global names and closures. The module docstring explains the reason.


def _make_hook(
    refuse: Check, read: Check, list_folder: Check, load: Check, write: Check, protected: tuple[Any, ...]
) -> Hook:
    """Return the hook. It also protects the other functions from changes. No code can access the hook itself."""
    events = tuple((beginning, what) for what, prefixes in REFUSED.items() for beginning in prefixes)

    def hook(
        event: str,
        arguments: tuple[Any, ...],
        checks: tuple[Check, Check, Check, Check, Check] = (refuse, read, list_folder, load, write),
        names: tuple[frozenset[str], frozenset[str], frozenset[str], int] = (
            WRITE_EVENTS,
            LIST_EVENTS,
            PROTECTED_ATTRIBUTES,
            WRITE_FLAGS,
        ),
        events: tuple[tuple[str, str], ...] = events,
        protected: tuple[Any, ...] = protected,
    ) -> None:
        refuse, read, list_folder, load, write = checks
        write_events, list_events, attributes, write_flags = names
        if event == "open":
            path, mode, flags = arguments
            modes = mode or ""
            is_write = flags and flags & write_flags
            if is_write or "w" in modes or "a" in modes or "x" in modes or "+" in modes:
                write(path)
            else:
                read(path)
        elif event == "import":
            if arguments[1]:
                load(arguments[1])
        elif event in list_events:
            list_folder(arguments[0])
        elif event in write_events:
            write(arguments[0])
        elif event == "os.rename":
            write(arguments[0])
            write(arguments[1])
        elif event == "object.__setattr__" or event == "object.__delattr__":
            for function in protected:
                if arguments[0] is function and arguments[1] in attributes:
                    refuse("change the fence")
        else:
            for prefix, description in events:
                if event.startswith(prefix):
                    refuse(description)

    return hook


def _make_installed(library: Prefixes, packages: Prefixes) -> Callable[[str], bool]:
    """Return a predicate for paths with a final slash: whether they belong to the standard library or a package."""

    def installed(
        within: str, library: Prefixes = library, packages: Prefixes = packages, sites: tuple[str, str] = SITE_FOLDERS
    ) -> bool:
        standard = within.startswith(library) and sites[0] not in within and sites[1] not in within
        return standard or within.startswith(packages)

    return installed


def _make_reader(refuse: Check, resolved: Resolver, installed: Callable[[str], bool], owned: Prefixes) -> Check:
    """Return the check for paths that are opened for reading."""

    def read(
        path: Any,
        checks: tuple[Check, Resolver, Callable[[str], bool]] = (refuse, resolved, installed),
        owned: Prefixes = owned,
        devices: frozenset[str] = DEVICES,
        system: tuple[Any, ...] = (type, int, os.stat, OSError),
    ) -> None:
        refuse, resolved, installed = checks
        type_of, integer, status, missing = system
        location = "" if type_of(path) is integer else resolved(path)
        if not location or location in devices:
            return
        if not f"{location}/".startswith(owned) and not installed(f"{location}/"):
            refuse(f"read {location}")
        try:
            folder = status(location).st_mode & 0o170000 == 0o040000
        except missing:
            return
        if folder:
            refuse("open folders")

    return read


def _make_folder_lister(
    refuse: Check, resolved: Resolver, installed: Callable[[str], bool], owned: Prefixes, listed: Prefixes
) -> Check:
    """Return the check for folders that are listed or entered."""

    def list_folder(
        path: Any,
        checks: tuple[Check, Resolver, Callable[[str], bool]] = (refuse, resolved, installed),
        owned: Prefixes = owned,
        listed: Prefixes = listed,
        types: tuple[type, type] = (type, int),
    ) -> None:
        refuse, resolved, installed = checks
        type_of, integer = types
        within = "" if path is None or type_of(path) is integer else f"{resolved(path)}/"
        if within and not within.startswith(owned) and not installed(within) and within not in listed:
            refuse(f"read {within}")

    return list_folder


def _make_loader(refuse: Check, resolved: Resolver, installed: Callable[[str], bool]) -> Check:
    """Return the check for compiled modules that are loaded."""

    def load(
        path: Any,
        checks: tuple[Check, Resolver, Callable[[str], bool]] = (refuse, resolved, installed),
        names: tuple[frozenset[str], str] = (UNSAFE_MODULES, TEST_PREFIX),
    ) -> None:
        refuse, resolved, installed = checks
        native, tests = names
        location = resolved(path)
        if not installed(f"{location}/"):
            refuse("run native code")
        name = location.rpartition("/")[2].partition(".")[0]
        if name in native or name.startswith(tests):
            refuse(f"import {name}")

    return load


def _make_writer(refuse: Check, resolved: Resolver, writable: Prefixes) -> Check:
    """Return the check for paths that are written, created or removed."""
    written = set[str]()  # clearing it only allows more files in a temporary folder

    def write(
        path: Any,
        checks: tuple[Check, Resolver] = (refuse, resolved),
        writable: Prefixes = writable,
        limits: tuple[frozenset[str], set[str], int] = (DEVICES, written, MAX_FILES),
        system: tuple[Any, ...] = (type, int, len),
    ) -> None:
        refuse, resolved = checks
        devices, written, files = limits
        type_of, integer, count = system
        location = "" if type_of(path) is integer else resolved(path)
        if not location or location in devices:
            return
        if not f"{location}/".startswith(writable):
            refuse(f"write {location}")
        written.add(location)
        if count(written) > files:
            refuse(f"write more than {files} files")

    return write


def _make_resolver(refuse: Check) -> Resolver:
    """Return a function that makes paths absolute and removes . and .. (no links can be created)."""

    def resolved(
        path: Any,
        refuse: Check = refuse,
        types: tuple[Any, ...] = (type, str, bytes),
        current_folder: Callable[[], str] = os.getcwd,
        windows: bool = WINDOWS,
    ) -> str:
        type_of, text, raw = types
        if type_of(path) is raw:
            path = path.decode("utf-8", "surrogateescape")
        if type_of(path) is not text:  # Python converts all paths to text, except custom subclasses
            refuse("open a path of a custom type")
        absolute = path[:1] == "/" or (windows and (path[:1] == "\\" or path[1:2] == ":"))
        whole = path if absolute else f"{current_folder()}/{path}"
        if windows:
            whole = whole.replace("\\", "/").lower()
        parts: list[str] = []
        for part in whole.split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts = [*parts, part]
        return "/".join(parts) if windows else "/" + "/".join(parts)

    return resolved


def _make_refuser() -> Check:
    def refuse(why: str, error: type[Exception] = PermissionError) -> None:
        raise error(f"a submission may not {why}: it is checked in isolation")

    return refuse
