"""An audit hook that denies a submission access to other files, other processes and the network.

The fence is installed only where the kernel does not isolate the submission. It stops Python code that replaces
functions and built-in names. It does not stop code that is written to remove it, because it runs inside the process
that it guards. For example, native code bypasses it, and a signal handler can change its variables (PEP 667).
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

REFUSED = {  # prefixes of refused events, by description in error messages
    "start processes": ("os.fork", "os.exec", "os.spawn", "os.posix_spawn", "os.system", "os.startfile", "subprocess."),
    "use the network": ("socket.", "urllib.", "ftplib.", "http.", "smtplib.", "poplib.", "imaplib.", "webbrowser."),
    "touch other processes": ("os.kill", "signal.pthread_kill", "resource.prlimit", "resource.setrlimit", "sys.remote"),
    "run native code": ("ctypes.", "_winapi.", "winreg.", "msvcrt."),
    "make links": ("os.symlink", "os.link"),
    "use the system": ("pty.", "sqlite3.", "syslog.", "fcntl.", "os.mount", "mmap."),
}
WRITE_EVENTS = frozenset((
    *("os.chmod", "os.chown", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.utime", "os.rename"),
    *("os.setxattr", "os.removexattr", "os.chflags"),
))  # fmt: skip
LIST_EVENTS = frozenset(("os.listdir", "os.scandir", "os.chdir"))
UNSAFE_MODULES = ("_posixsubprocess", "_interpreters", "_xxsubinterpreters", "_testcapi")  # without audit events
IMPORTED_LATER = (ctypes, subprocess)  # NumPy imports these lazily, which the fence would refuse
DEVICES = ("/dev/null/", "/dev/zero/", "/dev/urandom/", "/dev/random/")
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MAX_FILES = 100  # maximum number of files that a submission may write
OTHER_PACKAGES = ("/site-packages/", "/dist-packages/")
WINDOWS = os.name == "nt"


def install(installed: Sequence[str], submission: str, writable: str, listed: Sequence[str]) -> None:
    """Install the fence. Afterwards, only these paths and the standard library can be read.

    installed   files and folders of the exposed packages, whose compiled modules may be imported
    submission  folder with a copy of the submission
    writable    the only folder where files may be written
    listed      other folders that may be listed
    """
    for name in UNSAFE_MODULES:
        cast("dict[str, Any]", sys.modules)[name] = None  # an import raises ModuleNotFoundError
    for name in ("signal", "_signal"):
        vars(sys.modules[name]).pop("pidfd_send_signal", None)  # raises no audit event
    hook = _make_hook(
        installed=_prefixes(installed),
        own=_prefixes([submission, writable]),
        writable=_prefixes([writable]),
        listed=_prefixes(listed),
    )
    sys.addaudithook(hook)


def _prefixes(paths: Sequence[str]) -> tuple[str, ...]:
    """Return each path as the fence compares it, with and without resolved links."""
    resolve = _make_resolver()
    prefixes = list[str]()
    for path in paths:
        prefixes.append(resolve(os.path.abspath(path)))
        prefixes.append(resolve(os.path.realpath(path)))
    return tuple(prefixes)


def _refuse(
    action: str, error: type[Exception] = PermissionError, write: Callable[[int, bytes], int] = os.write
) -> None:
    """Raise the error about a refused action, and print it, as the submission may catch the error."""
    message = f"a submission may not {action}: it is checked in isolation"
    write(2, f"{message}\n".encode(errors="replace"))
    raise error(message)


# Each function below returns a function that uses no global names, because a submission could replace their values.


def _refused_events() -> tuple[tuple[str, str], ...]:
    """Return the prefixes of refused events, each with its action."""
    events = list[tuple[str, str]]()
    for action, prefixes in REFUSED.items():
        for prefix in prefixes:
            events.append((prefix, action))
    return tuple(events)


def _make_file_checks(
    installed: tuple[str, ...], own: tuple[str, ...], writable: tuple[str, ...]
) -> tuple[Callable[[str], None], Callable[[str], None], Callable[[str], None]]:
    """Return functions that refuse to read, to write and to import a file. The arguments are prefixes of paths.

    own   prefixes of the submission's files, which it may read
    """
    library = _prefixes([os.path.dirname(os.__file__)])
    others = OTHER_PACKAGES
    devices = DEVICES
    max_files = MAX_FILES
    refuse = _refuse
    written = set[str]()
    count = len

    def is_installed(path: str) -> bool:
        other = others[0] in path or others[1] in path
        return path.startswith(installed) or (path.startswith(library) and not other)

    def read(path: str) -> None:
        if not path.startswith(own) and path not in devices and not is_installed(path):
            refuse(f"read {path[:-1]}")

    def write(path: str) -> None:
        if path in devices:
            return
        if not path.startswith(writable):
            refuse(f"write {path[:-1]}")
        written.add(path)
        if count(written) > max_files:
            refuse(f"write more than {max_files} files")

    def load(path: str) -> None:
        if not is_installed(path):
            refuse("run native code")

    return read, write, load


def _make_hook(
    *, installed: tuple[str, ...], own: tuple[str, ...], writable: tuple[str, ...], listed: tuple[str, ...]
) -> Callable[[str, tuple[Any, ...]], None]:
    """Return the audit hook. The arguments are prefixes of paths; see `install`.

    own   prefixes of the submission's files, which it may read
    """
    read, write, load = _make_file_checks(installed, own, writable)
    events = _refused_events()
    write_events = WRITE_EVENTS
    list_events = LIST_EVENTS
    write_flags = WRITE_FLAGS
    refuse = _refuse
    resolve = _make_resolver()
    type_of = type
    number = int

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if type_of(path) is number:  # a file that is already open
                return
            has_write_flag = flags is not None and flags & write_flags
            has_write_mode = mode is not None and mode.strip("rbtU")
            if has_write_flag or has_write_mode:
                write(resolve(path))
            else:
                read(resolve(path))
        elif event == "import":
            if arguments[1]:  # the file of a compiled module
                load(resolve(arguments[1]))
        elif event in list_events:
            if arguments[0] is not None and type_of(arguments[0]) is not number:
                folder = resolve(arguments[0])
                if folder not in listed:
                    read(folder)
        elif event in write_events:
            write(resolve(arguments[0]))
            if event == "os.rename":
                write(resolve(arguments[1]))
        else:
            for prefix, action in events:
                if event.startswith(prefix):
                    refuse(action)

    return hook


def _make_resolver() -> Callable[[Any], str]:
    """Return a function that makes a path absolute, removes . and .., and appends a slash.

    It does not resolve links, because the hook prevents a submission from creating any.
    """
    refuse = _refuse
    type_of = type
    text = str
    raw = bytes
    current_folder = os.getcwd
    windows = WINDOWS

    def resolve(path: Any) -> str:
        if type_of(path) is raw:
            path = path.decode("utf-8", "surrogateescape")
        if type_of(path) is not text:  # Python converts all paths to text, except custom subclasses
            refuse("open a path of a custom type")
        is_absolute = path[:1] == "/"
        if windows and (path[:1] == "\\" or path[1:2] == ":"):  # \\server\share or C:\folder
            is_absolute = True
        if not is_absolute:
            path = f"{current_folder()}/{path}"
        if windows:
            path = path.replace("\\", "/").lower()
        parts: list[str] = []
        for part in path.split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts = [*parts, part]
        return "/" + "".join(f"{part}/" for part in parts)

    return resolve
