"""Processes of submissions that outlive their reference."""

from pathlib import Path

from chainrule.check.host import process


def orphaned_submissions(parent: int = 1) -> list[int]:
    """Return the numbers of the processes that run a submission for another process, or although their judge is gone.

    Processes of tests that run at the same time have a parent.
    """
    numbers = list[int]()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            is_child = int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent
            if is_child and str(process.BOOT).encode() in (entry / "cmdline").read_bytes():
                numbers.append(int(entry.name))
        except OSError:
            continue
    return numbers
