"""Isolate a submission's process with kernel features of Linux, with or without root privileges.

In new namespaces, the process sees the standard library, the exposed packages and its own files, all read-only,
and a small writable folder in memory. Other processes, the network and shared memory are invisible. The process runs
without capabilities. If the grader is root, the process also switches to a user that owns no files. If namespaces are
unavailable, the reason is reported and only the user is changed.
"""

import ctypes
import glob
import os
import shutil
import signal
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

WRITABLE_SIZE, MAX_FILES = "64m", 1000  # limits of the writable folder
FIRST_SPARE_USER = 1_800_000_000  # first of a million unassigned user ids
NOBODY = 65534
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
NOT_LINUX = "namespaces exist on Linux only"


@dataclass(frozen=True)
class View:
    """The file system that a submission sees.

    visible     files, and folders with all their contents
    submission  the submission's own files and folders; they are copied if its user cannot read the originals
    writable    the working folder
    hidden      folders that are hidden even inside visible folders
    """

    visible: tuple[str, ...]
    submission: tuple[str, ...]
    writable: str
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Isolation:
    """The active protections of a process.

    reason  the reason why namespaces are unavailable; empty if the process runs in them
    user    whether the process runs as a user that owns no files
    """

    reason: str
    user: bool


def make_view(readable: Sequence[str], libraries: Sequence[str], writable: str, library: str) -> View:
    """Return a submission's view: its own files, Python and the exposed packages, but not this library."""
    folders = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", f"{sys.base_prefix}/lib", os.path.dirname(os.__file__))
    system = [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]
    sites = [
        site
        for system_folder in system
        for depth in ("", "*/")
        for site in glob.glob(f"{glob.escape(system_folder)}/{depth}*-packages")
    ]
    shown = [path for path in libraries if os.path.exists(path)]
    variants = dict.fromkeys(variant for path in shown for variant in (path, os.path.realpath(path)))
    return View((*system, *variants), tuple(readable), writable, (*sites, library))


def enter(view: View, watch: Callable[[], None], namespaces: bool = True) -> Isolation:
    """Isolate this process as far as the kernel permits.

    With namespaces, the function returns in an isolated grandchild. Its ancestors then exit with the same status.

    watch       called in a thread of the ancestor outside the namespaces; must end that process when the host exits
    namespaces  whether to use namespaces
    """
    if sys.platform != "linux":
        return Isolation(NOT_LINUX, False)
    if not namespaces:
        return _isolate_without_namespaces(view, "they were not requested")
    reports, report_pipe = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reports)
        user = _enter_namespaces(view, report_pipe)
        os.write(report_pipe, b"\0")
        os.close(report_pipe)
        return Isolation("", user)
    os.close(report_pipe)
    reason = os.read(reports, 1)
    if reason == b"\0":
        _exit_like_child(reports, watch)
    reason += os.read(reports, 1000)
    os.close(reports)
    os.waitpid(child, 0)
    return _isolate_without_namespaces(
        view, reason.decode(errors="replace") or "the isolated process ended unexpectedly"
    )


def _isolate_without_namespaces(view: View, reason: str) -> Isolation:
    """Apply the protections that do not require namespaces."""
    user = _drop_root(view)
    with suppress(OSError):
        control(NO_NEW_PRIVILEGES, 1)
    return Isolation(reason, user)


def _enter_namespaces(view: View, report_pipe: int) -> bool:
    """Return, in an isolated grandchild, whether it runs as another user. On failure, report the reason and exit."""
    try:
        control(DEATH_SIGNAL, signal.SIGKILL)
        user, group = os.getuid(), os.getgid()
        spare_user = _spare_user() if user == 0 else None
        namespaces = NEW_MOUNTS | NEW_PROCESSES | NEW_NETWORK | NEW_IPC
        unshare(namespaces | (NEW_USER if user else 0))
        if user:
            _map_user(user, group)
        _wait_and_exit(os.fork(), None)
        control(DEATH_SIGNAL, signal.SIGKILL)
        _mount_view(view, user if spare_user is None else spare_user, copied=spare_user is not None)
        if spare_user is None:
            drop_capabilities()
        control(NO_NEW_PRIVILEGES, 1)
        _wait_and_exit(os.fork(), report_pipe)
        if spare_user is not None:
            _switch_user(spare_user)
        return spare_user is not None
    except BaseException as error:
        os.write(report_pipe, (f"{error.strerror}" if isinstance(error, OSError) else repr(error)).encode()[:900])
        os._exit(1)


def _map_user(user: int, group: int) -> None:
    """Map the user and group ids to themselves in the new user namespace."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as stream:
            stream.write(text)


def _wait_and_exit(child: int, report_pipe: int | None) -> None:
    """In the parent, wait for the child, reap others, report the child's status, and exit. In the child, return."""
    if child == 0:
        return
    _close_other_files(() if report_pipe is None else (report_pipe,))
    while True:
        ended, status = os.wait()
        if ended == child:
            if report_pipe is not None:
                with suppress(OSError):
                    os.write(report_pipe, struct.pack("<i", status))
            os._exit(0)


def _close_other_files(open_files: Sequence[int]) -> None:
    """Close all other files, so that only the submission keeps the host's pipes open."""
    last = -1
    for number in (*sorted(open_files), 1024):
        os.closerange(last + 1, number)
        last = number


def _exit_like_child(reports: int, watch: Callable[[], None]) -> None:
    """Exit with the status of the isolated process."""
    _close_other_files((reports,))
    threading.Thread(target=watch, daemon=True).start()
    packed_status = os.read(reports, 4)
    status = struct.unpack("<i", packed_status)[0] if len(packed_status) == 4 else signal.SIGKILL
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def _mount_view(view: View, owner: int, copied: bool) -> None:
    """Replace the file system with the view."""
    root = view.writable
    mount("", "/", "", RECURSIVE | PRIVATE)
    mount("tmpfs", root, "tmpfs", NO_SUID | NO_DEV, f"size={WRITABLE_SIZE},mode=755")
    for path in view.visible:
        _bind_into(path, root)
    for path in view.submission:
        (_copy if copied else _bind_into)(path, root)
    for path in view.hidden:
        _hide(path, view.visible, root)
    for path in DEVICES:
        _make_mount_point(path, root)
        mount(path, root + path, "", BIND)
    os.makedirs(root + root)
    options = f"size={WRITABLE_SIZE},nr_inodes={MAX_FILES},mode=700,uid={owner}"
    mount("tmpfs", root + root, "tmpfs", NO_SUID | NO_DEV | NO_EXEC, options)
    pivot(root)
    flags = REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEV
    mount("", "/", "", flags)
    os.chdir(root)


def _bind_into(path: str, root: str) -> None:
    """Mount a path in the new root, unless a visible folder already contains it."""
    if not os.path.exists(root + path) or not os.path.samefile(path, root + path):
        _make_mount_point(path, root)
        bind(path, root + path)


def _copy(path: str, root: str) -> None:
    """Copy a file, or a folder with its contents, to the same path in the new root. All users can read the copy.

    Pipes, and files that exceed the available space, are skipped, so that a submission cannot prevent its isolation.
    """
    os.makedirs(os.path.dirname(root + path), exist_ok=True)
    with suppress(OSError):
        if os.path.isdir(path):
            shutil.copytree(path, root + path, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, root + path)
    for folder, _, files in os.walk(root + path):
        os.chmod(folder, 0o755)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o644)
    if os.path.isfile(path):
        os.chmod(root + path, 0o644)


def _hide(path: str, visible: Sequence[str], root: str) -> None:
    """Hide a folder in the new root, except for the visible paths inside it."""
    if not os.path.isdir(root + path):
        return
    mount("tmpfs", root + path, "tmpfs", NO_SUID | NO_DEV, "size=1m,mode=755")
    for other in visible:
        if other.startswith(f"{path}/"):
            _bind_into(other, root)
    mount("", root + path, "", REMOUNT | READ_ONLY | NO_SUID | NO_DEV)


def _make_mount_point(path: str, root: str) -> None:
    """Create an empty file or folder as a mount point in the new root."""
    if os.path.isdir(path):
        os.makedirs(root + path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(root + path), exist_ok=True)
    os.close(os.open(root + path, os.O_CREAT | os.O_RDONLY, 0o644))


def _spare_user() -> int:
    """Return an unassigned user id."""
    return FIRST_SPARE_USER + os.getpid() % 1_000_000


def _switch_user(user: int) -> None:
    """Switch from root to a user, or to "nobody" if the user id cannot be used."""
    os.setgroups([])
    try:
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError:  # a container may map only a few user ids
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def _is_readable(path: str) -> bool:
    """Return whether the current user may read a file, or enter a folder and read the files directly inside it."""
    if not os.path.isdir(path):
        return os.access(path, os.R_OK)
    inside = [entry.path for entry in os.scandir(path)] if os.access(path, os.R_OK | os.X_OK) else [path]
    return all(os.access(file, os.R_OK) for file in inside)


def _drop_root(view: View) -> bool:
    """Switch from root to another user that can read all required files. Return whether this succeeded."""
    if os.getuid() != 0:
        return False
    user = _spare_user()
    child = os.fork()
    if child == 0:
        try:
            _switch_user(user)
            os._exit(0 if all(map(_is_readable, (*view.visible, *view.submission))) else 1)
        except BaseException:
            os._exit(1)
    if os.waitpid(child, 0)[1] != 0:
        return False
    for number in (user, NOBODY):
        with suppress(OSError):
            os.chown(view.writable, number, number)
            break
    _switch_user(user)
    return True


# Linux constants: flags of mount, umount2 and unshare; operations of prctl
NO_SUID, NO_DEV, NO_EXEC, READ_ONLY = 2, 4, 8, 1
REMOUNT, BIND, RECURSIVE, PRIVATE = 32, 4096, 16384, 1 << 18
DETACH = 2
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PROCESSES, NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
DEATH_SIGNAL, DROP_BOUND, NO_NEW_PRIVILEGES = 1, 24, 38
CAPABILITIES = 64  # more than any kernel defines
CAPABILITY_VERSION = 0x20080522


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library that returns 0 on success; OSError for any other result."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def unshare(namespaces: int) -> None:
    """Enter new namespaces. Only child processes enter the new process namespace."""
    _call("unshare", ctypes.c_int(namespaces))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system or change a mount."""
    texts = [text.encode() for text in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), options.encode())


def bind(source: str, target: str) -> None:
    """Mount a file or folder at another path, read-only, keeping the flags that an unprivileged user cannot clear."""
    mount(source, target, "", BIND | RECURSIVE)
    flags = os.statvfs(target).f_flag & (NO_SUID | NO_DEV | NO_EXEC | 0x400 | 0x800)  # 0x400 and 0x800: access times
    relative = 1 << 21 if os.statvfs(target).f_flag & 0x1000 else 0
    mount("", target, "", REMOUNT | BIND | READ_ONLY | flags | relative)


def pivot(root: str) -> None:
    """Make a mount the root of the file system and detach the old root."""
    os.chdir(root)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", ctypes.c_int(DETACH))
    os.chdir("/")


def control(operation: int, value: int) -> None:
    """Call prctl."""
    _call("prctl", ctypes.c_int(operation), *(ctypes.c_ulong(argument) for argument in (value, 0, 0, 0)))


def drop_capabilities() -> None:
    """Drop all capabilities of this process and its future children."""
    for capability in range(CAPABILITIES):
        try:
            control(DROP_BOUND, capability)
        except OSError:
            break  # the kernel defines no more capabilities
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
