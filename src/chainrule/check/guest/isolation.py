"""Isolate a submission's process with kernel features of Linux, with or without root privileges.

In new namespaces, the process sees the standard library, the exposed packages and a copy of the submission, all
read-only, and a small writable folder in memory. Other processes, the network and shared memory are invisible. The
process runs without capabilities. If the grader is root, the process also switches to a user that owns no other files.
"""

import ctypes
import glob
import os
import signal
import struct
import sys
from collections.abc import Sequence

WRITABLE_SIZE, MAX_FILES = "64m", 1000  # limits of the working folder
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
SYSTEM_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", f"{sys.base_prefix}/lib", os.path.dirname(os.__file__))
MAX_OPEN = 1024  # file numbers below this are closed in the processes that wait for the submission
SIGNAL_CODE = 128  # exit code of a process that was ended by a signal, minus the signal's number

# Linux constants: flags of mount, umount2, unshare and mount_setattr; operations of prctl
NO_SUID, NO_DEV, NO_EXEC, READ_ONLY = 2, 4, 8, 1
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18
DETACH = 2
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PROCESSES, NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
MOUNT_SETATTR, AT_RECURSIVE = 442, 0x8000
DEATH_SIGNAL, NO_NEW_PRIVILEGES = 1, 38
CAPABILITY_VERSION = 0x20080522
JOIN_SESSION_KEYRING, GREATER, MASKED_EQUAL = 1, 6, 7  # operation of keyctl; comparisons of libseccomp
ALLOW, ABSENT = 0x7FFF0000, 0x50026  # results of system calls: what the kernel does; the error ENOSYS
# keys, namespaces, memory outside the limits, other processes, and parts of the kernel that have no namespaces; instead
# of `clone3`, whose flags cannot be seen, the C library then uses `clone`
REFUSED_CALLS = (
    "add_key bpf clone clone3 io_uring_setup keyctl memfd_create memfd_secret mount msgget perf_event_open "
    "process_vm_readv process_vm_writev ptrace request_key semget setns shmget socket unshare userfaultfd"
)
# conditions on the first argument (libseccomp's number, comparison, and two operands): a user namespace; a family of
# sockets beyond those of networks, such as vsock
CONDITIONS = {
    "clone": struct.pack("IIQQ", 0, MASKED_EQUAL, NEW_USER, NEW_USER),
    "socket": struct.pack("IIQQ", 0, GREATER, 16, 0),
}


def enter(installed: Sequence[str], submission: str, work: str, user: int | None) -> None:
    """Continue in an isolated grandchild of this process. This process exits with the grandchild's exit code.

    installed   paths of the exposed packages
    submission  folder with a copy of the submission
    work        working folder; it becomes an empty folder in memory
    user        id of the user to switch to if this process runs as root; None otherwise

    Errors   OSError if the kernel does not grant the namespaces
    """
    own_user = os.getuid()
    own_group = os.getgid()
    unshare(NEW_MOUNTS | NEW_PROCESSES | NEW_NETWORK | NEW_IPC | (NEW_USER if user is None else 0))
    if user is None:
        _map_user(own_user, own_group)
    _follow(os.fork())
    control(DEATH_SIGNAL, signal.SIGKILL)  # the end of this process, the first in its namespace, ends all others
    _mount_view(installed, submission, work, own_user if user is None else user)
    _follow(os.fork())


def give_up_rights(user: int | None, readable: Sequence[str] = ()) -> None:
    """Drop the privileges of this process, and prevent it from gaining any.

    user      id of the user to switch to, or None
    readable  paths that must be readable afterwards if they exist; PermissionError otherwise
    """
    existing = list[str]()
    for path in readable:
        if os.path.exists(path):
            existing.append(path)
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    for path in existing:
        if not os.access(path, os.R_OK):
            raise PermissionError(f"user {user} cannot read {path}")
    if sys.platform == "linux":
        _call("capset", (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)())
        control(NO_NEW_PRIVILEGES, 1)


def refuse_calls() -> None:
    """Begin an empty session keyring, and refuse some system calls from now on; OSError without libseccomp."""
    library = ctypes.CDLL("libseccomp.so.2")
    number_of = library.seccomp_syscall_resolve_name
    library.seccomp_init.restype = ctypes.c_void_p
    ctypes.CDLL(None).syscall(number_of(b"keyctl"), JOIN_SESSION_KEYRING, None)
    rules = ctypes.c_void_p(library.seccomp_init(ALLOW))
    for name in REFUSED_CALLS.split():
        condition = CONDITIONS.get(name, b"")
        library.seccomp_rule_add_array(rules, ABSENT, number_of(name.encode()), bool(condition), condition)
    if library.seccomp_load(rules):
        raise OSError("the kernel refuses filters of system calls")


def _map_user(user: int, group: int) -> None:
    """Map the user and group ids to themselves in the new user namespace."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as stream:
            stream.write(text)


def _follow(child: int) -> None:
    """In the parent, wait for the child, reap all other children, and exit with its code. In the child, return."""
    if child == 0:
        return
    os.closerange(0, MAX_OPEN)  # only the submission keeps the host's pipes open
    control(DEATH_SIGNAL, signal.SIGKILL)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else SIGNAL_CODE - code)


def _mount_view(installed: Sequence[str], submission: str, work: str, owner: int) -> None:
    """Replace the file system with one that contains only the files that the submission needs."""
    mount("", "/", "", RECURSIVE | PRIVATE)
    mount("tmpfs", work, "tmpfs", NO_SUID | NO_DEV, "size=1m,mode=755")  # the new root, for now at this place
    for folder in SYSTEM_FOLDERS:
        _bind(folder, work)
    for folder in _package_folders(work):
        mount("tmpfs", folder, "tmpfs", NO_SUID | NO_DEV, "size=1m,mode=755")
    for path in installed:
        _bind(path, work)
        _bind(os.path.realpath(path), work)
    _bind(submission, work)
    os.makedirs(work + work)
    for path in DEVICES:
        _make_mount_point(path, work)
    set_read_only(work)
    for path in DEVICES:
        mount(path, work + path, "", BIND)
    options = f"size={WRITABLE_SIZE},nr_inodes={MAX_FILES},mode=700,uid={owner}"
    mount("tmpfs", work + work, "tmpfs", NO_SUID | NO_DEV | NO_EXEC, options)
    pivot(work)
    os.chdir(work)


def _package_folders(root: str) -> list[str]:
    """Return the folders below the system folders of the new root where packages are installed."""
    folders = list[str]()
    for folder in SYSTEM_FOLDERS:
        for inner in ("", "*/"):
            for path in glob.glob(f"{glob.escape(root + folder)}/{inner}*-packages"):
                if not os.path.islink(path):
                    folders.append(path)
    return folders


def _bind(path: str, root: str) -> None:
    """Make a file or folder, if it exists, visible at the same path in the new root."""
    if os.path.exists(path) and not os.path.exists(root + path):
        _make_mount_point(path, root)
        mount(path, root + path, "", BIND | RECURSIVE)


def _make_mount_point(path: str, root: str) -> None:
    """Create an empty file or folder as a mount point in the new root."""
    if os.path.isdir(path):
        os.makedirs(root + path)
        return
    os.makedirs(os.path.dirname(root + path), exist_ok=True)
    os.close(os.open(root + path, os.O_CREAT | os.O_RDONLY, 0o644))


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
    """Mount a file system, or change how a mount is propagated."""
    texts = list[bytes]()
    for text in (source, target, kind):
        texts.append(text.encode())
    _call("mount", *texts, ctypes.c_ulong(flags), options.encode())


def set_read_only(path: str) -> None:
    """Make a mount and all mounts below it read-only. Linux supports this since version 5.12."""
    attributes = (ctypes.c_uint64 * 4)(READ_ONLY | NO_SUID | NO_DEV)  # to set, to clear, propagation, namespace
    arguments = (ctypes.c_int(-1), path.encode(), ctypes.c_uint(AT_RECURSIVE), attributes)
    _call("syscall", ctypes.c_long(MOUNT_SETATTR), *arguments, ctypes.c_size_t(ctypes.sizeof(attributes)))


def pivot(root: str) -> None:
    """Make a mount the root of the file system and detach the old root."""
    os.chdir(root)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", ctypes.c_int(DETACH))
    os.chdir("/")


def control(operation: int, value: int) -> None:
    """Call prctl."""
    _call("prctl", ctypes.c_int(operation), *(ctypes.c_ulong(argument) for argument in (value, 0, 0, 0)))
