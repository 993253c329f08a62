"""System calls of Linux that Python has no functions for; each raises OSError.

No handle of the C library outlives a call: a submission that finds this module gets none.
"""

import ctypes
import os

NO_SUID, NO_DEV, NO_EXEC, READ_ONLY = 2, 4, 8, 1
REMOUNT, BIND, RECURSIVE, PRIVATE = 32, 4096, 16384, 1 << 18
DETACH = 2
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PROCESSES, NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
DEATH_SIGNAL, DROP_BOUND, NO_NEW_PRIVILEGES = 1, 24, 38  # operations of prctl
CAPABILITIES = 64
CAPABILITY_VERSION = 0x20080522


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library that returns 0 on success."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def unshare(spaces: int) -> None:
    """Enter new namespaces; new processes enter the new process namespace, not the caller."""
    _call("unshare", ctypes.c_int(spaces))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system, or change a mount."""
    texts = [text.encode() for text in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), options.encode())


def bind(source: str, target: str) -> None:
    """Show a file or folder at another path too, read-only; keep the flags that an unprivileged mount must keep."""
    mount(source, target, "", BIND | RECURSIVE)
    kept = os.statvfs(target).f_flag & (NO_SUID | NO_DEV | NO_EXEC | 0x400 | 0x800)  # and access times
    relative = 1 << 21 if os.statvfs(target).f_flag & 0x1000 else 0
    mount("", target, "", REMOUNT | BIND | READ_ONLY | kept | relative)


def pivot(root: str) -> None:
    """Make a mount the root of the file system, and drop the old root."""
    os.chdir(root)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", ctypes.c_int(DETACH))
    os.chdir("/")


def control(operation: int, value: int) -> None:
    """Call prctl."""
    _call("prctl", ctypes.c_int(operation), *(ctypes.c_ulong(one) for one in (value, 0, 0, 0)))


def drop_capabilities() -> None:
    """Give up all capabilities, for this process and all that it starts."""
    for capability in range(CAPABILITIES):
        try:
            control(DROP_BOUND, capability)
        except OSError:
            break  # the kernel has no more
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
