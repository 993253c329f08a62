"""Processes of submissions that outlive their judge."""

from pathlib import Path

from chainrule.check.host import process


def orphaned_submissions() -> list[int]:
    """Return the numbers of the processes that run a submission although their judge is gone.

    Processes of tests that run at the same time have a parent.
    """
    numbers = list[int]()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == 1 and str(process.BOOT).encode() in (entry / "cmdline").read_bytes():
                numbers.append(int(entry.name))
        except OSError:
            continue
    return numbers
